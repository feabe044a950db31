using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin.Description;

/// <param name="Name">Of a query parameter or a part of the path.</param>
/// <param name="Type">string, integer or boolean.</param>
/// <param name="Values">The only allowed values; empty for any.</param>
internal sealed record ApiParameter(string Name, string Description, string Type = "string", bool Required = false, params string[] Values)
{
    public int? Least { get; init; }

    public int? Most { get; init; }
}

/// <summary>One method of one path below <c>/api/v1</c>, for the document.</summary>
/// <param name="Summary">One line that says what it does.</param>
/// <param name="Answer">Type of the successful response.</param>
/// <param name="Query">Its parameters, without those of the path.</param>
internal sealed record ApiOperation(string Method, string Path, string Summary, JsonTypeInfo Answer, params ApiParameter[] Query)
{
    public int Status { get; init; } = StatusCodes.Status200OK;

    /// <summary>One JSON value, or with <c>application/x-ndjson</c> one per line.</summary>
    public string AnswerType { get; init; } = "application/json";

    /// <summary>Null for none; <see cref="TextBody"/> means text instead.</summary>
    public JsonTypeInfo? Body { get; init; }

    /// <summary>Describes the text of the body.</summary>
    public string? TextBody { get; init; }

    /// <summary>The body may be omitted, which means the defaults.</summary>
    public bool BodyMayBeAbsent { get; init; }

    /// <summary>In addition to those of every operation: 401, 403, 500 and 503.</summary>
    public int[] Errors { get; init; } = [];
}
