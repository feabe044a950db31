using System.Numerics;
using ActorLb.Native.OpenSsl;

namespace ActorLb.Proxying.Limits;

/// <summary>
/// What the sessions of one reactor hold until their CONNACK. A session is weighed after each of its steps, whatever the step did;
/// when the node's budget is exceeded, the oldest of the largest go. Used by the reactor's thread, but for what other threads read.
/// </summary>
internal sealed class SetupLedger
{
    /// <summary>A session and its set-up as objects, its slots in tables, and its small buffers' overhead.</summary>
    internal const int Bare = 2048;

    // OpenSSL 3.0 of Debian 12, by what its allocator was asked for: a connection before its hello, one whose hello was answered, and
    // one that is established and idle.
    internal const int TlsNew = 8 * 1024, TlsUnderWay = 48 * 1024, TlsIdle = 12 * 1024;

    private const int WebSocketBytes = 512;

    // By powers of two from 2 KiB.
    private const int SmallestShift = 11;
    private const int Classes = 20;

    /// <summary>Sessions that one step may make go: the others of the reactor have their turn, too.</summary>
    private const int MostAtOnce = 256;

    private readonly SetupBudget _budget;
    private readonly Action<Session> _displace;
    private readonly Action _wake;
    private readonly Setup?[] _oldest = new Setup?[Classes];
    private readonly Setup?[] _newest = new Setup?[Classes];
    private uint _present;
    private long _held;
    private long _reported;
    private int _asked;

    /// <param name="displace">Ends a session, or at least has it give its buffers back.</param>
    /// <param name="wake">Has the reactor's thread call <see cref="Answer"/>; from any thread.</param>
    public SetupLedger(SetupBudget budget, Action<Session> displace, Action wake)
    {
        _budget = budget;
        _displace = displace;
        _wake = wake;
        budget.Add(this);
    }

    /// <summary>Bytes; any thread may read it.</summary>
    public long Held => Volatile.Read(ref _held);

    /// <summary>Of the largest session; -1 is none. Any thread may read it.</summary>
    internal int LargestClass => Volatile.Read(ref _present) is not 0 and var present ? BitOperations.Log2(present) : -1;

    /// <summary>The session has made a step: what it holds now counts, and there may be too much.</summary>
    public void Settle(Session session)
    {
        if (session.Setup is not { } setup) return;
        Weigh(session, setup);
        if (_budget.IsExceeded(_held - _reported)) Relieve();
    }

    /// <summary>The set-up is given back, and all that it held.</summary>
    public void Leave(Setup setup)
    {
        if (setup.SizeClass < 0) return;
        Unlink(setup);
        setup.Session = null;
        Change(setup, 0);
    }

    /// <summary>Has the reactor check whether its sessions must make room. From any thread.</summary>
    public void Ask()
    {
        if (Interlocked.Exchange(ref _asked, 1) == 0) _wake();
    }

    public void Answer()
    {
        Interlocked.Exchange(ref _asked, 0);
        Relieve();
    }

    private void Relieve()
    {
        for (int n = 0; n < MostAtOnce && _present != 0 && _budget.IsExceeded(_held - _reported); n++)
        {
            if (_budget.LeaveToLarger(this, _held - _reported)) return;
            var setup = _oldest[LargestClass]!;
            var session = setup.Session!;
            _displace(session);
            if (ReferenceEquals(session.Setup, setup)) Weigh(session, setup);
        }
    }

    private void Weigh(Session session, Setup setup)
    {
        long held = SizeOf(session, setup);
        if (held == setup.Held) return;
        Change(setup, held);
        int size = Math.Clamp(BitOperations.Log2((ulong)held) - SmallestShift, 0, Classes - 1);
        if (size == setup.SizeClass) return;
        if (setup.SizeClass >= 0) Unlink(setup);
        setup.Session = session;
        Link(setup, size);
    }

    private void Change(Setup setup, long held)
    {
        _held += held - setup.Held;
        setup.Held = held;
        long change = _held - _reported;
        if (Math.Abs(change) < _budget.Step) return;
        _reported = _held;
        _budget.Report(change);
    }

    private static long SizeOf(Session session, Setup setup)
    {
        long size = Bare + setup.Inbound.Capacity + LengthOf(setup.Outbound) + setup.Reply.Capacity
            + LengthOf(session.Client.Pending) + LengthOf(session.Upstream.Pending)
            + LengthOf(session.ClientId) + LengthOf(setup.UpgradeHead) + LengthOf(setup.Host) + LengthOf(setup.LastRefusal);
        if (session.WebSocket is not null) size += WebSocketBytes;
        return size + SizeOf(session.Client.Tls, session, Phase.TlsHandshake) + SizeOf(session.Upstream.Tls, session, Phase.BackendTls);
    }

    private static int LengthOf(byte[]? bytes) => bytes?.Length ?? 0;

    private static int SizeOf(TlsSession tls, Session session, Phase handshake)
    {
        if (tls.IsNone) return 0;
        if (session.Phase != handshake) return TlsIdle;
        return session.HandshakeBegun ? TlsUnderWay : TlsNew;
    }

    private void Link(Setup setup, int size)
    {
        setup.SizeClass = (sbyte)size;
        setup.Older = _newest[size];
        if (setup.Older is { } older) older.Newer = setup;
        else _oldest[size] = setup;
        _newest[size] = setup;
        Volatile.Write(ref _present, _present | (1U << size));
    }

    private void Unlink(Setup setup)
    {
        int size = setup.SizeClass;
        if (setup.Older is { } older) older.Newer = setup.Newer;
        else _oldest[size] = setup.Newer;
        if (setup.Newer is { } newer) newer.Older = setup.Older;
        else _newest[size] = setup.Older;
        setup.Older = setup.Newer = null;
        setup.SizeClass = -1;
        if (_oldest[size] is null) Volatile.Write(ref _present, _present & ~(1U << size));
    }
}
