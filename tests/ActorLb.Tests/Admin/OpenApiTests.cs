using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using ActorLb.Protocol.Admin;
using ActorLb.Server.Admin.Api;
using ActorLb.Testing.Peers;
using Json.Schema;
using Microsoft.AspNetCore.Routing;
using Microsoft.OpenApi;
using Microsoft.OpenApi.Reader;

namespace ActorLb.Tests.Admin;

/// <summary>The API's own description says what the API is: the same routes, and answers as they really come.</summary>
public sealed class OpenApiTests
{
    [Fact]
    public async Task Document_IsOpenApi_AndNamesEveryRouteThatThereIs_AndNoOther()
    {
        await using var node = await AdminNode.StartAsync();
        using var response = await node.Http.GetAsync("openapi.json");
        Assert.Equal("application/json", response.Content.Headers.ContentType!.MediaType);
        string text = await response.Content.ReadAsStringAsync();
        var read = OpenApiDocument.Parse(text, "json");
        Assert.Empty(read.Diagnostic!.Errors);
        Assert.Empty(read.Diagnostic.Warnings);
        Assert.Equal(OpenApiSpecVersion.OpenApi3_1, read.Diagnostic.SpecificationVersion);
        var document = read.Document!;

        string[] routes =
        [
            .. from route in node.Endpoint.Routes
               where route.RoutePattern.RawText!.StartsWith(ApiRoutes.Prefix, StringComparison.Ordinal)
               from method in route.Metadata.GetMetadata<IHttpMethodMetadata>()!.HttpMethods
               select $"{method} /{route.RoutePattern.RawText![ApiRoutes.Prefix.Length..]}",
        ];
        string[] described = [.. document.Paths.SelectMany(p => p.Value.Operations!.Select(o => $"{o.Key.Method} {p.Key}"))];
        Assert.Equal(routes.Order(StringComparer.Ordinal), described.Order(StringComparer.Ordinal));

        OpenApiOperation[] operations = [.. document.Paths.Values.SelectMany(p => p.Operations!.Values)];
        Assert.Equal(operations.Length, operations.Select(o => o.OperationId).Distinct().Count());
        foreach ((string path, var item) in document.Paths)
        {
            string[] places = [.. Regex.Matches(path, @"\{(\w+)\}").Select(m => m.Groups[1].Value)];
            Assert.All(item.Operations!.Values, o =>
            {
                Assert.NotEmpty(o.Summary!);
                Assert.Equal(places, (o.Parameters ?? []).Where(p => p.In == ParameterLocation.Path).Select(p => p.Name!));
                Assert.Contains(o.Responses!, r => r.Key.StartsWith('2'));
                Assert.True(o.Responses!.ContainsKey("401") && o.Responses.ContainsKey("500"), path);
            });
        }
    }

    [Fact]
    public async Task Document_WithAToken_IsForThoseWhoHaveIt()
    {
        await using var node = await AdminNode.StartAsync("s3cret");
        await AdminNode.ErrorAsync(HttpStatusCode.Unauthorized, await node.SendAsync(HttpMethod.Get, "openapi.json"));
    }

