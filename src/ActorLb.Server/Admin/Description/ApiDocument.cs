using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using ActorLb.Protocol.Admin;
using Microsoft.AspNetCore.Http;
using Microsoft.OpenApi;

namespace ActorLb.Server.Admin.Description;

/// <summary>The OpenAPI document of <c>/api/v1</c>, built on first use so that it does not delay the start.</summary>
internal static class ApiDocument
{
    public const string Path = "openapi.json";

    private const string Bearer = "token";

    private static readonly (int Status, string Name, string Description)[] Errors =
    [
        (StatusCodes.Status400BadRequest, "Invalid", "The request cannot be understood."),
        (StatusCodes.Status401Unauthorized, "Unauthorized", "The token is missing or wrong."),
        (StatusCodes.Status403Forbidden, "Forbidden", "The request comes from another site's page, or uses a host name that is not accepted."),
        (StatusCodes.Status404NotFound, "Unknown", "Nothing has that name; the detail lists the known names."),
        (StatusCodes.Status409Conflict, "Refused", "Understood, but not possible in the current state."),
        (StatusCodes.Status413PayloadTooLarge, "TooLarge", "The body is larger than the endpoint accepts."),
        (StatusCodes.Status500InternalServerError, "Internal", "An internal fault of the node; see its log."),
        (StatusCodes.Status503ServiceUnavailable, "Unavailable", "The node that decides cannot be reached now; the outcome may be unknown."),
    ];

    private static readonly int[] Always =
    [
        StatusCodes.Status401Unauthorized, StatusCodes.Status403Forbidden, StatusCodes.Status500InternalServerError, StatusCodes.Status503ServiceUnavailable,
    ];

    private static readonly Lazy<Task<byte[]>> Json = new(WriteAsync);

    public static Task<byte[]> JsonAsync() => Json.Value;

    private static async Task<byte[]> WriteAsync()
    {
        using var bytes = new MemoryStream();
        await Build().SerializeAsJsonAsync(bytes, OpenApiSpecVersion.OpenApi3_1);
        return bytes.ToArray();
    }

