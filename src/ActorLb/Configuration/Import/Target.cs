using System.Net;
using ActorLb.Configuration.Hocon;
using ActorLb.Hosting;

namespace ActorLb.Configuration.Import;

/// <summary>The ActorLb configuration being built from another balancer's file.</summary>
internal sealed class Target
{
    /// <summary>One draft per block, in the order in which they are written.</summary>
    private readonly Dictionary<(string Origin, string Meaning), string> _poolNames = [];
    private readonly HashSet<string> _listenerNames = new(StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<string> _taken = new(StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<string> _origins = [];
    private readonly Dictionary<string, int> _numbers = [];
    private readonly HashSet<Directive> _noted = [];
    private readonly Dictionary<string, (string Name, Draft Listener)> _binds = [];

    public Draft Node { get; } = new();

    public Draft Log { get; } = new();

    public Draft Admin { get; } = new();

    public Draft Sticky { get; } = new();

    public Draft Pools { get; } = new();

    public Draft Listeners { get; } = new();

    /// <summary>Comments and directives that belong to no block.</summary>
    public Draft Head { get; } = new();

    public List<string> Certificates { get; } = [];

    /// <summary>Environment variables that the addresses need, with their defaults.</summary>
    public SortedDictionary<string, string?> Variables { get; } = new(StringComparer.Ordinal);

    /// <summary>Directives that give environment variables a value. Only what an address uses is written: the others may be secrets.</summary>
    public Dictionary<string, Directive> Defined { get; } = new(StringComparer.Ordinal);

    /// <summary>Tables whose size is already counted in <see cref="Sticky"/>, since several listeners may use one backend.</summary>
    public HashSet<Directive> Counted { get; } = [];

    public int ListenerCount => _listenerNames.Count;

    public string? FirstPool => _poolNames.Values.FirstOrDefault();

    /// <summary>The name of an existing pool with the same content, or of this one, which is then added.</summary>
    /// <param name="origin">What it comes from: pools of one origin differ by the settings of their listeners.</param>
    /// <param name="overflow">Receives the comments of a pool that need not be written.</param>
    public string AddPool(string origin, string wanted, Draft pool, Draft overflow)
    {
        if (_poolNames.TryGetValue((origin, pool.Meaning()), out string? known))
        {
            foreach (string comment in pool.Comments()) overflow.Comment(comment);
            return known;
        }
        string name = Unique(NameOf(wanted, "brokers"), _taken, null);
        if (!_origins.Add(origin))
            pool.CommentFirst([$"# The backends of {wanted} again, for listeners that connect to them differently: each pool has its own counters and map."]);
        _poolNames[(origin, pool.Meaning())] = name;
        Pools.Put(name, pool);
        return name;
    }

    /// <summary>Adds a listener unless another one has its address.</summary>
    /// <returns>Its name; null when the address is taken.</returns>
    public string? AddListener(string wanted, string bind, Draft listener)
    {
        if (_binds.ContainsKey(bind)) return null;
        string? port = bind.LastIndexOf(':') is >= 0 and var colon && Units.Number(bind[(colon + 1)..].TrimEnd('"')) is { } number ? number.ToString(System.Globalization.CultureInfo.InvariantCulture) : null;
        string name = Unique(NameOf(wanted, "mqtt"), _listenerNames, port);
        _binds[bind] = (name, listener);
        Listeners.Put(name, listener);
        return name;
    }

    public Draft? ListenerAt(string bind) => _binds.GetValueOrDefault(bind).Listener;

    /// <summary>How a key refers to a pool.</summary>
    public static string Reference(string pool) => HoconPath.Quote(pool);

    /// <summary>The addresses that listeners have, as HOCON.</summary>
    public IEnumerable<string> Binds => _binds.Keys;

    /// <summary>Moves the comments of directives that produced no key into a block, with what is reported about them.</summary>
    public void Note(IEnumerable<Directive> directives, Draft at)
    {
        foreach (var directive in directives)
        {
            if (directive.Verdict is null) continue;
            at.Keep(directive);
            if (directive.Verdict == Verdict.Reported && _noted.Add(directive))
            {
                foreach (string advice in directive.Advice) at.Comment(Line(directive, advice));
            }
        }
    }

    public static string Line(Directive directive, string advice) => $"# {Where(directive)}: {directive.Shown}: {advice}";

    /// <summary>The file name without its directory, which the reader of the comment knows.</summary>
    public static string Where(Directive directive) => $"{Path.GetFileName(directive.Position.File)}:{directive.Position.Line}";

    /// <summary>Names may have letters, digits, dots, hyphens and underscores.</summary>
    public static string NameOf(string wanted, string otherwise)
    {
        string name = string.Concat(wanted.Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' ? c : '-')).Trim('-', '.');
        if (name.Length > 48) name = name[..48].TrimEnd('-', '.');
        return name.Length == 0 ? otherwise : name;
    }

    private string Unique(string name, HashSet<string> names, string? hint)
    {
        if (names.Add(name)) return name;
        if (hint is not null && names.Add($"{name}-{hint}")) return $"{name}-{hint}";
        for (int i = _numbers.GetValueOrDefault(name, 2); ; i++)
        {
            if (!names.Add($"{name}-{i}")) continue;
            _numbers[name] = i + 1;
            return $"{name}-{i}";
        }
    }

    /// <summary>An address to listen on, as HOCON; null for one that ActorLb does not support.</summary>
    public static string? Bind(string host, string port)
    {
        string text = $"{(host.Contains(':', StringComparison.Ordinal) && !host.StartsWith('[') ? $"[{host}]" : host is "*" or "" ? "0.0.0.0" : host)}:{port}";
        return AddressText.TryBind(text, out var end, out _) && end.Port > 0 ? HoconPath.QuoteText(text) : null;
    }
}
