namespace ActorLb.Configuration;

public sealed record TelemetryOptions(OtlpOptions Otlp)
{
    public static readonly TelemetryOptions Default = new(new OtlpOptions(Endpoint: null, OtlpProtocol.Http, TimeSpan.FromSeconds(15), HeadersFile: null, Sample: 0.01));
}

/// <summary>The collector's protocol: protobuf in HTTP requests, or gRPC.</summary>
public enum OtlpProtocol { Http, Grpc }

/// <param name="Endpoint">The collector: http or https, host, port, and for HTTP the path before /v1/metrics. Null for no export.</param>
/// <param name="Interval">Between two exports of the metrics.</param>
/// <param name="HeadersFile">Lines "Name: value", sent with each request; null for none.</param>
/// <param name="Sample">Fraction of the connection set-ups that become spans, 0 to 1.</param>
public sealed record OtlpOptions(Uri? Endpoint, OtlpProtocol Protocol, TimeSpan Interval, string? HeadersFile, double Sample);
