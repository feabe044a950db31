using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace ActorLb.Server.Admin.Api;

/// <summary>Reads the parameters and the body of a request.</summary>
internal static class ApiRequest
{
    /// <summary>Enough for names and numbers; the text of a configuration has its own limit.</summary>
    private const int LargestBody = 64 * 1024;

    /// <summary>The body, or an error response.</summary>
    /// <param name="absent">What an empty body means; null if a body is required.</param>
    public static async Task<(T? Value, ApiResult? Problem)> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type, T? absent = null)
        where T : class
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = LargestBody;
        using var bytes = new MemoryStream();
        await context.Request.Body.CopyToAsync(bytes, context.RequestAborted);
        AuditLog.NoteBody(context, Encoding.UTF8.GetString(bytes.GetBuffer().AsSpan(0, (int)bytes.Length)));
        if (bytes.Length == 0)
        {
            return absent is not null ? (absent, null) : (null, ApiResult.Invalid($"the body is empty; it must be {Shape(type)}"));
        }
        try
        {
            return JsonSerializer.Deserialize(bytes.GetBuffer().AsSpan(0, (int)bytes.Length), type) is { } value
                ? (value, null)
                : (null, ApiResult.Invalid($"the body is null; it must be {Shape(type)}"));
        }
        catch (JsonException e)
        {
            string place = e.LineNumber is { } line ? $" at line {line + 1}, byte {e.BytePositionInLine + 1}" : "";
            return (null, ApiResult.Invalid($"the body is not {Shape(type)}{place}"));
        }
    }

    public static string Route(HttpContext context, string name) => (string)context.GetRouteValue(name)!;

    /// <summary>Null when absent.</summary>
    public static string? Query(HttpContext context, string name)
    {
        string? value = context.Request.Query[name];
        return string.IsNullOrEmpty(value) ? null : value;
    }

    /// <summary>A whole number within bounds, or an error response.</summary>
    public static ApiResult? TryNumber(HttpContext context, string name, int absent, int most, out int value)
    {
        value = absent;
        if (Query(context, name) is not { } text) return null;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value >= 1 && value <= most
            ? null
            : ApiResult.Invalid($"{name}: '{text}' is not a whole number from 1 to {most}");
    }

    /// <summary>Such as { "backend": text }.</summary>
    private static string Shape<T>(JsonTypeInfo<T> type) => $"{{ {string.Join(", ", type.Properties.Select(p => $"\"{p.Name}\": {Word(p.PropertyType)}"))} }}";

    private static string Word(Type type) => type == typeof(string) ? "text" : type == typeof(bool) ? "true or false" : "number";
}
