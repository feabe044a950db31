namespace ActorLb.Sticky.Map;

/// <summary>
/// The map's time: a thread of its own, so that no deadline of a CONNECT depends on the thread pool. It looks every 5 ms while
/// there is something to do, every 50 ms else. Answers of peers do come by the pool, so while it waits for some the clock asks the pool
/// for signs of life.
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

    // The clock's alone: when a sign of life was asked for. Set by the pool: it came.
    private long _askedAt;
    private volatile bool _answered = true;

    /// <param name="failed">Hears what a tick threw; the clock goes on.</param>
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
        // Almost always one volatile read: the clock sleeps long only when nothing was to be done.
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
