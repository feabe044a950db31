namespace ActorLb.Tests.Configuration;

/// <summary>Mistakes within a listener, and between it and its pool, with their places.</summary>
public sealed class BadListenerTests
{
    [Theory]
    [InlineData("protocol = udp", "4:14: actorlb.listeners.l.protocol: 'udp' is not one of mqtt, tcp")]
    [InlineData("pools = p", "4:3: actorlb.listeners.l.pools: unknown key; did you mean 'pool'?")]
    [InlineData("bnd = 1", "4:3: actorlb.listeners.l.bnd: unknown key; did you mean 'bind'?")]
    [InlineData("connect-timeout = 10", "4:21: actorlb.listeners.l.connect-timeout: '10' lacks a unit, such as 10s")]
    [InlineData(
        "idle-timeout = never",
        "4:18: actorlb.listeners.l.idle-timeout: 'never' is not a duration such as 500ms, 10s, 5m, 1h or 1d")]
    [InlineData("idle-timeout = 30", "4:18: actorlb.listeners.l.idle-timeout: '30' lacks a unit, such as 30s")]
    [InlineData("max-connections = x", "4:21: actorlb.listeners.l.max-connections: 'x' is not a whole number from 0 to 10000000")]
    [InlineData("max-packet-size = 10", "4:21: actorlb.listeners.l.max-packet-size: '10' is not within 64B to 268435460B")]
    [InlineData("max-packet-size = 1GiB", "4:21: actorlb.listeners.l.max-packet-size: '1GiB' is not within 64B to 268435460B")]
    [InlineData(
        "accept-proxy-protocol = on",
        "4:27: actorlb.listeners.l.accept-proxy-protocol.from: is required: the networks whose PROXY headers are trusted")]
    [InlineData(
        "accept-proxy-protocol { from = [] }",
        "4:25: actorlb.listeners.l.accept-proxy-protocol.from: is required: the networks whose PROXY headers are trusted")]
    [InlineData(
        "accept-proxy-protocol { from = [\"10.0.0.1/8\"] }",
        "4:35: actorlb.listeners.l.accept-proxy-protocol.from[0]: '10.0.0.1/8' names an address within a network; the network is 10.0.0.0/8")]
    [InlineData(
        "accept-proxy-protocol { from = [\"10.0.0.0/33\"] }",
        "4:35: actorlb.listeners.l.accept-proxy-protocol.from[0]: '10.0.0.0/33' is not a network such as 10.0.0.0/8 or 2001:db8::/32")]
    [InlineData(
        "accept-proxy-protocol = \"10.0.0.0/8\"",
        "4:27: actorlb.listeners.l.accept-proxy-protocol: is a string, but off or { ... } is expected")]
    [InlineData("limits.per-adress = 1", "4:3: actorlb.listeners.l.limits.per-adress: unknown key; did you mean 'per-address'?")]
    [InlineData(
        "limits.per-address { conns = 1 }",
        "4:24: actorlb.listeners.l.limits.per-address.conns: unknown key; known here: connections, rate")]
    [InlineData(
        "limits.per-address = lots",
        "4:24: actorlb.listeners.l.limits.per-address: 'lots' is not a whole number from 0 to 10000000")]
    [InlineData(
        "allow = [\"everyone\"]",
        "4:12: actorlb.listeners.l.allow[0]: 'everyone' is not a network such as 10.0.0.0/8 or 2001:db8::/32")]
    [InlineData(
        "deny = [\"2001:db8::1/32\"]",
        "4:11: actorlb.listeners.l.deny[0]: '2001:db8::1/32' names an address within a network; the network is 2001:db8::/32")]
    [InlineData(
        "require-client-id = \"$x\"",
        "4:23: actorlb.listeners.l.require-client-id: '$x' is not a valid template: unknown variable '$x'")]
    [InlineData(
        "require-client-id = \"$ssl_client_s_dn_cn\"",
        "4:23: actorlb.listeners.l.require-client-id: uses a variable that needs tls on the listener")]
    [InlineData("backlog = 0", "4:13: actorlb.listeners.l.backlog: '0' is not a whole number from 1 to 1000000")]
    [InlineData(
        "rewrite.client-id = \"$ssl_client_serial\"",
        "4:23: actorlb.listeners.l.rewrite.client-id: uses a variable that needs tls on the listener")]
    [InlineData(
        "rewrite.password = \"$hunter2\"",
        "4:22: actorlb.listeners.l.rewrite.password: is not a valid template (its text is kept secret)")]
    [InlineData(
        "rewrite.client-id = remove",
        "4:23: actorlb.listeners.l.rewrite.client-id: 'remove' is not an id for all clients, and a client id cannot be removed")]
    [InlineData(
        "protocol = tcp, rewrite.password = remove",
        "4:19: actorlb.listeners.l.rewrite: needs protocol = mqtt: with tcp no CONNECT is read")]
    [InlineData(
        "rewrite.password = [hunter2]",
        "4:22: actorlb.listeners.l.rewrite.password: is an array, but a text is expected")]
    [InlineData("rewrite = hunter2", "4:13: actorlb.listeners.l.rewrite: is a string, but { ... } is expected")]
    [InlineData("rewrite.clientid = x", "4:3: actorlb.listeners.l.rewrite.clientid: unknown key; did you mean 'client-id'?")]
    [InlineData(
        "websocket { path = \"mq tt\" }",
        "4:22: actorlb.listeners.l.websocket.path: 'mq tt' is not a path such as /mqtt")]
    [InlineData(
        "websocket { hosts = [\"a:80\"] }",
        "4:24: actorlb.listeners.l.websocket.hosts[0]: 'a:80' is not a host name without port")]
    [InlineData(
        "websocket { origins = [\"app.example.com\", \"https://a/b\"] }",
        "4:26: actorlb.listeners.l.websocket.origins[0]: 'app.example.com' is not an origin such as https://app.example.com or http://localhost:3000\n4:45: actorlb.listeners.l.websocket.origins[1]: 'https://a/b' is not an origin such as https://app.example.com or http://localhost:3000")]
    [InlineData(
        "websocket { pass-headers = [X-Forwarded-For, \"a b\", Cookie, cookie] }",
        "4:31: actorlb.listeners.l.websocket.pass-headers[0]: 'X-Forwarded-For' cannot be passed on: the balancer writes it itself, or it is hop-by-hop\n4:48: actorlb.listeners.l.websocket.pass-headers[1]: 'a b' is not the name of a header field\n4:63: actorlb.listeners.l.websocket.pass-headers[3]: 'cookie' is listed twice")]
    [InlineData(
        "websocket { accept-forwarded-for = [\"10.0.0.1/8\"] }",
        "4:39: actorlb.listeners.l.websocket.accept-forwarded-for[0]: '10.0.0.1/8' names an address within a network; the network is 10.0.0.0/8")]
    [InlineData("websocket = maybe", "4:15: actorlb.listeners.l.websocket: is a string, but off or { ... } is expected")]
    [InlineData("protocol = tcp, websocket = on", "4:31: actorlb.listeners.l.websocket: needs protocol = mqtt")]
    [InlineData(
        "protocol = tcp, rewrite.username = x",
        "4:19: actorlb.listeners.l.rewrite: needs protocol = mqtt: with tcp no CONNECT is read")]
    [InlineData(
        "protocol = tcp, require-client-id = x",
        "4:39: actorlb.listeners.l.require-client-id: needs protocol = mqtt: with tcp no CONNECT is read")]
    [InlineData("pool = q", "4:10: actorlb.listeners.l.pool: 'q' is not one of the pools; did you mean 'p'?")]
    [InlineData("pool = \"\"", "4:10: actorlb.listeners.l.pool: '' is empty")]
    [InlineData("tls { certificate = c.pem }", "4:7: actorlb.listeners.l.tls.key: is required")]
    [InlineData(
        "tls = on",
        "4:9: actorlb.listeners.l.tls.certificate: is required\n4:9: actorlb.listeners.l.tls.key: is required")]
    [InlineData(
        "tls { certificate = none.pem, key = \".\" }",
        "4:23: actorlb.listeners.l.tls.certificate: 'none.pem' cannot be read: it does not exist (DIR/none.pem)\n4:39: actorlb.listeners.l.tls.key: '.' cannot be read: it is a directory (DIR)")]
    [InlineData(
        "tls { certificate = c.pem, key = k.pem }, rewrite.client-id = \"$ssl_client_serial\"",
        "4:65: actorlb.listeners.l.rewrite.client-id: uses a variable that needs client certificates: set verify-client in tls")]
    public void BadListener_Loaded_IsAnErrorAtItsPlace(string text, string expected) =>
        BadConfiguration.Has(BadConfiguration.Listener(text), expected);

