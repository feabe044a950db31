namespace ActorLb.Tests.Configuration;

/// <summary>Mistakes within node, log, admin, sticky and cluster, one each, with their places.</summary>
public sealed class BadNodeTests
{
    [Theory]
    [InlineData("node.nam = x", "2:1: actorlb.node.nam: unknown key; did you mean 'name'?")]
    [InlineData(
        "node.name = \"a b\"",
        "2:13: actorlb.node.name: 'a b' is not a name of at most 64 letters, digits, dots, hyphens and underscores")]
    [InlineData("node.workers = 0", "2:16: actorlb.node.workers: '0' is not auto or a whole number from 1 to 1024")]
    [InlineData("node.workers = many", "2:16: actorlb.node.workers: 'many' is not auto or a whole number from 1 to 1024")]
    [InlineData("node.workers = 1.5", "2:16: actorlb.node.workers: '1.5' is not auto or a whole number from 1 to 1024")]
    [InlineData("node.max-connections = -1", "2:24: actorlb.node.max-connections: '-1' is not a whole number from 1 to 10000000")]
    [InlineData(
        "node.max-connections = [1]",
        "2:24: actorlb.node.max-connections: is an array, but a whole number from 1 to 10000000 is expected")]
    [InlineData("node.drain-timeout = 30", "2:22: actorlb.node.drain-timeout: '30' lacks a unit, such as 30s")]
    [InlineData("node.drain-timeout = 2d", "2:22: actorlb.node.drain-timeout: '2d' is not within 0s to 1d")]
    [InlineData(
        "node.drain-timeout = soon",
        "2:22: actorlb.node.drain-timeout: 'soon' is not a duration such as 500ms, 10s, 5m, 1h or 1d")]
    [InlineData("node.will = perhaps", "2:13: actorlb.node.will: 'perhaps' is not one of keep, suppress")]
    [InlineData("node.data-dir = \"\"", "2:17: actorlb.node.data-dir: '' is not a file name")]
    [InlineData("node = 5", "2:8: actorlb.node: is a number, but { ... } is expected")]
    [InlineData("node.pid-file { a = 1 }", "2:15: actorlb.node.pid-file: is an object, but a file name is expected")]
    [InlineData("nodes { }", "2:1: actorlb.nodes: unknown key; did you mean 'node'?")]
    [InlineData("node.server-reference = \"\"", "2:25: actorlb.node.server-reference: '' is empty")]
    [InlineData("telemetry.otlp.endpoint = \"collector:4318\"", "2:27: actorlb.telemetry.otlp.endpoint: 'collector:4318' is not a URL such as http://collector:4318")]
    [InlineData("telemetry.otlp.endpoint = \"http://c:4318/?a=b\"", "2:27: actorlb.telemetry.otlp.endpoint: 'http://c:4318/?a=b' is not a URL such as http://collector:4318")]
    [InlineData("telemetry.otlp.endpoint = \"http://me:hunter2@c:4318\"", "2:27: actorlb.telemetry.otlp.endpoint: 'http://***@c:4318' contains credentials: put them into headers-file")]
    [InlineData("telemetry.otlp { endpoint = \"http://c:4317/x\", protocol = grpc }", "2:29: actorlb.telemetry.otlp.endpoint: 'http://c:4317/x' has a path, which gRPC does not use")]
    [InlineData("telemetry.otlp.protocol = json", "2:27: actorlb.telemetry.otlp.protocol: 'json' is not one of http, grpc")]
    [InlineData("telemetry.otlp.interval = 100ms", "2:27: actorlb.telemetry.otlp.interval: '100ms' is not within 1s to 1h")]
    [InlineData("telemetry.otlp.traces.sample = 0.01", "2:32: actorlb.telemetry.otlp.traces.sample: '0.01' lacks its percent sign, as in 1%")]
    [InlineData("telemetry.otlp.traces.sample = 101%", "2:32: actorlb.telemetry.otlp.traces.sample: '101%' is not a percentage from 0% to 100%")]
    [InlineData("telemetry.otlp.headers-file = none", "2:31: actorlb.telemetry.otlp.headers-file: 'none' cannot be read: it does not exist (DIR/none)")]
    [InlineData("log.level = loud", "2:13: actorlb.log.level: 'loud' is not one of trace, debug, info, warning, error, off")]
    [InlineData("log.format = xml", "2:14: actorlb.log.format: 'xml' is not one of text, json")]
    [InlineData("log.access = { }", "2:14: actorlb.log.access: is an object, but off, stdout or a file name is expected")]
    [InlineData(
        "admin.bind = \"0.0.0.0:8888\"",
        "2:14: actorlb.admin.bind: '0.0.0.0:8888' is not a loopback address: set token-file, or tls with a ca for client certificates, to restrict access")]
    [InlineData(
        "admin.bind = \"127.0.0.1\"",
        "2:14: actorlb.admin.bind: '127.0.0.1' has no port from 0 to 65535 after its last colon")]
    [InlineData(
        "admin.bind = \"example.com:80\"",
        "2:14: actorlb.admin.bind: 'example.com:80' is not an address to listen on, such as 0.0.0.0:1883 or [::]:1883")]
    [InlineData(
        "admin.token-file = \"none\"",
        "2:20: actorlb.admin.token-file: 'none' cannot be read: it does not exist (DIR/none)")]
    [InlineData("admin.tls = on", "2:13: actorlb.admin.tls.certificate: is required\n2:13: actorlb.admin.tls.key: is required")]
    [InlineData("admin.tls { certificate = c.pem }", "2:11: actorlb.admin.tls.key: is required")]
    [InlineData(
        "admin { bind = \"0.0.0.0:1\", tls { certificate = c.pem, key = k.pem } }",
        "2:16: actorlb.admin.bind: '0.0.0.0:1' is not a loopback address: set token-file, or tls with a ca for client certificates, to restrict access")]
    [InlineData(
        "admin.bind = \"127.0.0.1:70000\"",
        "2:14: actorlb.admin.bind: '127.0.0.1:70000' has no port from 0 to 65535 after its last colon")]
    [InlineData("sticky.ttl = 0s", "2:14: actorlb.sticky.ttl: '0s' is not within 1s to 3650d")]
    [InlineData("sticky.max-entries = 1023", "2:22: actorlb.sticky.max-entries: '1023' is not a whole number from 1024 to 1000000000")]
    [InlineData(
        "sticky.max-entries = 99999999999",
        "2:22: actorlb.sticky.max-entries: '99999999999' is not a whole number from 1024 to 1000000000")]
    [InlineData("cluster.coordinator = etcd", "2:1: actorlb.cluster.coordinator: no longer exists: list the nodes of the fleet in seeds instead")]
    [InlineData(
        "cluster.etcd.endpoints = [\"http://127.0.0.1:2379\"]",
        "2:1: actorlb.cluster.etcd: no longer exists: list the nodes of the fleet in seeds instead")]
    [InlineData(
        "cluster { secret-file = secret, bind = \"10.0.0.1:x\" }",
        "2:40: actorlb.cluster.bind: '10.0.0.1:x' has no port from 0 to 65535 after its last colon")]
    [InlineData("cluster.advertise = \"10.0.0.1\"", "2:21: actorlb.cluster.advertise: '10.0.0.1' lacks a port")]
    [InlineData(
        "cluster.advertise = \"a_b..c:1\"",
        "2:21: actorlb.cluster.advertise: 'a_b..c:1' is not a host name or address with a port, such as emqx1.example.com:1883")]
    [InlineData("cluster.tls { certificate = c.pem, key = k.pem }", "2:13: actorlb.cluster.tls.ca: is required")]
    [InlineData(
        "cluster.name = \"\"",
        "2:16: actorlb.cluster.name: '' is not a name of at most 64 letters, digits, dots, hyphens and underscores")]
    [InlineData("cluster.seed = [\"h:1\"]", "2:1: actorlb.cluster.seed: unknown key; did you mean 'seeds'?")]
    public void BadNode_Loaded_IsAnErrorAtItsPlace(string text, string expected) =>
        BadConfiguration.Has(BadConfiguration.Whole(text), expected);
}
