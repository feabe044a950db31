using System.Security.Cryptography.X509Certificates;
using ActorLb.Protocol.Mqtt;

namespace ActorLb.Server.Bench;

/// <summary>Where and as what the clients of a bench connect.</summary>
/// <param name="WebSocketPath">Null for MQTT directly over TCP or TLS.</param>
/// <param name="ClientIdPrefix">The client's number follows it.</param>
/// <param name="KeepAlive">Seconds; 0 is off.</param>
internal sealed record BenchTarget(
    string Host, int Port, MqttVersion Version, string? UserName, string? Password, BenchTls? Tls, string? WebSocketPath,
    string ClientIdPrefix, ushort KeepAlive, TimeSpan ConnectTimeout);

/// <param name="Authorities">Null to trust the system's.</param>
/// <param name="Insecure">Accept any server certificate.</param>
/// <param name="ServerName">Null for the host.</param>
internal sealed record BenchTls(
    X509Certificate2Collection? Authorities, X509Certificate2? Certificate, bool Insecure, string? ServerName);