    private static OpenApiDocument Build()
    {
        var document = new OpenApiDocument
        {
            Info = new OpenApiInfo
            {
                Title = "ActorLb admin API",
                Version = Program.Version,
                Description = "Used by pbm and the dashboard. Changes to backends, the sticky map and sessions apply to every node of the fleet.",
            },
            Servers = [new OpenApiServer { Url = "/api/v1" }],
            Paths = [],
            Components = new OpenApiComponents
            {
                Schemas = new Dictionary<string, IOpenApiSchema>(StringComparer.Ordinal),
                Responses = new Dictionary<string, IOpenApiResponse>(StringComparer.Ordinal),
                SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>(StringComparer.Ordinal)
                {
                    [Bearer] = new OpenApiSecurityScheme
                    {
                        Type = SecuritySchemeType.Http,
                        Scheme = "bearer",
                        Description = "The token of admin.token-file. Without one the endpoint listens on loopback only and requires no token.",
                    },
                },
            },
        };
        var schemas = new ApiSchemas(document, ApiOperations.All.Select(o => o.Body?.Type).OfType<Type>());
        foreach ((_, string name, string description) in Errors)
        {
            document.Components.Responses[name] = new OpenApiResponse { Description = description, Content = Content("application/json", schemas.Of(typeof(AdminError))) };
        }
        foreach (var path in ApiOperations.All.GroupBy(o => o.Path))
        {
            var item = new OpenApiPathItem();
            foreach (var operation in path) item.AddOperation(new HttpMethod(operation.Method), Describe(operation, document, schemas));
            document.Paths["/" + path.Key] = item;
        }
        var own = Describe(document, "getOpenapiJson", "This document", new OpenApiResponse
        {
            Description = "OpenAPI 3.1",
            Content = Content("application/json", new OpenApiSchema { Type = JsonSchemaType.Object }),
        });
        own.Tags = new HashSet<OpenApiTagReference> { new(Path, document) };
        document.Paths["/" + Path] = new OpenApiPathItem { Operations = new Dictionary<HttpMethod, OpenApiOperation> { [HttpMethod.Get] = own } };
        document.Tags = new HashSet<OpenApiTag>(ApiOperations.All.Select(TagOf).Append(Path).Distinct().Select(t => new OpenApiTag { Name = t }));
        document.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(Bearer, document)] = [] }, new OpenApiSecurityRequirement()];
        return document;
    }

    private static OpenApiOperation Describe(ApiOperation operation, OpenApiDocument document, ApiSchemas schemas)
    {
        var described = Describe(document, IdOf(operation), operation.Summary, new OpenApiResponse
        {
            Description = operation.Status == StatusCodes.Status202Accepted ? "Started." : "Done.",
            Content = Content(operation.AnswerType, schemas.Of(operation.Answer.Type)),
        }, operation.Status);
        described.Tags = new HashSet<OpenApiTagReference> { new(TagOf(operation), document) };
        described.Parameters =
        [
            .. ApiOperations.PathParameters.Where(p => operation.Path.Contains($"{{{p.Name}}}", StringComparison.Ordinal)).Select(p => Describe(p, ParameterLocation.Path)),
            .. operation.Query.Select(p => Describe(p, ParameterLocation.Query)),
        ];
        bool hasBody = operation.Body is not null || operation.TextBody is not null;
        foreach (int status in hasBody ? [.. operation.Errors, StatusCodes.Status413PayloadTooLarge] : operation.Errors) AddError(described, status, document);
        if (hasBody)
        {
            described.RequestBody = new OpenApiRequestBody
            {
                Required = !operation.BodyMayBeAbsent,
                Description = operation.TextBody,
                Content = operation.Body is { } body
                    ? Content("application/json", schemas.Of(body.Type))
                    : Content("text/plain", new OpenApiSchema { Type = JsonSchemaType.String }),
            };
        }
        return described;
    }

    private static OpenApiOperation Describe(OpenApiDocument document, string id, string summary, OpenApiResponse answer, int status = StatusCodes.Status200OK)
    {
        var described = new OpenApiOperation
        {
            OperationId = id,
            Summary = summary,
            Responses = new OpenApiResponses { [status.ToString(CultureInfo.InvariantCulture)] = answer },
        };
        foreach (int always in Always) AddError(described, always, document);
        return described;
    }

    private static void AddError(OpenApiOperation operation, int status, OpenApiDocument document) =>
        operation.Responses![status.ToString(CultureInfo.InvariantCulture)] = new OpenApiResponseReference(Errors.Single(e => e.Status == status).Name, document);

    private static OpenApiParameter Describe(ApiParameter parameter, ParameterLocation location) => new()
    {
        Name = parameter.Name,
        In = location,
        Description = parameter.Description,
        Required = parameter.Required,
        Schema = new OpenApiSchema
        {
            Type = parameter.Type switch { "integer" => JsonSchemaType.Integer, "boolean" => JsonSchemaType.Boolean, _ => JsonSchemaType.String },
            Enum = parameter.Values.Length == 0 ? null : [.. parameter.Values.Select(v => (JsonNode)v)],
            Minimum = parameter.Least?.ToString(CultureInfo.InvariantCulture),
            Maximum = parameter.Most?.ToString(CultureInfo.InvariantCulture),
        },
    };

    private static Dictionary<string, IOpenApiMediaType> Content(string type, IOpenApiSchema schema) =>
        new(StringComparer.Ordinal) { [type] = new OpenApiMediaType { Schema = schema } };

    /// <summary>The first segment of the path, as in pbm's command groups.</summary>
    private static string TagOf(ApiOperation operation) => operation.Path.Split('/')[0];

    /// <summary>Such as "postBackendsBackendDrain".</summary>
    private static string IdOf(ApiOperation operation)
    {
        var id = new StringBuilder(operation.Method.ToLowerInvariant());
        foreach (string word in operation.Path.Split('/', '-').Select(w => w.Trim('{', '}'))) id.Append(char.ToUpperInvariant(word[0])).Append(word, 1, word.Length - 1);
        return id.ToString();
    }
}
