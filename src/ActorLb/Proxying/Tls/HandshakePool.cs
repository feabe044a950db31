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
/// a storm of them would delay every relayed message. The threads run at a low priority for the same reason. So many handshakes
/// are under way at once; others wait for a place, in the order in which they came.
/// </summary>
internal sealed partial class HandshakePool : IDisposable
{
    /// <summary>Handshakes that may wait for each that may be under way; more than that no client would wait for.</summary>
    internal const int WaitingForEach = 16;

    // nice(2): the lowest, a seventieth of a reactor's share; handshakes go on beside a busy one all the same.
    private const int Niceness = 19;
    private const int PriorityOfProcess = 0;

    // Monitor's, for its Wait: what a thread can take depends on both queues and on the count.
    private readonly object _gate = new();
    private readonly Thread[] _threads;

    // Under the gate. Steps that go on with a handshake are taken before those that begin one: what was begun gets done, within
    // its time, instead of everything being begun and timing out together.
    private readonly Queue<Step> _begun = new();
    private readonly LinkedList<Step> _waiting = new();
    private readonly Dictionary<(IHandshakeOwner Owner, long Token), LinkedListNode<Step>> _places = [];
    private int _maxHandshakes;
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

    /// <summary>Handshakes that may be under way at once; a reload may change it.</summary>
    internal int MaxHandshakes
    {
        get
        {
            lock (_gate)
            {
                return _maxHandshakes;
            }
        }

        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            lock (_gate)
            {
                _maxHandshakes = value;
                Monitor.PulseAll(_gate);
            }
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

    /// <summary>Whether a handshake that begins now has to wait for a place.</summary>
    internal bool IsFull
    {
        get
        {
            lock (_gate)
            {
                return _handshakes >= _maxHandshakes;
            }
        }
    }

    /// <summary>Handshakes that wait for a place.</summary>
    internal int Waiting
    {
        get
        {
            lock (_gate)
            {
                return _waiting.Count;
            }
        }
    }

    /// <summary>
    /// Begins a handshake, as soon as there is a place; the session belongs to the pool until the owner is told or takes it back.
    /// False: far too many wait (or the pool is stopped), nothing was taken, and the caller closes the connection.
    /// </summary>
    internal bool TryBegin(TlsSession session, long token, IHandshakeOwner owner)
    {
        lock (_gate)
        {
            if (_stopped || _waiting.Count >= (long)_maxHandshakes * WaitingForEach)
            {
                return false;
            }

            _places.Add((owner, token), _waiting.AddLast(new Step(session, token, owner)));
            Monitor.Pulse(_gate);
            return true;
        }
    }

    /// <summary>
    /// Takes back a session whose handshake still waits for a place: its client went away or its time is over. True: it is the
    /// owner's again, which is told nothing more of it. False: a thread has it, and the owner will be told.
    /// </summary>
    internal bool TryTakeBack(long token, IHandshakeOwner owner)
    {
        lock (_gate)
        {
            if (!_places.Remove((owner, token), out var place))
            {
                return false;
            }

            _waiting.Remove(place);
            return true;
        }
    }

    /// <summary>The next step of a begun handshake, when its descriptor has become ready. After <see cref="Dispose"/> it fails at once.</summary>
    internal void Submit(TlsSession session, long token, IHandshakeOwner owner)
    {
        lock (_gate)
        {
            if (!_stopped)
            {
                _begun.Enqueue(new Step(session, token, owner));
                Monitor.Pulse(_gate);
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
            Monitor.Pulse(_gate);
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
            Monitor.PulseAll(_gate);
        }

        foreach (var thread in _threads)
        {
            thread.Join();
        }

        // Nobody adds to the queues any more, but owners may still take back.
        Step[] begun;
        Step[] waiting;
        lock (_gate)
        {
            begun = [.. _begun];
            waiting = [.. _waiting];
            _handshakes -= begun.Length;
            _begun.Clear();
            _waiting.Clear();
            _places.Clear();
        }

        foreach (var step in begun.Concat(waiting))
        {
            step.Owner.HandshakeStepped(step.Token, Stopped);
        }
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
        lock (_gate)
        {
            while (!_stopped)
            {
                if (_begun.TryDequeue(out var step))
                {
                    return step;
                }

                if (_handshakes < _maxHandshakes && _waiting.First is { } first)
                {
                    _handshakes++;
                    _waiting.RemoveFirst();
                    _places.Remove((first.Value.Owner, first.Value.Token));
                    return first.Value;
                }

                Monitor.Wait(_gate);
            }

            return null;
        }
    }

    private readonly record struct Step(TlsSession Session, long Token, IHandshakeOwner Owner);

    [LibraryImport("libc")]
    private static partial int gettid();

    [LibraryImport("libc")]
    private static partial int setpriority(int which, int who, int priority);
}
