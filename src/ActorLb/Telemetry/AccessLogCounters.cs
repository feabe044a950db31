namespace ActorLb.Telemetry;

/// <summary>Why lines of the access log cannot be written.</summary>
internal enum AccessLogCause { Slow, DiskFull, Directory, NoFolder, Permission, NoReader, Blocked, OpenFiles, Other }

/// <summary>What the access logs of a node, one after the other, could not write. Any thread.</summary>
internal sealed class AccessLogCounters
{
    private readonly long[] _lost = new long[Enum.GetValues<AccessLogCause>().Length];
    private readonly long[] _failures = new long[Enum.GetValues<AccessLogCause>().Length];
    private long _allLost;

    /// <summary>Lines that nobody will read.</summary>
    public long AllLost => Interlocked.Read(ref _allLost);

    /// <summary>Stable words: dashboards and alerts name them.</summary>
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

    /// <summary>Attempts to open or to write that failed.</summary>
    public long FailuresBy(AccessLogCause cause) => Interlocked.Read(ref _failures[(int)cause]);

    public void Lost(AccessLogCause cause, long lines)
    {
        Interlocked.Add(ref _lost[(int)cause], lines);
        Interlocked.Add(ref _allLost, lines);
    }

    public void Failed(AccessLogCause cause) => Interlocked.Increment(ref _failures[(int)cause]);
}
