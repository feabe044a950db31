namespace ActorLb.Sticky.Map;

/// <summary>
/// Drives the map's timeouts on its own thread, so that the deadline of a CONNECT doesn't depend on the thread pool. It ticks
/// every 5 ms while there is work, else every 50 ms. Answers of other nodes do arrive on the thread pool, so while it waits for
/// some it also checks that the pool still runs.
/// </summary>
internal sealed class MapClock : IThreadPoolWorkItem, IDisposable
{
    private const int BusyMilliseconds = 5;
    private const int IdleMilliseconds = 50;

    private readonly ShardedMap _map;
    private readonly AutoResetEvent _wake = new(false);
    private readonly Thread _thread;
    private readonly Action<Exception> _failed;
    private volatile bool _asleep;
    private volatile bool _stopped;

    // _askedAt: only used by the clock, when it queued the check. _answered: set by the pool when the check ran.
    private long _askedAt;
    private volatile bool _answered = true;

    /// <param name="failed">Called with the exception of a failed tick; the clock continues.</param>
    public MapClock(ShardedMap map, Action<Exception> failed)
    {
        _map = map;
        _failed = failed;
        map.Context.Wake = Wake;
        _thread = new Thread(Run) { IsBackground = true, Name = "shard clock" };
        _thread.Start();
    }

    public void Dispose()
    {
        _map.Context.Wake = null;
        _stopped = true;
        _wake.Set();
        _thread.Join();
        _wake.Dispose();
    }

    void IThreadPoolWorkItem.Execute() => _answered = true;

    private void AskPool()
    {
        if (_answered)
        {
            _map.Context.PoolOwesSince = 0;
            if (_map.CallsInFlight > 0)
            {
                _answered = false;
                _askedAt = Math.Max(1, _map.Context.Clock.Milliseconds);
                ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
            }
        }
        else
        {
            _map.Context.PoolOwesSince = _askedAt;
        }
    }

    private void Wake()
    {
        // Almost always just one volatile read: the clock sleeps long only if there was no work.
        if (_asleep)
        {
            _asleep = false;
            _wake.Set();
        }
    }

    private void Run()
    {
        while (!_stopped)
        {
            try
            {
                AskPool();
                _map.Tick();
            }
            catch (Exception e)
            {
                _failed(e);
            }

            if (_map.IsBusy)
            {
                _wake.WaitOne(BusyMilliseconds);
                continue;
            }

            _asleep = true;
            if (!_map.IsBusy && !_stopped)
            {
                _wake.WaitOne(IdleMilliseconds);
            }

            _asleep = false;
        }
    }
}
