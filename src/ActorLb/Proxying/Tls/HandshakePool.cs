using System.Runtime.InteropServices;
using ActorLb.Native.OpenSsl;

namespace ActorLb.Proxying.Tls;

/// <summary>Gets the outcomes of handshake steps.</summary>
internal interface IHandshakeOwner
{
    /// <summary>
    /// One step has ended and the session belongs to the owner again. Called on a thread of the pool: must not block or throw.
    /// After Done and Failed the handshake no longer counts; after WantRead and WantWrite it does until
    /// <see cref="HandshakePool.Submit"/> brings it to an end or <see cref="HandshakePool.Abandon"/> gives it up.
    /// </summary>
    void HandshakeStepped(long token, HandshakeOutcome outcome);
}

/// <summary>
/// Threads that make handshake steps for the reactors. A step costs up to 0.6 ms of CPU, mostly one signature; on a reactor
/// a storm of them would delay every relayed message. The threads run at a low priority for the same reason.
/// </summary>
internal sealed partial class HandshakePool : IDisposable
{
    // nice(2): low enough to yield to the reactors, high enough that handshakes go on beside a busy one.
    private const int Niceness = 10;
    private const int PriorityOfProcess = 0;

    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _ready = new(0);
    private readonly Thread[] _threads;
    private readonly int _maxHandshakes;

    // Under the gate. Steps that go on with a handshake are taken before those that begin one: what was begun gets done, within
    // its time, instead of everything being begun and timing out together.
    private readonly Queue<Step> _begun = new();
    private readonly Queue<Step> _new = new();
    private int _handshakes;
    private bool _stopped;

    /// <param name="maxHandshakes">Handshakes that may be under way at once.</param>
    /// <param name="threads">0 is half the processors, at least one.</param>
    internal HandshakePool(int maxHandshakes, int threads = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxHandshakes, 1);
        _maxHandshakes = maxHandshakes;
        _threads = new Thread[threads > 0 ? threads : Math.Max(1, Environment.ProcessorCount / 2)];
        for (var i = 0; i < _threads.Length; i++)
        {
            _threads[i] = new Thread(Run) { IsBackground = true, Name = $"handshake-{i}" };
            _threads[i].Start();
        }
    }

    /// <summary>Handshakes under way.</summary>
    internal int Handshakes
    {
        get
        {
            lock (_gate)
            {
                return _handshakes;
            }
        }
    }

    /// <summary>
    /// Begins a handshake; the session belongs to the pool until the owner is told. False: too many are under way (or the pool is
    /// stopped), nothing was taken, and the caller closes the connection.
    /// </summary>
    internal bool TryBegin(TlsSession session, long token, IHandshakeOwner owner)
    {
        lock (_gate)
        {
            if (_stopped || _handshakes >= _maxHandshakes)
            {
                return false;
            }

            _handshakes++;
            _new.Enqueue(new Step(session, token, owner));
        }

        _ready.Release();
        return true;
    }

    /// <summary>The next step of a begun handshake, when its descriptor has become ready. After <see cref="Dispose"/> it fails at once.</summary>
    internal void Submit(TlsSession session, long token, IHandshakeOwner owner)
    {
        lock (_gate)
        {
            if (!_stopped)
            {
                _begun.Enqueue(new Step(session, token, owner));
                _ready.Release();
                return;
            }
        }

        Abandon();
        owner.HandshakeStepped(token, Stopped);
    }

    /// <summary>Gives up a begun handshake between two steps: the client went away or its time is over.</summary>
    internal void Abandon()
    {
        lock (_gate)
        {
            _handshakes--;
        }
    }

    /// <summary>Ends the threads after the step that each is at; waiting steps are told to have failed.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_stopped)
            {
                return;
            }

            _stopped = true;
        }

        _ready.Release(_threads.Length);
        foreach (var thread in _threads)
        {
            thread.Join();
        }

        foreach (var step in _begun.Concat(_new))
        {
            Abandon();
            step.Owner.HandshakeStepped(step.Token, Stopped);
        }

        _ready.Dispose();
    }

    private static HandshakeOutcome Stopped => new(HandshakeStatus.Failed, "the balancer is stopping");

    private void Run()
    {
        // Linux gives every thread a priority of its own (setpriority(2), notes). A refusal leaves the normal one.
        _ = setpriority(PriorityOfProcess, gettid(), Niceness);
        while (Take() is { } step)
        {
            var outcome = step.Session.Handshake();
            if (outcome.Status is HandshakeStatus.Done or HandshakeStatus.Failed)
            {
                Abandon();
            }

            step.Owner.HandshakeStepped(step.Token, outcome);
        }
    }

    private Step? Take()
    {
        _ready.Wait();
        lock (_gate)
        {
            if (_stopped)
            {
                return null;
            }

            return _begun.TryDequeue(out var step) ? step : _new.Dequeue();
        }
    }

    private readonly record struct Step(TlsSession Session, long Token, IHandshakeOwner Owner);

    [LibraryImport("libc")]
    private static partial int gettid();

    [LibraryImport("libc")]
    private static partial int setpriority(int which, int who, int priority);
}
