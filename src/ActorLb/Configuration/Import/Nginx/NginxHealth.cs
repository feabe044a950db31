using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Import.Nginx;

/// <summary>Converts NGINX Plus's <c>health_check</c> with its <c>match</c> to the pool's <c>health</c>.</summary>
internal static class NginxHealth
{
    /// <param name="matches">The blocks of that name.</param>
    public static void Check(Directive d, Draft health, IReadOnlyDictionary<string, Directive> matches, bool http)
    {
        d.Carry();
        foreach (string word in d.Words.Select(w => w.Text))
        {
            string name = word.Split('=')[0], value = word.Length > name.Length ? word[(name.Length + 1)..] : "";
            switch (name)
            {
                case "interval": health.Time("interval", d, value, Units.NginxTime(value), Setting.Day, "5s", TimeSpan.FromMilliseconds(100)); break;
                case "passes": health.Integer("rise", d, value, 1, 1000, "2"); break;
                case "fails": health.Integer("fall", d, value, 1, 1000, "3"); break;
                case "port":
                    health.Integer("port", d, value, 1, 65535, null);
                    // That port is not known to speak MQTT.
                    if (!health.Has("probe")) health.Set("probe", http ? "http" : "tcp");
                    break;
                case "uri" when WellKnown.IsPath(value):
                    health.Set("probe", "http");
                    health.Set("path", Units.Quote(value), "\"/status\"");
                    break;
                case "match": Match(d, value, health, matches); break;
                case "jitter" or "mandatory" or "persistent" or "keepalive_time": break;
                default:
                    d.Report($"{word}: see health of the pool");
                    break;
            }
        }
        health.Keep(d);
    }

    private static void Match(Directive d, string name, Draft health, IReadOnlyDictionary<string, Directive> matches)
    {
        if (!matches.TryGetValue(name, out var match))
        {
            d.Report($"match {name} is not in these files: the pool's own probe is written");
            return;
        }
        match.Carry();
        health.Keep(match);
        foreach (var rule in match.Block ?? [])
        {
            if (rule.Name is "send" or "expect") rule.Leave("probe = mqtt sends a CONNECT and reads the CONNACK");
            else if (rule.Name == "status" && rule.Words.Count == 1 && rule[0] is "200" or "200-399") rule.Carry();
            else rule.Report("the http probe accepts 200 to 399");
            health.Keep(rule);
        }
    }
}
