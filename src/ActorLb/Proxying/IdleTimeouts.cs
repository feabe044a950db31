namespace ActorLb.Proxying;

internal static class IdleTimeouts
{
    /// <summary>A broker may give up a client one and a half times its Keep Alive after its last packet (MQTT 5, 3.1.2.10).</summary>
    private const int KeepAliveMilliseconds = 1500;

    /// <param name="configured">Null is <c>auto</c>.</param>
    /// <param name="keepAlive">Seconds, of the CONNECT.</param>
    /// <returns>Milliseconds; 0 is never.</returns>
    public static int Of(TimeSpan? configured, int keepAlive) =>
        configured is { } fixedTime ? (int)Math.Min(fixedTime.TotalMilliseconds, int.MaxValue) : OfKeepAlive(keepAlive);

    public static int OfKeepAlive(int seconds) => seconds * KeepAliveMilliseconds;
}
