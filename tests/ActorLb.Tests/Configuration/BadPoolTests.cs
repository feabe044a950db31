namespace ActorLb.Tests.Configuration;

/// <summary>Mistakes within a pool, one each, with their places.</summary>
public sealed class BadPoolTests
{
    [Theory]
    [InlineData(
        "balance = robin",
        "4:13: actorlb.pools.p.balance: 'robin' is not one of round-robin, least-connections, random, ip-hash, hash, sticky")]
    [InlineData(
        "balance = round_robin",
        "4:13: actorlb.pools.p.balance: 'round_robin' is not one of round-robin, least-connections, random, ip-hash, hash, sticky; did you mean 'round-robin'?")]
    [InlineData(
        "place = sticky",
        "4:11: actorlb.pools.p.place: 'sticky' is not one of round-robin, least-connections, random, ip-hash, hash")]
    [InlineData(
        "hash-key = \"$nobody\"",
        "4:14: actorlb.pools.p.hash-key: '$nobody' is not a valid template: unknown variable '$nobody'")]
    [InlineData(
        "hash-key = \"a${remote_addr\"",
        "4:14: actorlb.pools.p.hash-key: 'a${remote_addr' is not a valid template: '${remote_addr' has no closing brace")]
    [InlineData("hash-key = \"\"", "4:14: actorlb.pools.p.hash-key: '' is empty")]
    [InlineData("connect-timeout = 0s", "4:21: actorlb.pools.p.connect-timeout: '0s' is not within 1ms to 1h")]
    [InlineData("retry.tries = 17", "4:17: actorlb.pools.p.retry.tries: '17' is not a whole number from 1 to 16")]
    [InlineData("proxy-protocol = v3", "4:20: actorlb.pools.p.proxy-protocol: 'v3' is not one of off, v1, v2")]
    [InlineData(
        "proxy-protocol-tlvs = [ssl, sll]",
        "4:31: actorlb.pools.p.proxy-protocol-tlvs[1]: 'sll' is not one of authority, alpn, ssl, unique-id, crc32c")]
    [InlineData(
        "source-addresses = [\"10.0.0.300\"]",
        "4:23: actorlb.pools.p.source-addresses[0]: '10.0.0.300' is not an IP address")]
    [InlineData("source-addresses = [{ share = 20% }]", "4:23: actorlb.pools.p.source-addresses[0].address: is required")]
    [InlineData(
        "source-addresses = [{ address = \"10.0.0.1\", share = 80% }, { address = \"10.0.0.2\", share = 30% }]",
        "4:22: actorlb.pools.p.source-addresses: has shares of 110% in total, more than 100%")]
    [InlineData(
        "source-addresses = [{ address = \"10.0.0.1\", share = 100% }, \"10.0.0.2\"]",
        "4:22: actorlb.pools.p.source-addresses: leaves nothing for the addresses without a share")]
    [InlineData(
        "source-addresses = [{ address = \"10.0.0.1\", share = 20% }]",
        "4:22: actorlb.pools.p.source-addresses: has shares of 20% in total: leave one address without a share to take the rest")]
    [InlineData(
        "source-addresses = [\"10.0.0.1\", \"10.0.0.1\"]",
        "4:35: actorlb.pools.p.source-addresses[1]: '10.0.0.1' is listed twice")]
    [InlineData(
        "source-addresses = [{ address = \"10.0.0.1\", share = much }]",
        "4:55: actorlb.pools.p.source-addresses[0].share: 'much' is not a percentage from 0% to 100%")]
    [InlineData(
        "source-addresses = [[x]]",
        "4:23: actorlb.pools.p.source-addresses[0]: is an array, but an address or { address, share } is expected")]
    [InlineData("source-addresses = \"localhost\"", "4:22: actorlb.pools.p.source-addresses: 'localhost' is not an IP address")]
    [InlineData("websocket { path = mqtt }", "4:22: actorlb.pools.p.websocket.path: 'mqtt' is not a path such as /mqtt")]
    [InlineData("websocket = [1]", "4:15: actorlb.pools.p.websocket: is an array, but off or { ... } is expected")]
    [InlineData("tls { verify = maybe }", "4:18: actorlb.pools.p.tls.verify: 'maybe' is neither on nor off")]
    [InlineData("tls { certificate = c.pem }", "4:7: actorlb.pools.p.tls.key: is required")]
    [InlineData(
        "tls { ca = none.pem }",
        "4:14: actorlb.pools.p.tls.ca: 'none.pem' cannot be read: it does not exist (DIR/none.pem)")]
    [InlineData("tls { server-name = \"a b\" }", "4:23: actorlb.pools.p.tls.server-name: 'a b' is not a host name")]
    [InlineData("health.probe = ping", "4:18: actorlb.pools.p.health.probe: 'ping' is not one of mqtt, tcp, http, none")]
    [InlineData("health.interval = 1ms", "4:21: actorlb.pools.p.health.interval: '1ms' is not within 100ms to 1d")]
    [InlineData("health.rise = 0", "4:17: actorlb.pools.p.health.rise: '0' is not a whole number from 1 to 1000")]
    [InlineData("health.path = \"no slash\"", "4:17: actorlb.pools.p.health.path: 'no slash' is not a path such as /mqtt")]
    [InlineData("health.port = 65536", "4:17: actorlb.pools.p.health.port: '65536' is not a whole number from 0 to 65535")]
    [InlineData("health.grace = 2h", "4:18: actorlb.pools.p.health.grace: '2h' is not within 0s to 1h or off")]
    [InlineData("on-down = drop", "4:13: actorlb.pools.p.on-down: 'drop' is not one of keep, close")]
    [InlineData("retry.tries = 0", "4:17: actorlb.pools.p.retry.tries: '0' is not a whole number from 1 to 16")]
    [InlineData("buffer-size = 1", "4:17: actorlb.pools.p.buffer-size: '1' is not within 1KiB to 64MiB")]
    [InlineData("buffer-size = 1GiB", "4:17: actorlb.pools.p.buffer-size: '1GiB' is not within 1KiB to 64MiB")]
    [InlineData("buffer-size = 64KB", "4:17: actorlb.pools.p.buffer-size: '64KB' is not a size such as 65536, 64KiB or 1MiB")]
    [InlineData("tcp.no-delay = 1", "4:18: actorlb.pools.p.tcp.no-delay: '1' is neither on nor off")]
    [InlineData("tcp.keep-alive = 500ms", "4:20: actorlb.pools.p.tcp.keep-alive: '500ms' is not within 1s to 32767s or off")]
    [InlineData("tcp.user-timeout = -1s", "4:22: actorlb.pools.p.tcp.user-timeout: '-1s' is not within 1ms to 20d or off")]
    [InlineData(
        "dns = \"x\"",
        "4:3: actorlb.pools.p.dns: unknown key; it belongs to discovery by DNS: pools.NAME.backends { dns = ... }")]
    [InlineData(
        "weight = 1",
        "4:3: actorlb.pools.p.weight: unknown key; it belongs to a backend: pools.NAME.backends = [{ address = \"host:1883\", weight = ... }]")]
    public void BadPool_Loaded_IsAnErrorAtItsPlace(string text, string expected) =>
        BadConfiguration.Has(BadConfiguration.Pool(text), expected);
}
