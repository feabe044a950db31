namespace ActorLb.Tests.Configuration;

/// <summary>Whole files with mistakes, with their places.</summary>
public sealed class BadFileTests
{
    [Theory]
    [InlineData(
        "actorlb {\npools.p { }\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:9: actorlb.pools.p.backends: is required")]
    [InlineData(
        "actorlb {\npools.p.backends = []\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:20: actorlb.pools.p.backends: is empty: a pool needs a backend")]
    [InlineData(
        "actorlb {\npools.p.backends = {}\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:20: actorlb.pools.p.backends: is an object, but [ ... ] is expected")]
    [InlineData(
        "actorlb {\npools.p.backends = 5\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:20: actorlb.pools.p.backends: '5' lacks a port")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"h\"]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:21: actorlb.pools.p.backends[0]: 'h' lacks a port")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"::1:1883\"]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:21: actorlb.pools.p.backends[0]: '::1:1883' must have its IPv6 address in brackets, as in [::1]:1883")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"a:1883\" \"b:1883\"]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:21: actorlb.pools.p.backends[0]: 'a:1883 b:1883' is two addresses: a comma or a new line goes between them")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"[::1]\"]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:21: actorlb.pools.p.backends[0]: '[::1]' lacks a port")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"[127.0.0.1]:1\"]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:21: actorlb.pools.p.backends[0]: '[127.0.0.1]:1' has no IPv6 address in its brackets")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"h:0\"]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:21: actorlb.pools.p.backends[0]: 'h:0' has no port from 1 to 65535 after its last colon")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"h:\"]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:21: actorlb.pools.p.backends[0]: 'h:' has no port from 1 to 65535 after its last colon")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"1.2.3:1\"]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:21: actorlb.pools.p.backends[0]: '1.2.3:1' is not a host name or address with a port, such as emqx1.example.com:1883")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"-h:1\"]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:21: actorlb.pools.p.backends[0]: '-h:1' is not a host name or address with a port, such as emqx1.example.com:1883")]
    [InlineData(
        "actorlb {\npools.p.backends = [{ weight = 0, address = \"h:1\" }]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:32: actorlb.pools.p.backends[0].weight: '0' is not a whole number from 1 to 65535")]
    [InlineData(
        "actorlb {\npools.p.backends = [{ address = \"h:1\", weight = 65536 }]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:49: actorlb.pools.p.backends[0].weight: '65536' is not a whole number from 1 to 65535")]
    [InlineData(
        "actorlb {\npools.p.backends = [{ weight = 1 }]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:21: actorlb.pools.p.backends[0].address: is required")]
    [InlineData(
        "actorlb {\npools.p.backends = [{ address = \"h:1\", wieght = 2 }]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:40: actorlb.pools.p.backends[0].wieght: unknown key; did you mean 'weight'?")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"h:1\", { address = \"h:1\" }]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:28: actorlb.pools.p.backends[1]: 'h:1' is listed twice in the pool")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"h:1\", { dns = \"x\" }]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:28: actorlb.pools.p.backends[1]: mixes backends and dns: for discovery by DNS write only backends = { dns = ... }")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"h:1\", { emqx = { api = \"http://h\" } }]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:28: actorlb.pools.p.backends[1]: mixes backends and emqx: for discovery by EMQX's API write only backends = { emqx = { ... } }")]
    [InlineData(
        "actorlb {\npools.p.backends { dns = x, emqx { api = \"http://h\", key-file = secret } }\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:26: actorlb.pools.p.backends.dns: 'x' is set together with emqx: backends are found either by DNS or by EMQX's API")]
    [InlineData(
        "actorlb {\npools.p.backends.emqx {}\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:23: actorlb.pools.p.backends.emqx.api: is required: a URL such as http://emqx1:18083, or several of them")]
    [InlineData(
        "actorlb {\npools.p.backends.emqx.api = []\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:1: actorlb.pools.p.backends.emqx.key-file: is required: an API key of EMQX\n2:29: actorlb.pools.p.backends.emqx.api: is empty: a URL such as http://emqx1:18083 is expected")]
    [InlineData(
        "actorlb {\npools.p.backends.emqx { key-file = secret, api = [\"emqx1:18083\", \"ftp://h\", \"http://k:s@h\", \"http://h/api/v5/\", \"http://h\", \"http://h\"] }\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:51: actorlb.pools.p.backends.emqx.api[0]: 'emqx1:18083' is not a URL such as http://emqx1:18083\n"
        + "2:66: actorlb.pools.p.backends.emqx.api[1]: 'ftp://h' is not a URL such as http://emqx1:18083\n"
        + "2:77: actorlb.pools.p.backends.emqx.api[2]: 'http://***@h' contains credentials: put them into key-file\n"
        + "2:93: actorlb.pools.p.backends.emqx.api[3]: 'http://h/api/v5/' ends in /api/v5, which is added automatically: leave it out\n"
        + "2:125: actorlb.pools.p.backends.emqx.api[5]: 'http://h' is listed twice")]
    [InlineData(
        "actorlb {\npools.p.backends.emqx { key-file = missing, api = \"http://h\", port = 1 }\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:36: actorlb.pools.p.backends.emqx.key-file: 'missing' cannot be read: it does not exist (DIR/missing)\n"
        + "2:63: actorlb.pools.p.backends.emqx.port: does not belong in emqx but next to it: backends { emqx { ... }, port = 1883 }")]
    [InlineData(
        "actorlb {\npools.p.backends.emqx { key-file = secret, api = \"http://h\", seed = on }\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:69: actorlb.pools.p.backends.emqx.seed: 'on' is only for pools with balance = sticky: no other pool has a map of clients")]
    [InlineData(
        "actorlb {\npools.p { emqx { api = \"http://h\" }, backends { emqx { api = \"http://h\", key-file = secret }, seed = on } }\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:11: actorlb.pools.p.emqx: unknown key; it belongs to discovery by EMQX's API: pools.NAME.backends { emqx { api = ..., key-file = ... } }\n"
        + "2:95: actorlb.pools.p.backends.seed: unknown key; it belongs to discovery by EMQX's API: pools.NAME.backends { emqx { seed = ... } }")]
    [InlineData(
        "actorlb {\npools.p.backends { dns = \"a b\", port = 0 }\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:26: actorlb.pools.p.backends.dns: 'a b' is not a host name\n2:40: actorlb.pools.p.backends.port: '0' is not a whole number from 1 to 65535")]
    [InlineData(
        "actorlb {\npools.p.backends { dns = x, address = \"h:1\" }\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:29: actorlb.pools.p.backends.address: unknown key; it belongs to a backend: pools.NAME.backends = [{ address = \"host:1883\" }]")]
    [InlineData(
        "actorlb {\npools = 5\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:9: actorlb.pools: is a number, but { name { ... } } is expected\n3:39: actorlb.listeners.l.pool: 'p' is not one of the pools")]
    [InlineData(
        "actorlb {\npools.p = 5\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:11: actorlb.pools.p: is a number, but { ... } is expected\n3:39: actorlb.listeners.l.pool: 'p' is not one of the pools")]
    [InlineData(
        "actorlb {\npools.\"a b\".backends = [\"h:1\"]\npools.p.backends = [\"h:1\"]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:1: actorlb.pools.\"a b\": 'a b' is not a name of at most 64 letters, digits, dots, hyphens and underscores")]
    [InlineData(
        "actorlb {\npools.p.backends = [[1]]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "2:21: actorlb.pools.p.backends[0]: is an array, but { address = \"host:port\" ... } is expected")]
    [InlineData(
        "x = 70000\nactorlb {\npools.p.backends = [{ address = \"h:1\", weight = ${x} }]\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "1:5: actorlb.pools.p.backends[0].weight: '70000' is not a whole number from 1 to 65535")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"h:1\"]\nlisteners.l { }\n}\n",
        "3:13: actorlb.listeners.l.bind: is required\n3:13: actorlb.listeners.l.pool: is required")]
    [InlineData("actorlb {\npools.p.backends = [\"h:1\"]\n}\n", "1:9: actorlb.listeners: is empty: a node needs a listener")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"h:1\"]\nlisteners.l { bind = \"*:1883\", pool = p }\nlisteners.m { bind = \"0.0.0.0:1883\", pool = p }\n}\n",
        "4:22: actorlb.listeners.m.bind: '0.0.0.0:1883' is already bound by actorlb.listeners.l.bind")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"h:1\"]\nlisteners.l { bind = \"127.0.0.1:8888\", pool = p }\n}\n",
        "3:22: actorlb.listeners.l.bind: '127.0.0.1:8888' is already bound by actorlb.admin.bind")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"0.0.0.0:1884\", \"[::]:1885\", \"0.0.0.0:1886\"]\nlisteners.l { bind = \"127.0.0.1:1884\", pool = p }\n"
        + "listeners.m { bind = \"[::1]:1885\", pool = p }\nlisteners.n { bind = \"[::]:1886\", pool = p }\n}\n",
        "2:21: actorlb.pools.p.backends[0]: '0.0.0.0:1884' is this node itself (actorlb.listeners.l.bind): each of its clients would come back to it as a new one\n"
        + "2:37: actorlb.pools.p.backends[1]: '[::]:1885' is this node itself (actorlb.listeners.m.bind): each of its clients would come back to it as a new one\n"
        + "2:50: actorlb.pools.p.backends[2]: '0.0.0.0:1886' is this node itself (actorlb.listeners.n.bind): each of its clients would come back to it as a new one")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"h:1\", \"127.0.0.7:1883\"]\npools.q.backends = [{ address = \"localhost:1884\", weight = 2 }, \"[::1]:8888\", \"192.0.2.1:1883\"]\n"
        + "listeners.l { bind = \"*:1883\", pool = p }\nlisteners.m { bind = \"127.0.0.1:1884\", pool = q }\n}\n",
        "2:28: actorlb.pools.p.backends[1]: '127.0.0.7:1883' is this node itself (actorlb.listeners.l.bind): each of its clients would come back to it as a new one\n"
        + "3:33: actorlb.pools.q.backends[0].address: 'localhost:1884' is this node itself (actorlb.listeners.m.bind): each of its clients would come back to it as a new one")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"h:1\"]\nlisteners.l { bind = \"x:1\", pool = p }\n}\n",
        "3:22: actorlb.listeners.l.bind: 'x:1' is not an address to listen on, such as 0.0.0.0:1883 or [::]:1883")]
    [InlineData(
        "actorlb {\npools.p.backends = [\"h:1\"]\nlisteners.l { bind = \":x\", pool = p }\n}\n",
        "3:22: actorlb.listeners.l.bind: ':x' has no port from 0 to 65535 after its last colon")]
    [InlineData(
        "actorlb {\npools.emqx.backends = [\"h:1\"]\nlisteners.l { bind = \"*:1883\", pool = emqq }\n}\n",
        "3:39: actorlb.listeners.l.pool: 'emqq' is not one of the pools; did you mean 'emqx'?")]
    [InlineData(
        "actorlb {\npools.p { backends = [\"h:1\"], balance = hash }\nlisteners.l { bind = \"*:1883\", pool = p, protocol = tcp }\n}\n",
        "3:39: actorlb.listeners.l.pool: 'p' hashes $mqtt_preread_clientid, which protocol = tcp does not read")]
    [InlineData(
        "actorlb {\npools.p { backends = [\"h:1\"], balance = sticky }\nlisteners.l { bind = \"*:1883\", pool = p, protocol = tcp }\n}\n",
        "3:39: actorlb.listeners.l.pool: 'p' balances by client id (sticky), which protocol = tcp does not read")]
    [InlineData(
        "actorlb {\npools.p { backends = [\"h:1\"], balance = hash, hash-key = \"$ssl_client_serial\" }\nlisteners.l { bind = \"*:1883\", pool = p }\n}\n",
        "3:39: actorlb.listeners.l.pool: 'p' hashes $ssl_client_serial, which needs tls on the listener")]
    [InlineData(
        "actorlb {\npools.p { backends = [\"h:1\"], websocket = on }\nlisteners.l { bind = \"*:1883\", pool = p, protocol = tcp }\n}\n",
        "3:39: actorlb.listeners.l.pool: 'p' speaks WebSocket to its backends, which needs protocol = mqtt")]
    [InlineData("", "1:1: actorlb: is required: the configuration belongs in actorlb { ... }")]
    [InlineData("actorlb = 5", "1:11: actorlb: is a number, but { ... } is expected")]
    [InlineData(
        "actorlbs { }",
        "1:1: actorlb: is required: the configuration belongs in actorlb { ... }\n1:1: actorlbs: unknown key; did you mean 'actorlb'?")]
    [InlineData(
        "actorlb { node { name = \"a b\", workers = x }\n log.level = y\n pools.p { balance = z }\n}",
        "1:25: actorlb.node.name: 'a b' is not a name of at most 64 letters, digits, dots, hyphens and underscores\n1:42: actorlb.node.workers: 'x' is not auto or a whole number from 1 to 1024\n2:14: actorlb.log.level: 'y' is not one of trace, debug, info, warning, error, off\n3:10: actorlb.pools.p.backends: is required\n3:22: actorlb.pools.p.balance: 'z' is not one of round-robin, least-connections, random, ip-hash, hash, sticky")]
    public void BadFile_Loaded_IsAnErrorAtItsPlace(string text, string expected) =>
        BadConfiguration.Has(text, expected);
}
