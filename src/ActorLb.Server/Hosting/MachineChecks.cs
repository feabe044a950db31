using System.Globalization;
using System.Net;
using ActorLb.Configuration;
using ActorLb.Configuration.Hocon;
using ActorLb.Native;

namespace ActorLb.Server.Hosting;

/// <summary>
/// What a configuration needs and this machine lacks: addresses, directories, permission to bind a port. Only warnings, since a file may be
/// checked on another machine than it runs on.
/// </summary>
internal sealed class MachineChecks
{
    private const int CapNetBindService = 10; // linux/capability.h
    private const int UsualFirstPort = 1024;

    private readonly List<ConfigurationError> _warnings = [];
    private readonly ConfigurationResult _loaded;
    private readonly HashSet<IPAddress> _addresses = [.. LocalAddresses.All()];

    private MachineChecks(ConfigurationResult loaded) => _loaded = loaded;

    public static ConfigurationResult Check(ConfigurationResult loaded)
    {
        if (loaded.Readable is not { } options) return loaded;
        var checks = new MachineChecks(loaded);
        checks.Addresses(options);
        checks.Folders(options);
        return loaded.WithWarnings(checks._warnings);
    }

    /// <summary>Null when a node may bind the port.</summary>
    /// <param name="first">First port that every user may bind: net.ipv4.ip_unprivileged_port_start.</param>
    /// <param name="capabilities">The effective ones, as in /proc/self/status.</param>
    public static string? PortProblem(int port, int first, ulong capabilities) =>
        port == 0 || port >= first || (capabilities >> CapNetBindService & 1) == 1 ? null
            : $"needs permission to bind ports below {first} (CAP_NET_BIND_SERVICE), which this user lacks";

    private void Addresses(ActorLbOptions options)
    {
        int first = FirstPort();
        ulong capabilities = Capabilities();
        Bind("actorlb.admin.bind", options.Admin.Bind);
        if (!options.Cluster.Seeds.IsEmpty) Bind("actorlb.cluster.bind", options.Cluster.Bind);
        foreach (var listener in options.Listeners.Values) Bind(HoconPath.Child("actorlb.listeners", listener.Name) + ".bind", listener.Bind);
        foreach (var pool in options.Pools.Values) Sources(HoconPath.Child("actorlb.pools", pool.Name) + ".source-addresses", pool);

        void Bind(string key, IPEndPoint bind)
        {
            if (!_loaded.IsWritten(key)) return;
            if (!IsHere(bind.Address)) Warn(key, bind.ToString(), "is not an address of this machine: it cannot be bound here");
            if (PortProblem(bind.Port, first, capabilities) is { } problem) Warn(key, bind.ToString(), problem);
        }
    }

    private void Sources(string key, PoolOptions pool)
    {
        foreach (var source in pool.SourceAddresses)
        {
            if (IsHere(source.Address)) continue;
            string text = source.Address.ToString();
            string element = HoconPath.Element(key, pool.SourceAddresses.IndexOf(source));
            Warn(_loaded.IsWritten(element) ? element : key, text, "is not an address of this machine: nothing can connect from it here");
        }
    }

    private bool IsHere(IPAddress address) =>
        address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any) || IPAddress.IsLoopback(address) || _addresses.Contains(address)
        || Number($"/proc/sys/net/{(address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? "ipv6" : "ipv4")}/ip_nonlocal_bind", 0) == 1;

    private void Folders(ActorLbOptions options)
    {
        string data = options.Node.DataDirectory;
        // A default directory is created without a warning, where possible.
        if (FolderProblem(data, _loaded.IsWritten("actorlb.node.data-dir")) is { } problem) Warn("actorlb.node.data-dir", data, problem);
        if (options.Node.PidFile is { } pid && Path.GetDirectoryName(pid) is { } folder && folder != data
            && FolderProblem(folder, _loaded.IsWritten("actorlb.node.pid-file")) is { } pidProblem)
        {
            Warn("actorlb.node.pid-file", pid, $"is in a directory that {pidProblem}");
        }
        if (options.Log.Access is { } access and not "stdout" && Path.GetDirectoryName(access) is { } logs && !Directory.Exists(logs))
        {
            Warn("actorlb.log.access", access, "is in a directory that does not exist; the node does not create it");
        }
    }

    /// <summary>Null when the node can write to it, or create it.</summary>
    private static string? FolderProblem(string folder, bool written)
    {
        if (Directory.Exists(folder)) return FileStatus.IsWritable(folder) ? null : "is not writable: permission denied";
        if (FileStatus.Of(folder) is not (FileKind.Missing or FileKind.NoPermission)) return "is not a directory";
        string? above = Path.GetDirectoryName(folder);
        while (above is not null && FileStatus.Of(above) is FileKind.Missing) above = Path.GetDirectoryName(above);
        if (above is null || !Directory.Exists(above) || !FileStatus.IsWritable(above)) return $"does not exist and cannot be created: {above} is not writable";
        return written ? "does not exist: the node creates it when it starts" : null;
    }

    private void Warn(string key, string value, string reason) => _warnings.Add(new ConfigurationError(_loaded.PositionOf(key), key, value, reason));

    private static int FirstPort() => Number("/proc/sys/net/ipv4/ip_unprivileged_port_start", UsualFirstPort);

    private static int Number(string file, int absent)
    {
        try
        {
            return int.TryParse(File.ReadAllText(file), NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out int number) ? number : absent;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return absent;
        }
    }

    private static ulong Capabilities()
    {
        const string Effective = "CapEff:";
        try
        {
            string? line = File.ReadLines("/proc/self/status").FirstOrDefault(l => l.StartsWith(Effective, StringComparison.Ordinal));
            return ulong.TryParse(line?[Effective.Length..].Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong set) ? set : ulong.MaxValue;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ulong.MaxValue;
        }
    }
}
