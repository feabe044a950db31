using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin.Description;

/// <param name="Name">In the query, or of a part of the path.</param>
/// <param name="Type">string, integer or boolean.</param>
/// <param name="Values">The only ones that may be; empty for any.</param>
internal sealed record ApiParameter(string Name, string Description, string Type = "string", bool Required = false, params string[] Values)
{
    public int? Least { get; init; }

    public int? Most { get; init; }
}

/// <summary>One method of one path below <c>/api/v1</c>, as its document tells it.</summary>
/// <param name="Summary">What it does, in a line.</param>
/// <param name="Answer">Of what is answered when it is done.</param>
/// <param name="Query">Its parameters but those of the path.</param>
internal sealed record ApiOperation(string Method, string Path, string Summary, JsonTypeInfo Answer, params ApiParameter[] Query)
{
    public int Status { get; init; } = StatusCodes.Status200OK;

    /// <summary>One JSON value, or with <c>application/x-ndjson</c> one a line.</summary>
    public string AnswerType { get; init; } = "application/json";

    /// <summary>Null for none; <see cref="TextBody"/> takes text instead.</summary>
    public JsonTypeInfo? Body { get; init; }

    /// <summary>What the text of the body is.</summary>
    public string? TextBody { get; init; }

    /// <summary>Without a body it takes the defaults.</summary>
    public bool BodyMayBeAbsent { get; init; }

    /// <summary>Beside those that every operation may answer: 401, 403, 500 and 503.</summary>
    public int[] Errors { get; init; } = [];
}
