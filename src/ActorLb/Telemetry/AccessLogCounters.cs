namespace ActorLb.Telemetry;

/// <summary>Why the access log cannot be written.</summary>
internal enum AccessLogCause { Slow, DiskFull, Directory, NoFolder, Permission, NoReader, Blocked, OpenFiles, Other }

/// <summary>Failures and losses of a node's access logs, one after another. Any thread.</summary>
internal sealed class AccessLogCounters
{
    private readonly long[] _lost = new long[Enum.GetValues<AccessLogCause>().Length];
    private readonly long[] _failures = new long[Enum.GetValues<AccessLogCause>().Length];
    private long _allLost;

    /// <summary>Lines lost.</summary>
    public long AllLost => Interlocked.Read(ref _allLost);

    /// <summary>Stable words: dashboards and alerts use them.</summary>
    public static string Word(AccessLogCause cause) => cause switch
    {
        AccessLogCause.Slow => "slow",
        AccessLogCause.DiskFull => "disk_full",
        AccessLogCause.Directory => "directory",
        AccessLogCause.NoFolder => "no_folder",
        AccessLogCause.Permission => "permission",
        AccessLogCause.NoReader => "no_reader",
        AccessLogCause.Blocked => "blocked",
        AccessLogCause.OpenFiles => "open_files",
        _ => "other",
    };

    public long LostBy(AccessLogCause cause) => Interlocked.Read(ref _lost[(int)cause]);

    /// <summary>Failed attempts to open or write.</summary>
    public long FailuresBy(AccessLogCause cause) => Interlocked.Read(ref _failures[(int)cause]);

    public void Lost(AccessLogCause cause, long lines)
    {
        Interlocked.Add(ref _lost[(int)cause], lines);
        Interlocked.Add(ref _allLost, lines);
    }

    public void Failed(AccessLogCause cause) => Interlocked.Increment(ref _failures[(int)cause]);
}
