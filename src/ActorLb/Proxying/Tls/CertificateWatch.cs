using System.Collections.Immutable;
using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;
using Microsoft.Extensions.Logging;

namespace ActorLb.Proxying.Tls;

/// <summary>A certificate in use.</summary>
/// <param name="Owner">"listener" or "pool".</param>
internal readonly record struct CertificateUse(string Owner, string Name, CertificateInfo Certificate);

/// <summary>
/// Watches the files of TLS settings and has them read again when they change; warns of certificates that expire. A loop of its own,
/// so that neither waits for a client or an operator.
/// </summary>
/// <param name="renew">Puts the changed files into force; throws <see cref="TlsConfigurationException"/> when they cannot be used.</param>
/// <param name="certificates">Those in force.</param>
internal sealed partial class CertificateWatch(
    TimeProvider time, ILogger logger, Func<ImmutableHashSet<string>, Task> renew, Func<IEnumerable<CertificateUse>> certificates) : IAsyncDisposable
{
    /// <summary>Often enough that who renews a certificate sees it served at once, and a few calls of the system each.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(2);

    /// <summary>How long ahead an expiry is warned of, and how often.</summary>
    public static readonly TimeSpan WarnAhead = TimeSpan.FromDays(30);
    public static readonly TimeSpan WarnEvery = TimeSpan.FromDays(1);

    private readonly CancellationTokenSource _stop = new();

    // Replaced by whoever applies a configuration, used by the loop.
    private volatile FileStamps? _stamps;
    // What changed but could not be used; tried again with the next change, which may be of the file that was at fault.
    private ImmutableHashSet<string> _rejected = [];
    private Task _loop = Task.CompletedTask;
    private DateTimeOffset _nextWarning;
    private long _failures;

    /// <summary>Changed files that could not be used.</summary>
    public long Failures => Interlocked.Read(ref _failures);

    /// <param name="stamps">The files of the configuration in force, as they were before it was read.</param>
    public void Watch(ImmutableDictionary<string, FileStamps.Stamp> stamps)
    {
        _stamps = new FileStamps(stamps);
        Interlocked.Exchange(ref _rejected, []);
    }

    public void Start() => _loop = RunAsync(_stop.Token);

    /// <summary>One look at the files and the dates.</summary>
    public async Task LookAsync()
    {
        if (_stamps is { } stamps && await FileReading.RunAsync(stamps.Changed).ConfigureAwait(false) is { IsEmpty: false } changed)
        {
            string files = string.Join(", ", changed.Order(StringComparer.Ordinal));
            changed = changed.Union(Interlocked.Exchange(ref _rejected, []));
            try
            {
                await renew(changed).ConfigureAwait(false);
                Log.Renewed(logger, files);
                _nextWarning = default;
            }
            catch (Exception e) when (e is TlsConfigurationException or IOException)
            {
                _rejected = changed;
                Interlocked.Increment(ref _failures);
                Log.Rejected(logger, files, e.Message);
            }
        }
        if (time.GetUtcNow() >= _nextWarning) WarnOfExpiry();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task RunAsync(CancellationToken stop)
    {
        using var timer = new PeriodicTimer(Period, time);
        try
        {
            do
            {
                try
                {
                    await LookAsync().ConfigureAwait(false);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    Log.LookFailed(logger, e);
                }
            }
            while (await timer.WaitForNextTickAsync(stop).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    private void WarnOfExpiry()
    {
        DateTimeOffset now = time.GetUtcNow();
        _nextWarning = now + WarnEvery;
        foreach (CertificateUse use in certificates())
        {
            TimeSpan left = use.Certificate.NotAfter - now;
            if (left <= TimeSpan.Zero) Log.Expired(logger, use.Owner, use.Name, use.Certificate.Path, use.Certificate.NotAfter);
            else if (left <= WarnAhead) Log.Expires(logger, use.Owner, use.Name, use.Certificate.Path, (int)left.TotalDays, use.Certificate.NotAfter);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1601, LogLevel.Information, "changed and put into force: {Files}")]
        public static partial void Renewed(ILogger logger, string files);

        [LoggerMessage(1602, LogLevel.Error, "changed but not usable, what was in force stays: {Files}: {Reason}")]
        public static partial void Rejected(ILogger logger, string files, string reason);

        [LoggerMessage(1603, LogLevel.Warning, "{Owner} {Name}: the certificate {File} expires in {Days} days, on {Date:u}")]
        public static partial void Expires(ILogger logger, string owner, string name, string file, int days, DateTimeOffset date);

        [LoggerMessage(1604, LogLevel.Error, "{Owner} {Name}: the certificate {File} has expired on {Date:u}")]
        public static partial void Expired(ILogger logger, string owner, string name, string file, DateTimeOffset date);

        [LoggerMessage(1605, LogLevel.Error, "looking after the certificates failed; it goes on")]
        public static partial void LookFailed(ILogger logger, Exception e);
    }
}
