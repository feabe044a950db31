using System.Net;
using System.Net.Sockets;
using System.Numerics;
using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Import;

/// <summary>
/// Converts ordered rules about client addresses, of which the first match decides, as in NGINX and HAProxy, to a listener's two lists, of
/// which deny takes precedence over allow: networks are split until both mean the same.
/// </summary>
internal static class AddressRules
{
    /// <summary>Each rule splits all networks before it.</summary>
    private const int MostRules = 2_000;

    private static readonly Network[] All = [Network.All(4), Network.All(6)];

    /// <param name="Allow">Whether the rule admits.</param>
    /// <param name="Networks">The networks that it is about.</param>
    /// <param name="Others">It is about all other networks instead.</param>
    internal readonly record struct Rule(bool Allow, IReadOnlyList<Network> Networks, bool Others = false)
    {
        public bool IsAll => !Others && Networks.Any(n => n == All[0]) && Networks.Any(n => n == All[1]);
    }

    /// <summary>Writes the rules into a listener, or reports that they cannot be written.</summary>
    /// <param name="directives">Where they come from.</param>
    public static void Write(Draft listener, IReadOnlyList<Rule> rules, IReadOnlyList<Directive> directives)
    {
        foreach (var d in directives) listener.Keep(d);
        if (rules.Count == 0) return;
        if (rules.Count > MostRules || Lists(rules) is not var (allow, deny))
        {
            directives[0].Report("the rules cannot be written as two short lists: set allow and deny of the listener by hand");
            return;
        }
        if (allow.Count > 0) listener.Set("allow", Text(allow));
        if (deny.Count > 0) listener.Set("deny", Text(deny));
    }

    private static string Text(IEnumerable<Network> networks) => $"[{string.Join(", ", networks.Select(n => Units.Quote(n.ToString())))}]";

    /// <summary>Both lists; null when they would be too long.</summary>
    public static (IReadOnlyList<Network> Allow, IReadOnlyList<Network> Deny)? Lists(IReadOnlyList<Rule> rules)
    {
        // The common form: some are denied, some allowed, all others denied. It needs no splitting.
        if (rules is [.., { Allow: false, Others: true } onlyThese]) rules = [.. rules.SkipLast(1), new Rule(true, onlyThese.Networks), new Rule(false, All)];
        int last = rules.TakeWhile(r => !r.IsAll).Count();
        bool closed = last < rules.Count && !rules[last].Allow;
        Rule[] before = [.. rules.Take(last)];
        int denies = before.TakeWhile(r => !r.Allow).Count();
        if (closed && last > denies && before.All(r => !r.Others) && before.Skip(denies).All(r => r.Allow))
        {
            return (Distinct(before.Skip(denies)), Distinct(before.Take(denies)));
        }
        if (!closed && before.All(r => !r.Allow && !r.Others)) return ([], Distinct(before));

        List<Network> allowed = [.. All];
        foreach (var rule in rules.Reverse())
        {
            var about = rule.Others ? Subtract([.. All], rule.Networks) : [.. rule.Networks];
            allowed = Subtract(allowed, about);
            if (rule.Allow) allowed.AddRange(about);
            if (allowed.Count > ImportLimits.Entries) return null;
        }
        allowed = Distinct(allowed);
        var denied = Subtract([.. All], allowed);
        if (denied.Count > ImportLimits.Entries) return null;
        return allowed.Count == 0 || denied.Count <= allowed.Count ? ([], denied) : (allowed, []);
    }

    private static List<Network> Distinct(IEnumerable<Rule> rules) => Distinct(rules.SelectMany(r => r.Networks));

    /// <summary>Without those contained in others.</summary>
    private static List<Network> Distinct(IEnumerable<Network> networks)
    {
        var result = new List<Network>();
        foreach (var network in networks.Distinct())
        {
            if (result.Exists(r => r.Contains(network))) continue;
            result.RemoveAll(network.Contains);
            result.Add(network);
        }
        return result;
    }

    private static List<Network> Subtract(List<Network> from, IEnumerable<Network> networks)
    {
        foreach (var network in networks)
        {
            var rest = new List<Network>(from.Count + 8);
            foreach (var part in from) rest.AddRange(part.Without(network));
            from = rest;
            if (from.Count > ImportLimits.Entries) break;
        }
        return from;
    }

    /// <summary>A network by its first address and its prefix.</summary>
    internal readonly record struct Network(int Family, UInt128 First, int Prefix)
    {
        private int Bits => Family == 4 ? 32 : 128;

        public static Network All(int family) => new(family, 0, 0);

        /// <summary>An address within a network means the network, as in NGINX.</summary>
        public static Network? Parse(string text)
        {
            int slash = text.IndexOf('/', StringComparison.Ordinal);
            if (!AddressText.TryAddress((slash < 0 ? text : text[..slash]).Trim('[', ']'), out var address)) return null;
            int family = address.AddressFamily == AddressFamily.InterNetwork ? 4 : 6, bits = family == 4 ? 32 : 128, prefix = bits;
            if (slash >= 0 && !TryPrefix(text[(slash + 1)..], bits, out prefix)) return null;
            UInt128 first = 0;
            foreach (byte part in address.GetAddressBytes()) first = (first << 8) | part;
            return new Network(family, prefix == 0 ? 0 : first >> (bits - prefix) << (bits - prefix), prefix);
        }

        public bool Contains(Network other) =>
            other.Family == Family && other.Prefix >= Prefix && (Prefix == 0 || other.First >> (Bits - Prefix) == First >> (Bits - Prefix));

        public IEnumerable<Network> Without(Network other)
        {
            if (other.Contains(this)) yield break;
            if (!Contains(other))
            {
                yield return this;
                yield break;
            }
            // At each bit on the way to the other network, the half that does not contain it is kept.
            for (int prefix = Prefix + 1; prefix <= other.Prefix; prefix++)
            {
                var half = other.First >> (Bits - prefix) << (Bits - prefix);
                yield return new Network(Family, half ^ (UInt128.One << (Bits - prefix)), prefix);
            }
        }

        public override string ToString()
        {
            byte[] bytes = new byte[Bits / 8];
            for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)(First >> (Bits - 8 - (8 * i)));
            return Prefix == Bits ? new IPAddress(bytes).ToString() : $"{new IPAddress(bytes)}/{Prefix}";
        }

        /// <summary>A number of bits, or for IPv4 a mask.</summary>
        private static bool TryPrefix(string text, int bits, out int prefix)
        {
            if (SectionScalars.TryInteger(text, 0, bits, out prefix)) return true;
            if (bits != 32 || !AddressText.TryAddress(text, out var mask) || mask.AddressFamily != AddressFamily.InterNetwork) return false;
            uint value = mask.GetAddressBytes().Aggregate(0u, (sum, b) => (sum << 8) | b);
            prefix = BitOperations.LeadingZeroCount(~value);
            return prefix == 32 || value << prefix == 0;
        }
    }
}