    [Theory]
    [InlineData(
        "verify-client = on",
        "4:7: actorlb.listeners.l.tls.client-ca: is required with verify-client: the authorities that sign the clients' certificates")]
    [InlineData(
        "verify-client = perhaps",
        "5:21: actorlb.listeners.l.tls.verify-client: 'perhaps' is not one of off, optional, on")]
    [InlineData("protocols = []", "5:17: actorlb.listeners.l.tls.protocols: is empty")]
    [InlineData(
        "protocols = [TLSv1.4]",
        "5:18: actorlb.listeners.l.tls.protocols[0]: 'TLSv1.4' is not one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3")]
    [InlineData(
        "session-cache = 10x",
        "5:21: actorlb.listeners.l.tls.session-cache: '10x' is not a size such as 65536, 64KiB or 1MiB")]
    [InlineData("session-timeout = 0s", "5:23: actorlb.listeners.l.tls.session-timeout: '0s' is not within 1s to 7d")]
    [InlineData("verify-depth = -1", "5:20: actorlb.listeners.l.tls.verify-depth: '-1' is not a whole number from 0 to 100")]
    [InlineData(
        "crl = none.pem",
        "5:11: actorlb.listeners.l.tls.crl: 'none.pem' cannot be read: it does not exist (DIR/none.pem)")]
    [InlineData(
        "certificates = [{ certificate = c.pem, key = k.pem }]",
        "5:21: actorlb.listeners.l.tls.certificates[0].names: is required")]
    [InlineData(
        "certificates = [{ names = [\"*\"], certificate = c.pem, key = k.pem }]",
        "5:32: actorlb.listeners.l.tls.certificates[0].names[0]: '*' is not a host name, exact or with a leading '*.'")]
    [InlineData(
        "certificates = [{ names = [a.b, A.B], certificate = c.pem, key = k.pem }]",
        "5:37: actorlb.listeners.l.tls.certificates[0].names[1]: 'A.B' is listed twice")]
    [InlineData(
        "certificates = [x]",
        "5:21: actorlb.listeners.l.tls.certificates[0]: 'x' is a string, but { names, certificate, key } is expected")]
    [InlineData("crl-check = all", "5:17: actorlb.listeners.l.tls.crl-check: 'all' is not one of leaf, chain")]
    [InlineData("crl-expired = accept", "5:19: actorlb.listeners.l.tls.crl-expired: 'accept' is not one of refuse, warn")]
    [InlineData(
        "certificates = [{ names = [a], certificate = [c.pem, none.pem], key = k.pem }]",
        "5:58: actorlb.listeners.l.tls.certificates[0].certificate[1]: 'none.pem' cannot be read: it does not exist (DIR/none.pem)\n5:75: actorlb.listeners.l.tls.certificates[0].key: 'k.pem' has 1 entries, but certificate has 2: list each certificate's key at the same position")]
    [InlineData(
        "certificates = [{ names = [a], certificate = [], key = [\"\"] }]",
        "5:21: actorlb.listeners.l.tls.certificates[0].certificate: is required\n5:61: actorlb.listeners.l.tls.certificates[0].key[0]: '' is not a file name")]
    [InlineData("ciphers = \"\"", "5:15: actorlb.listeners.l.tls.ciphers: '' is empty")]
    [InlineData("sesion-cache = 10m", "5:5: actorlb.listeners.l.tls.sesion-cache: unknown key; did you mean 'session-cache'?")]
    [InlineData(
        "max-handshakes = 0",
        "5:22: actorlb.listeners.l.tls.max-handshakes: '0' is not a whole number from 1 to 1000000")]
    public void BadTls_Loaded_IsAnErrorAtItsPlace(string text, string expected) =>
        BadConfiguration.Has(BadConfiguration.Tls(text), expected);
}
