using System.Net;
using System.Net.Sockets;
using ActorLb.Configuration;
using ActorLb.Fleet.Membership;
using ActorLb.Hosting;
using ActorLb.Testing;

namespace ActorLb.Tests.Fleet.Membership;

/// <summary>Which nodes may join, which are refused, and what is logged.</summary>
[Trait("place", "beside")]
[Trait("speed", "slow")]
public sealed class FleetRefusalTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("actorlb-fleet-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Nodes_OfOneSecret_FormAFleet()
    {
        await using var nodes = new FleetNodes(3) { Adapt = (_, s) => s with { SecretFile = Secret("one") } };
        nodes.StartAll();
        await nodes.FormedAsync(0, 1, 2);

        Assert.StartsWith("akka.", nodes[0].System!.Address, StringComparison.Ordinal);
        Assert.Contains("ssl", nodes[0].System!.Address, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Node_OfAnotherSecret_StaysOutside_AndBothSidesSayWhy()
    {
        await using var nodes = new FleetNodes(3) { Adapt = (n, s) => s with { SecretFile = Secret(n == 2 ? "other" : "one") } };
        nodes.StartAll();
        await nodes.FormedAsync(0, 1);
        await nodes.FormedAsync(2);
        const string Reason = "its certificate was not derived from this node's cluster.secret-file";
        foreach (int node in (int[])[0, 2])
        {
            await Wait.UntilAsync(() => nodes.Heard(node, "fleet_refused", Reason) > 0, () => $"n{node} said nothing: {nodes.LogText()}");
        }

        // A failed handshake ends no fleet system on either side.
        Assert.All(nodes.Running, h => Assert.Equal(0, h.Standing.Restarts));
        Assert.DoesNotContain(nodes.Running, h => h.Standing.Members is { All.Length: 3 });
    }

    [Fact]
    public async Task Nodes_OfOneAuthority_FormAFleet_AndThoseOfAnotherStayOutside()
    {
        using var authority = new ServiceAuthority(_folder.FullName, "ca");
        using var strange = new ServiceAuthority(_folder.FullName, "strange");
        await using var nodes = new FleetNodes(3)
        {
            Adapt = (n, s) =>
            {
                var issuer = n == 2 ? strange : authority;
                (string certificate, string key) = issuer.Issue($"node{n}");
                return s with { Tls = new ServiceTlsOptions(certificate, key, issuer.CertificateFile) };
            },
        };
        nodes.StartAll();
        await nodes.FormedAsync(0, 1);
        await Wait.UntilAsync(() => nodes.Heard(0, "fleet_refused", "is not trusted") > 0, nodes.LogText);

        Assert.DoesNotContain(nodes.Running, h => h.Standing.Members is { All.Length: 3 });
    }

    [Fact]
    public async Task Certificate_Renewed_StartsAnotherFleetSystem_AndABadOneChangesNothing()
    {
        using var authority = new ServiceAuthority(_folder.FullName, "ca");
        await using var nodes = new FleetNodes(2)
        {
            Adapt = (n, s) => s with
            {
                Tls = new ServiceTlsOptions(
                    Path.Combine(_folder.FullName, $"node{n}.pem"), Path.Combine(_folder.FullName, $"node{n}.key"), authority.CertificateFile),
            },
        };
        foreach (int node in (int[])[0, 1]) authority.Issue($"node{node}");
        nodes.StartAll();
        await nodes.FormedAsync(0, 1);
        Assert.Null(nodes[0].RenewCertificate());
        Assert.Equal(0, nodes[0].Standing.Restarts);

        string file = Path.Combine(_folder.FullName, "node0.pem"), good = await File.ReadAllTextAsync(file);
        await File.WriteAllTextAsync(file, "nonsense");
        Assert.Contains("node0.pem", nodes[0].RenewCertificate(), StringComparison.Ordinal);
        Assert.Equal(0, nodes[0].Standing.Restarts);

        await File.WriteAllTextAsync(file, good);
        authority.Issue("node0");
        Assert.Null(nodes[0].RenewCertificate());
        await Wait.UntilAsync(() => nodes[0].Standing.Restarts == 1, () => "not restarted");
        await nodes.FormedAsync(0, 1);
    }

    [Theory]
    [InlineData("cluster", "its cluster is 'other', this node's is 'test'")]
    [InlineData("shards", "its cluster.shards is 32, this node's 16")]
    [InlineData("name", "its node.name 'n0' is already in use")]
    public async Task Node_ThatDoesNotFit_StaysOutside_AndBothSidesSayWhy(string what, string reason)
    {
        await using var nodes = new FleetNodes(3)
        {
            Adapt = (n, s) => n != 2 ? s : what switch
            {
                "cluster" => s with { Cluster = "other" },
                "shards" => s with { Shards = 32 },
                _ => s with { Node = "n0" },
            },
        };
        nodes.StartAll();
        await nodes.FormedAsync(0, 1);

        await Wait.UntilAsync(() => nodes.Heard(0, "fleet_refused", reason) > 0, nodes.LogText);
        await Wait.UntilAsync(() => nodes.Heard(2, "fleet_refused", "") > 0, nodes.LogText);
        Assert.DoesNotContain(nodes.Running, h => h.Standing.Members is { All.Length: 3 });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Garbage_OnThePort_KeepsNobodyOut_AndFillsNoLog(bool isSecured)
    {
        await using var nodes = new FleetNodes(2) { Adapt = (_, s) => s with { SecretFile = isSecured ? Secret("one") : null, Akka = "" } };
        nodes.Start(0);
        await Wait.UntilAsync(() => nodes[0].System is not null, () => "no system");
        var port = nodes.SettingsOf(0).Bind;
        var held = new List<Socket>();
        foreach (byte[] bytes in (byte[][])[[], [0xFF, 0xFF, 0xFF, 0x7F], "GET / HTTP/1.1\r\n\r\n"u8.ToArray(), [0x16, 3, 1, 2, 0, 1], new byte[4096]])
        {
            for (int i = 0; i < 20; i++) held.Add(await SendAsync(port, bytes));
        }

        nodes.Start(1);
        await nodes.FormedAsync(0, 1);
        // Each is closed after the handshake's time limit, with few log lines.
        foreach (var socket in held)
        {
            using (socket) await AssertClosedAsync(socket);
        }
        Assert.InRange(nodes.Log.Lines.Count(l => l.Text.StartsWith("Akka", StringComparison.Ordinal) && l.Level >= Microsoft.Extensions.Logging.LogLevel.Information), 0, 20);
        Assert.All(nodes.Log.Lines, l => Assert.InRange(l.Text.Length, 0, 700));
    }

    /// <summary>Silent connections, and ones that start a handshake and then stop: more than a thousand at once.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Connections_HeldOnThePort_KeepNoMemberOut(bool isSecured)
    {
        await using var nodes = new FleetNodes(2) { Adapt = (_, s) => s with { SecretFile = isSecured ? Secret("one") : null, Akka = "" } };
        nodes.Start(0);
        await Wait.UntilAsync(() => nodes[0].System is not null, () => "no system");
        var port = nodes.SettingsOf(0).Bind;
        var held = new List<Socket>();
        for (int i = 0; i < 1100; i++) held.Add(await SendAsync(port, i % 2 == 0 ? [] : [0x16, 3, 1, 2, 0, 1]));

        nodes.Start(1);
        await nodes.FormedAsync(0, 1);
        foreach (var socket in held) socket.Dispose();
        Assert.Equal(0, nodes[0].Standing.Restarts);
    }

    private static async Task<Socket> SendAsync(IPEndPoint port, byte[] bytes)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(port);
        await socket.SendAsync(bytes);
        return socket;
    }

    private static async Task AssertClosedAsync(Socket socket)
    {
        using var patience = new CancellationTokenSource(Wait.Patience);
        byte[] buffer = new byte[1024];
        try
        {
            while (await socket.ReceiveAsync(buffer, patience.Token) > 0)
            {
                // Possibly an alert.
            }
        }
        catch (SocketException)
        {
            // Reset.
        }
    }

    private string Secret(string name)
    {
        string file = Path.Combine(_folder.FullName, name);
        File.WriteAllText(file, $"0123456789abcdef0123456789abcdef {name}\n");
        return file;
    }
}
