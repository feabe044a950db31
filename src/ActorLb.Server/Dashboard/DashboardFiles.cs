using System.IO.Compression;
using System.Reflection;
using System.Security.Cryptography;
using ActorLb.Server.Admin;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace ActorLb.Server.Dashboard;

/// <summary>
/// The dashboard's own files, embedded in the executable. They contain no secrets and are served to anyone; all data that they show
/// comes over the API, which requires the token.
/// </summary>
internal static class DashboardFiles
{
    /// <summary>Where the page's parts are served.</summary>
    public const string Prefix = "/dashboard/";

    private const string Resources = "Dashboard/";

    /// <summary>Nothing from elsewhere, nothing inline, no framing: text in a client's name cannot become a script.</summary>
    private const string ContentPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

    private static readonly Lazy<Dictionary<string, Served>> Files = new(Load);

    private sealed record Served(string Type, byte[] Body, byte[] Packed, string ETag);

    public static bool Has(PathString path) => path.Value is { } name && Files.Value.ContainsKey(name);

    public static void Map(WebApplication app)
    {
        foreach ((string path, var file) in Files.Value) app.MapMethods(path, [HttpMethods.Get, HttpMethods.Head], context => AnswerAsync(context, file));
    }

    private static Task AnswerAsync(HttpContext context, Served file)
    {
        var headers = context.Response.Headers;
        headers.ContentSecurityPolicy = ContentPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        // Another release has different files under the same names: the browser revalidates each time and gets a 304 if nothing changed.
        headers.CacheControl = "no-cache";
        headers.Vary = HeaderNames.AcceptEncoding;
        bool packs = context.Request.GetTypedHeaders().AcceptEncoding.Any(e => e.Value == "gzip" && e.Quality is null or > 0);
        string tag = packs ? $"\"{file.ETag}-gzip\"" : $"\"{file.ETag}\"";
        headers.ETag = tag;
        if (context.Request.Headers.IfNoneMatch == tag)
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return Task.CompletedTask;
        }
        byte[] body = packs ? file.Packed : file.Body;
        context.Response.ContentType = file.Type;
        if (packs) headers.ContentEncoding = "gzip";
        if (!HttpMethods.IsHead(context.Request.Method)) return AnswerPlaces.WriteAsync(context, body);
        context.Response.ContentLength = body.Length;
        return Task.CompletedTask;
    }

    private static Dictionary<string, Served> Load()
    {
        var assembly = typeof(DashboardFiles).Assembly;
        var files = new Dictionary<string, Served>(StringComparer.Ordinal);
        foreach (string name in assembly.GetManifestResourceNames().Where(n => n.StartsWith(Resources, StringComparison.Ordinal)))
        {
            using var stream = assembly.GetManifestResourceStream(name)!;
            byte[] body = new byte[stream.Length];
            stream.ReadExactly(body);
            string file = name[Resources.Length..];
            files.Add(
                file == "index.html" ? "/" : Prefix + file,
                new Served(TypeOf(file), body, Pack(body), Convert.ToHexStringLower(SHA256.HashData(body).AsSpan(0, 12))));
        }
        return files;
    }

    private static byte[] Pack(byte[] body)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize)) gzip.Write(body);
        return packed.ToArray();
    }

    private static string TypeOf(string file) => Path.GetExtension(file) switch
    {
        ".html" => "text/html; charset=utf-8",
        ".css" => "text/css; charset=utf-8",
        ".js" => "text/javascript; charset=utf-8",
        ".svg" => "image/svg+xml",
        var other => throw new InvalidOperationException($"there is no content type for {other}"),
    };
}
