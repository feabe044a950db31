using System.Net;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Server;

/// <summary>A folder with a configuration for a node in a process of its own.</summary>
internal sealed class NodeFiles : IDisposable
{
    private readonly TempFolder _folder = new();

    public IPEndPoint Front { get; } = Ports.FreeEndPoint();

    public IPEndPoint Admin { get; } = Ports.FreeEndPoint();

    public string Path => _folder["lb.conf"];

    public string this[string name] => _folder[name];

    public string Add(string name, string text) => _folder.Write(name, text);

    /// <param name="more">Further settings within <c>actorlb</c>; the last word counts.</param>
    public string Write(string pool, string listener = "", string more = "")
    {
        Directory.CreateDirectory(_folder["data"]);
        return _folder.Write("lb.conf", $$"""
            actorlb {
              node { name = child, workers = 1, data-dir = "{{_folder["data"]}}", pid-file = "{{_folder["pid"]}}", drain-timeout = 2s }
              admin.bind = "{{Admin}}"
              pools.p {
                health.probe = none
                {{pool}}
              }
              listeners.mqtt {
                bind = "{{Front}}", pool = p
                {{listener}}
              }
              {{more}}
            }
            """);
    }

    public Task<ActorLbProcess> StartAsync(params string[] through) => ActorLbProcess.StartAsync(Path, Admin, through: through);

    public static Task<ProcessResult> RunAsync(string command, string file, params string[] more) =>
        ActorLbProcess.RunAsync([command, "-c", file, .. more]);

    /// <summary>A client whose CONNECT was accepted through <see cref="Front"/>.</summary>
    public async Task<RawClient> OpenAsync(string id, int version = 4)
    {
        var client = await RawClient.ConnectAsync(Front);
        await client.SendAsync(ConnectBytes.Of(version, id));
        Assert.Equal(FakeBroker.ConnackBytes(0, version), await client.ReadAsync(version == 5 ? 5 : 4));
        return client;
    }

    public void Dispose() => _folder.Dispose();
}
