using System.Collections.Immutable;
using ActorLb.Configuration;
using ActorLb.Native;
using Microsoft.Extensions.Logging;

namespace ActorLb.Tls;

/// <summary>A certificate or revocation list in use.</summary>
/// <param name="Owner">"listener" or "pool".</param>
internal readonly record struct CertificateUse(string Owner, string Name, DatedEntry Certificate);

/// <summary>
/// Watches the files of TLS settings and has them read again when they change; warns of certificates
/// and revocation lists whose time ends. One look at a time.
/// </summary>
/// <param name="renew">Puts the changed files into force; throws <see cref="TlsConfigurationException"/> when they cannot be used.</param>
/// <param name="certificates">Those in force.</param>
internal sealed partial class CertificateWatch(
    TimeProvider time, ILogger logger, Func<ImmutableHashSet<string>, Task> renew, Func<IEnumerable<CertificateUse>> certificates)
{
    /// <summary>Often enough that who renews a certificate sees it served at once, and a few calls of the system each.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(2);

    /// <summary>How often a date that is near or over is reported.</summary>
    public static readonly TimeSpan WarnEvery = TimeSpan.FromDays(1);

    // Replaced when a configuration is applied, used by the looks.
    private volatile FileStamps? _stamps;
    // What changed but could not be used; tried again with the next change, which may be of the file that was at fault.
    private ImmutableHashSet<string> _rejected = [];
    // They could not be read for want of descriptors, which is no fault of theirs.
    private bool _again;
    // Why the last look failed; reported once.
    private string? _lookFailure;
    private DateTimeOffset _nextWarning;
    private long _failures;
    private volatile bool _isNew = true;

    /// <summary>Changed files that could not be used.</summary>
    public long Failures => Interlocked.Read(ref _failures);

    /// <param name="stamps">The files of the configuration in force, as they were before it was read.</param>
    public void Watch(ImmutableDictionary<string, FileStamps.Stamp> stamps)
    {
        _stamps = new FileStamps(stamps);
        Interlocked.Exchange(ref _rejected, []);
        _isNew = true;
    }

    /// <summary>One look at the files and the dates.</summary>
    public async Task LookAsync()
    {
        var changed = _stamps is { } stamps ? await FileReading.RunAsync(stamps.Changed).ConfigureAwait(false) : [];
        if (!changed.IsEmpty || _again)
        {
            _again = false;
            changed = changed.Union(Interlocked.Exchange(ref _rejected, []));
            if (changed.IsEmpty) return;
            string files = string.Join(", ", changed.Order(StringComparer.Ordinal));
            try
            {
                await renew(changed).ConfigureAwait(false);
                Log.Renewed(logger, files);
                _isNew = true;
            }
            catch (Exception e) when (e is TlsConfigurationException or IOException)
            {
                _rejected = changed;
                _again = FileDescriptors.AreOut();
                Interlocked.Increment(ref _failures);
                Log.Rejected(logger, files, e.Message);
            }
        }
        if (_isNew || time.GetUtcNow() >= _nextWarning) WarnOfDates();
    }

    /// <summary>A look whose failure is logged: the next one may do better.</summary>
    public async Task TryLookAsync()
    {
        try
        {
            await LookAsync().ConfigureAwait(false);
            _lookFailure = null;
        }
        catch (Exception e)
        {
            if (_lookFailure == e.Message) return;
            _lookFailure = e.Message;
            // Problems of the files are in this exception; any other is a bug.
            Log.LookFailed(logger, e is IOException ? null : e, e.Message);
        }
    }

    /// <summary>Reports every date that is near or over: daily, and at once when one is reached.</summary>
    private void WarnOfDates()
    {
        _isNew = false;
        var now = time.GetUtcNow();
        _nextWarning = now + WarnEvery;
        foreach (var uses in certificates().GroupBy(u => (u.Owner, u.Name)))
        {
            foreach (var entry in uses.Select(u => u.Certificate))
            {
                if (entry.NextChange(now) is { } change && change < _nextWarning) _nextWarning = change;
            }
            foreach (var entry in DatedEntry.InForce(uses.Select(u => u.Certificate), now))
            {
                if (entry.TextAt(now) is not { } text) continue;
                string what = entry.Setting switch { TlsSetting.Ca => "CA file", TlsSetting.Crl => "CRL file", _ => "certificate" };
                if (entry.RefusesAt(now)) Log.Over(logger, uses.Key.Owner, uses.Key.Name, what, entry.Path, text);
                else Log.Ending(logger, uses.Key.Owner, uses.Key.Name, what, entry.Path, text);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1601, LogLevel.Information, "changed and now in use: {Files}")]
        public static partial void Renewed(ILogger logger, string files);

        [LoggerMessage(1602, LogLevel.Error, "changed but not usable, the previous ones stay in use: {Files}: {Reason}")]
        public static partial void Rejected(ILogger logger, string files, string reason);

        [LoggerMessage(1603, LogLevel.Warning, "{Owner} {Name}: the {What} {File} {Text}")]
        public static partial void Ending(ILogger logger, string owner, string name, string what, string file, string text);

        [LoggerMessage(1604, LogLevel.Error, "{Owner} {Name}: the {What} {File} {Text}")]
        public static partial void Over(ILogger logger, string owner, string name, string what, string file, string text);

        [LoggerMessage(1605, LogLevel.Error, "the certificates cannot be checked; retrying every two seconds: {Reason}")]
        public static partial void LookFailed(ILogger logger, Exception? e, string reason);
    }
}
