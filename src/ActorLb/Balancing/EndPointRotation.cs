using System.Net;

namespace ActorLb.Balancing;

/// <summary>The resolved addresses of a backend, dialled in turn. Part of the <see cref="Backend"/>. Any thread, without locks.</summary>
internal struct EndPointRotation(IPEndPoint[] endPoints)
{
    private volatile IPEndPoint[] _all = endPoints;
    private int _next;

    public readonly IPEndPoint[] All => _all;

    public IPEndPoint? Next()
    {
        var all = _all;
        return all.Length switch
        {
            0 => null,
            1 => all[0],
            _ => all[(int)((uint)(Interlocked.Increment(ref _next) - 1) % (uint)all.Length)],
        };
    }

    public void Set(IPEndPoint[] endPoints) => _all = endPoints;
}
