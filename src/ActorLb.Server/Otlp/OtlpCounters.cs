namespace ActorLb.Server.Otlp;

/// <summary>Messages by signal and outcome. Any thread.</summary>
internal sealed class OtlpCounters
{
    private readonly long[] _taken = new long[2], _failed = new long[2];

    public void Count(OtlpSignal signal, bool taken) => Interlocked.Increment(ref (taken ? _taken : _failed)[(int)signal]);

    public long Of(OtlpSignal signal, bool taken) => Interlocked.Read(ref (taken ? _taken : _failed)[(int)signal]);
}
