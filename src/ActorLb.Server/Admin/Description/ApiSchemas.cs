using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using ActorLb.Protocol.Admin;
using Microsoft.OpenApi;

namespace ActorLb.Server.Admin.Description;

/// <summary>
/// Schemas of the API's records, built from the source-generated JSON metadata so that names and types cannot differ from what is
/// written. A response has all of its members, with null for missing values; a body may only have the record's members.
/// </summary>
internal sealed class ApiSchemas(OpenApiDocument document, IEnumerable<Type> bodies)
{
    private readonly HashSet<Type> _bodies = [.. bodies];

    /// <summary>The values of <see cref="AdminError.Error"/>.</summary>
    public static IEnumerable<string> ErrorWords => typeof(AdminErrors).GetFields(BindingFlags.Public | BindingFlags.Static).Select(f => (string)f.GetRawConstantValue()!);

    public IOpenApiSchema Of(Type type)
    {
        var bare = Nullable.GetUnderlyingType(type) ?? type;
        if (Simple(bare) is { } simple) return bare == type ? simple : OrNull(simple);
        if (bare.IsArray) return new OpenApiSchema { Type = JsonSchemaType.Array, Items = Of(bare.GetElementType()!) };
        string name = bare.Name;
        var schemas = document.Components!.Schemas!;
        // Registered before its members are visited, since one of them may have the same type.
        if (schemas.TryAdd(name, new OpenApiSchema()))
        {
            schemas[name] = Object(AdminJson.Wire.GetTypeInfo(bare) ?? throw new InvalidOperationException($"{bare} is not a record of the API"));
        }
        return new OpenApiSchemaReference(name, document);
    }

    private OpenApiSchema Object(JsonTypeInfo type)
    {
        bool isBody = _bodies.Contains(type.Type);
        var properties = new Dictionary<string, IOpenApiSchema>(StringComparer.Ordinal);
        var required = new HashSet<string>(StringComparer.Ordinal);
        foreach (var property in type.Properties)
        {
            var value = Of(property.PropertyType);
            if (type.Type == typeof(AdminError) && property.PropertyType == typeof(string) && property.Name == "error")
            {
                value = new OpenApiSchema { Type = JsonSchemaType.String, Enum = [.. ErrorWords.Select(w => (JsonNode)w)] };
            }
            properties[property.Name] = property.IsGetNullable && !property.PropertyType.IsValueType ? OrNull(value) : value;
            if (!isBody || property.AssociatedParameter is { HasDefaultValue: false }) required.Add(property.Name);
        }
        return new OpenApiSchema { Type = JsonSchemaType.Object, Properties = properties, Required = required, AdditionalPropertiesAllowed = !isBody };
    }

    private static IOpenApiSchema OrNull(IOpenApiSchema value)
    {
        if (value is OpenApiSchema { Type: { } type } simple)
        {
            simple.Type = type | JsonSchemaType.Null;
            return simple;
        }
        return new OpenApiSchema { AnyOf = [value, new OpenApiSchema { Type = JsonSchemaType.Null }] };
    }

    private static OpenApiSchema? Simple(Type type) => Type.GetTypeCode(type) switch
    {
        TypeCode.String => new OpenApiSchema { Type = JsonSchemaType.String },
        TypeCode.Boolean => new OpenApiSchema { Type = JsonSchemaType.Boolean },
        TypeCode.Int32 => new OpenApiSchema { Type = JsonSchemaType.Integer, Format = "int32" },
        TypeCode.Int64 => new OpenApiSchema { Type = JsonSchemaType.Integer, Format = "int64" },
        TypeCode.UInt64 => new OpenApiSchema { Type = JsonSchemaType.Integer, Minimum = "0" },
        TypeCode.Double => new OpenApiSchema { Type = JsonSchemaType.Number, Format = "double" },
        _ => type == typeof(DateTimeOffset) ? new OpenApiSchema { Type = JsonSchemaType.String, Format = "date-time" } : null,
    };
}
