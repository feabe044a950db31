using System.Security.Cryptography;
using ActorLb.Proxying.Reactors;
using ActorLb.Sticky;

namespace ActorLb.Proxying.Limits;

/// <param name="ClientId">UTF-8; of a long one its beginning.</param>
/// <param name="Connects">At least so many, within the last one to two periods.</param>
internal readonly record struct FrequentClient(byte[] ClientId, long Connects);

/// <summary>
/// Which clients connect most often, in bounded memory whoever connects: <i>Space-Saving</i> (Metwally et al., 2005). A client that is not
/// among the kept ones takes the place of the one with the fewest CONNECTs and inherits its number as its possible error. Belongs to a
/// reactor; counting allocates nothing, but for ids of more than a kilobyte.
/// </summary>
internal sealed class FrequentClients
{
    /// <summary>CONNECTs older than two of these count no more (milliseconds).</summary>
    public const long Period = 5 * 60_000;

    /// <summary>Bytes of a client id that are kept.</summary>
    public const int LongestId = 1024;

    private const int Kept = 256;

    private readonly StickyHash _hash = new(RandomNumberGenerator.GetBytes(16));
    private Table _current = new(), _previous = new();
    private long _begun;

    public void Count(byte[] clientId, long now)
    {
        // Each client without an id is another one.
        if (clientId.Length == 0) return;
        Turn(now);
        _current.Count(_hash.Of([], clientId), clientId);
    }

    /// <summary>Those that are kept, in no order.</summary>
    public FrequentClient[] Read(long now)
    {
        Turn(now);
        return
        [
            .. _current.Read().Concat(_previous.Read()).GroupBy(e => e.Hash)
                .Select(g => new FrequentClient(g.First().ClientId, g.Sum(e => e.Count - e.Error))),
        ];
    }

    private void Turn(long now)
    {
        if (now - _begun < Period) return;
        (_current, _previous) = (_previous, _current);
        _current.Clear();
        if (now - _begun >= 2 * Period) _previous.Clear();
        _begun = now;
    }

    private struct Entry
    {
        public ulong Hash;
        public byte[] ClientId;
        public long Count, Error;
    }

    private sealed class Table
    {
        private readonly Entry[] _entries = new Entry[Kept];
        private readonly Dictionary<ulong, int> _places = new(Kept);
        private int _used, _cursor;

        // None has fewer, once all places are taken.
        private long _least;

        public void Count(ulong hash, byte[] clientId)
        {
            if (_places.TryGetValue(hash, out int place))
            {
                _entries[place].Count++;
                return;
            }
            long inherited = 0;
            if (_used < Kept)
            {
                place = _used++;
            }
            else
            {
                place = Fewest();
                inherited = _entries[place].Count;
                _places.Remove(_entries[place].Hash);
            }
            // A session's id is never written to again; the long ones must not be held behind its end.
            byte[] id = clientId.Length <= LongestId ? clientId : clientId[..LongestId];
            _entries[place] = new Entry { Hash = hash, ClientId = id, Count = inherited + 1, Error = inherited };
            _places.Add(hash, place);
        }

        public IEnumerable<Entry> Read() => _entries.Take(_used);

        public void Clear()
        {
            _places.Clear();
            Array.Clear(_entries);
            _used = 0;
            _least = 0;
        }

        /// <summary>Counts only grow: those that have the least stand behind the last one that was taken, until a round finds none.</summary>
        private int Fewest()
        {
            for (int i = 0; i < Kept; i++)
            {
                _cursor = (_cursor + 1) % Kept;
                if (_entries[_cursor].Count <= _least) return _cursor;
            }
            _least = long.MaxValue;
            foreach (ref readonly var entry in _entries.AsSpan()) _least = Math.Min(_least, entry.Count);
            return Fewest();
        }
    }
}
