namespace ActorLb.Server.Otlp;

/// <summary>The node as the source of what is exported: the resource and scope of OpenTelemetry's protocol. Its messages are those of
/// opentelemetry-proto 1.x, whose numbers never change.</summary>
internal sealed class OtlpResource(string cluster, string node, string version)
{
    private const string Program = "actorlb";

    // KeyValue and AnyValue of common.proto.
    private const int Key = 1, Value = 2, StringValue = 1, IntValue = 3;

    /// <summary>The resource, as a field of the current message.</summary>
    public void WriteResource(ProtobufWriter w, int field)
    {
        int resource = w.Begin(field);
        Attribute(w, 1, "service.name", Program);
        Attribute(w, 1, "service.namespace", cluster);
        Attribute(w, 1, "service.instance.id", node);
        Attribute(w, 1, "service.version", version);
        w.End(resource);
    }

    public void WriteScope(ProtobufWriter w, int field)
    {
        int scope = w.Begin(field);
        w.Text(1, Program);
        w.Text(2, version);
        w.End(scope);
    }

    public static void Attribute(ProtobufWriter w, int field, ReadOnlySpan<char> key, ReadOnlySpan<char> value)
    {
        int attribute = w.Begin(field);
        w.Text(Key, key);
        int any = w.Begin(Value);
        w.Text(StringValue, value);
        w.End(any);
        w.End(attribute);
    }

    public static void Attribute(ProtobufWriter w, int field, ReadOnlySpan<char> key, long value)
    {
        int attribute = w.Begin(field);
        w.Text(Key, key);
        int any = w.Begin(Value);
        w.Integer(IntValue, (ulong)value);
        w.End(any);
        w.End(attribute);
    }

    public static ulong Nanoseconds(DateTimeOffset at) => (ulong)(at - DateTimeOffset.UnixEpoch).Ticks * 100;
}