    [Fact]
    public async Task Answers_OfARunningNode_AreAsDescribed()
    {
        await using var node = await AdminNode.StartAsync();
        using var client = await node.ConnectAsync("meter-1", version: 5);
        node.Node.Pools.First().Pool.Snapshot.Backends[0].History.Failed("a failure");
        var document = JsonNode.Parse(await node.Http.GetStringAsync("openapi.json"))!;
        string one = node.One.EndPoint.ToString(), two = node.Two.EndPoint.ToString();
        (string Method, string Path, string Query, string? Body)[] calls =
        [
            ("GET", "/node", "", null), ("GET", "/config", "", null), ("GET", "/config/certificates", "", null), ("POST", "/config/check", "", "actorlb {}"),
            ("GET", "/listeners", "", null), ("GET", "/pools", "", null), ("GET", "/pools/{pool}", "", null),
            ("POST", "/pools/{pool}/backends", "", """{"address":"127.0.0.1:9"}"""), ("DELETE", "/backends/{backend}", "127.0.0.1:9", null),
            ("PUT", "/backends/{backend}/weight", $"{two}?pool=emqx", """{"weight":3}"""), ("POST", "/backends/{backend}/drain", $"{two}?pool=emqx", """{"deadline":60}"""),
            ("POST", "/backends/{backend}/up", $"{two}?pool=emqx", null), ("POST", "/backends/{backend}/flush", $"{two}?pool=emqx", null),
            ("PUT", "/sticky", "?client=x", $$"""{"backend":"emqx/{{one}}"}"""), ("PUT", "/sticky", "?client=x&pool=emqx", $$"""{"backend":"{{one}}"}"""),
            ("GET", "/sticky", "?client=x", null), ("DELETE", "/sticky", "?client=x", null), ("GET", "/sticky/stats", "", null),
            ("GET", "/sessions", "?limit=5", null), ("GET", "/sessions/count", "", null), ("GET", "/sessions/find", "?client=meter-1", null),
            ("GET", "/sessions/find", "?client=nobody", null), ("GET", "/sessions/top", "?by=connects", null), ("GET", "/sessions/top", "", null),
            ("GET", "/sessions/top", "?by=age", null), ("POST", "/sessions/kick", "?client=meter-1", null), ("GET", "/actors", "", null),
            ("GET", "/cluster", "", null), ("GET", "/cluster/status", "", null), ("POST", "/cluster/leave", "", null), ("POST", "/cluster/down", "", """{"nod":1}"""),
            ("GET", "/cluster/events", "?last=5&follow=false", null), ("GET", "/cluster-sharding/regions", "", null), ("GET", "/cluster-sharding/shards", "", null),
            ("GET", "/cluster-sharding/stats", "", null), ("POST", "/cluster-sharding/rebalance", "", null), ("PUT", "/node/log-level", "", """{"level":"error"}"""),
            ("POST", "/listeners/{listener}/pause", "", null), ("POST", "/listeners/{listener}/resume", "", null), ("POST", "/config/reload", "", null),
        ];
        foreach ((string method, string path, string query, string? body) in calls)
        {
            var operation = document["paths"]![path]![method.ToLowerInvariant()]!;
            string url = path[1..].Replace("{pool}", "emqx", StringComparison.Ordinal).Replace("{listener}", "mqtt", StringComparison.Ordinal);
            int question = query.IndexOf('?', StringComparison.Ordinal);
            string place = question < 0 ? query : query[..question];
            url = url.Replace("{backend}", place, StringComparison.Ordinal) + (question < 0 ? "" : query[question..]);
            using var answer = await node.SendAsync(new HttpMethod(method), url, body);
            string text = await answer.Content.ReadAsStringAsync();
            var told = operation["responses"]![$"{(int)answer.StatusCode}"];
            Assert.True(told is not null, $"{method} {url} answers {(int)answer.StatusCode}, which its description does not have: {text}");
            if (told!["$ref"] is { } reference) told = document["components"]!["responses"]![reference.GetValue<string>().Split('/')[^1]]!;
            string type = answer.Content.Headers.ContentType!.MediaType!;
            Assert.True(told["content"]![type] is not null, $"{method} {url} answers {type}");
            foreach (string json in type == "application/x-ndjson" ? text.Split('\n', StringSplitOptions.RemoveEmptyEntries) : [text])
            {
                Assert.True(Problem(document, told["content"]![type]!["schema"]!, JsonNode.Parse(json)) is null, $"{method} {url}: {Problem(document, told["content"]![type]!["schema"]!, JsonNode.Parse(json))}\n{json}");
            }
            // What is sent is as described, too; what is not is refused.
            if (body is not null && operation["requestBody"]!["content"]!["application/json"] is { } request)
            {
                Assert.Equal(answer.StatusCode != HttpStatusCode.BadRequest, Problem(document, request["schema"]!, JsonNode.Parse(body)) is null);
            }
        }
    }

    /// <summary>A schema that takes anything would make the test above worthless.</summary>
    [Fact]
    public async Task Schemas_RefuseWhatIsNotAsDescribed()
    {
        await using var node = await AdminNode.StartAsync();
        var document = JsonNode.Parse(await node.Http.GetStringAsync("openapi.json"))!;
        var schema = document["paths"]!["/node"]!["get"]!["responses"]!["200"]!["content"]!["application/json"]!["schema"]!;
        var good = JsonNode.Parse(await node.Http.GetStringAsync("node"))!.AsObject();
        Assert.Null(Problem(document, schema, good));
        foreach (string member in good.Select(m => m.Key).ToArray())
        {
            var without = good.DeepClone().AsObject();
            without.Remove(member);
            Assert.NotNull(Problem(document, schema, without));
            var other = good.DeepClone().AsObject();
            other[member] = new JsonArray();
            Assert.NotNull(Problem(document, schema, other));
        }
        Assert.All(
            typeof(AdminErrors).GetFields().Select(f => (string)f.GetRawConstantValue()!),
            word => Assert.Contains(word, document["components"]!["schemas"]!["AdminError"]!["properties"]!["error"]!["enum"]!.AsArray().Select(n => n!.GetValue<string>())));
    }

    /// <returns>Null when the value is as the schema has it.</returns>
    private static string? Problem(JsonNode document, JsonNode schema, JsonNode? value)
    {
        var whole = new JsonObject
        {
            ["$schema"] = "https://json-schema.org/draft/2020-12/schema",
            ["allOf"] = new JsonArray(schema.DeepClone()),
            ["$defs"] = document["components"]!["schemas"]!.DeepClone(),
        };
        string text = whole.ToJsonString().Replace("#/components/schemas/", "#/$defs/", StringComparison.Ordinal);
        var results = JsonSchema.FromText(text).Evaluate(
            System.Text.Json.JsonSerializer.SerializeToElement(value), new EvaluationOptions { OutputFormat = OutputFormat.List });
        if (results.IsValid) return null;
        var problems = new StringBuilder();
        foreach (var detail in results.Details ?? [])
        {
            foreach ((string keyword, string message) in detail.Errors ?? new Dictionary<string, string>()) problems.Append(detail.InstanceLocation).Append(' ').Append(keyword).Append(": ").AppendLine(message);
        }
        return problems.Length > 0 ? problems.ToString() : "it is not valid";
    }
}
