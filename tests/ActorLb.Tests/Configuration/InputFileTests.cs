using System.Net.Sockets;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;
using ActorLb.Server.Hosting;
using ActorLb.Testing;
using ActorLb.Testing.Processes;
using ActorLb.Tls;

namespace ActorLb.Tests.Configuration;

/// <summary>Files that are none: each is refused at once, whoever reads it, and nothing waits for its other end.</summary>
public sealed class InputFileTests : IDisposable
{
    private readonly TempFolder _folder = new();

    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    public void Dispose()
    {
        _socket.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("fifo", "it is a pipe, not a regular file")]
    [InlineData("socket", "it is a socket, not a regular file")]
    [InlineData("folder", "it is a directory")]
    [InlineData("large", "it is larger than 16 MiB")]
    [InlineData("link", "it is a pipe, not a regular file")]
    [InlineData("/dev/zero", "it is a device, not a regular file")]
    [InlineData("/dev/full", "it is a device, not a regular file")]
    [InlineData("none", "it does not exist")]
    [InlineData("/proc/self/status/none", "it does not exist")]
    public async Task NoRegularFile_IsRefusedByEveryReader(string name, string reason)
    {
        string file = Make(name);
        string root = await AtOnceAsync(() => Assert.Single(ConfigurationLoader.Load(file).Errors).ToString());
        Assert.Equal($"{file}:1:1: cannot read '{file}': {reason}", root);

        string includes = await AtOnceAsync(() => Errors($"include required(\"{file}\")"));
        Assert.Contains(name is "none" or "/proc/self/status/none" ? "does not exist" : name == "folder" ? "is a directory" : reason, includes, StringComparison.Ordinal);

        foreach (string setting in new[]
        {
            $"admin.token-file = \"{file}\"", $"cluster.secret-file = \"{file}\"",
            $"pools.p.tls.ca = \"{file}\"", $"listeners.l.tls {{ certificate = \"{file}\", key = \"{file}\" }}",
            $"cluster.tls {{ certificate = \"{file}\", key = \"{file}\", ca = \"{file}\" }}",
        })
        {
            string errors = await AtOnceAsync(() => Errors($"{setting}, pools.p.backends = [\"a:1\"], listeners.l {{ bind = \"127.0.0.1:0\", pool = p }}"));
            Assert.True(errors.Contains(reason, StringComparison.Ordinal), $"{setting}: {errors}");
        }

        await AtOnceAsync(() => FileStamps.Take([file]));
        Assert.Null(await AtOnceAsync(() => PidFile.Running(file)));
        Assert.Null(await AtOnceAsync(() => ReloadReport.Read(file)));
    }

    [Theory]
    [InlineData("fifo")]
    [InlineData("/dev/zero")]
    [InlineData("folder")]
    public async Task PidFile_NoRegularFile_IsRefused(string name)
    {
        string file = Make(name);
        var e = await AtOnceAsync(() => Assert.ThrowsAny<IOException>(() => PidFile.Take(file)));
        Assert.StartsWith($"pid-file {file}: it is a ", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pipe_WhereItIsAllowed_IsReadToItsEnd_WithoutIncludedPipes()
    {
        string fifo = Make("fifo");
        var writing = Task.Run(() => File.WriteAllText(fifo, "pools.p.backends = [\"a:1\"]\nactorlb { pools.p { backends = [\"a:1\"] }, listeners.l { bind = \"127.0.0.1:0\", pool = p } }"));
        var read = await AtOnceAsync(() => ConfigurationLoader.Load(fifo, pipes: true));
        await writing;
        Assert.NotNull(read.Options);
        string including = _folder.Write("including.conf", $"include required(\"{fifo}\")");
        Assert.Contains("it is a pipe", Assert.Single(ConfigurationLoader.Load(including, pipes: true).Errors).ToString(), StringComparison.Ordinal);
    }

    private string Errors(string text)
    {
        string file = _folder.Write("test.conf", text.StartsWith("include", StringComparison.Ordinal) ? text : $"actorlb {{ {text} }}");
        return string.Join('\n', NamedFiles.Check(ConfigurationLoader.Load(file)).Errors);
    }

    private static async Task<T> AtOnceAsync<T>(Func<T> read) => await Task.Run(read).WaitAsync(Wait.Patience);

    private string Make(string name)
    {
        if (name.StartsWith('/')) return name;
        string path = _folder[name];
        switch (name)
        {
            case "fifo":
                Fifo.Make(path);
                break;
            case "link":
                Fifo.Make(_folder["target"]);
                File.CreateSymbolicLink(path, _folder["target"]);
                break;
            case "socket":
                _socket.Bind(new UnixDomainSocketEndPoint(path));
                break;
            case "folder":
                Directory.CreateDirectory(path);
                break;
            case "large":
                using (var file = File.Create(path)) file.SetLength((16 << 20) + 1);
                break;
        }
        return path;
    }
}
