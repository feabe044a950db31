using ActorLb.Configuration;

namespace ActorLb.Cluster.Etcd;

/// <summary>
/// The log-in token: fetched when first needed, and again when a member refuses it (they are forgotten after some minutes
/// without use, and by a restart). The password is read from its file at each log-in, so that it can be changed in place.
/// </summary>
internal sealed class EtcdAuth(EtcdOptions options)
{
    private readonly SemaphoreSlim _oneLogin = new(1);

    // Written under _oneLogin, read by anyone.
    private volatile string? _token;

    /// <summary>False when etcd has no authentication switched on though a user is configured: calls go without a token.</summary>
    private volatile bool _needed = options.User is not null;

    public bool HasUser => options.User is not null;

    /// <param name="refused">The token that a member refused, or null.</param>
    /// <param name="login">Sends a log-in to the member at hand.</param>
    public async ValueTask<string?> TokenAsync(
        string? refused, Func<EtcdAuthenticateRequest, CancellationToken, Task<EtcdAuthenticateResponse>> login, CancellationToken cancellationToken)
    {
        if (refused is null && (!_needed || _token is not null))
        {
            return _token;
        }

        if (!HasUser)
        {
            return null;
        }

        await _oneLogin.WaitAsync(cancellationToken);
        try
        {
            if (_token is null || ReferenceEquals(_token, refused))
            {
                var request = new EtcdAuthenticateRequest { Name = options.User!, Password = await PasswordAsync(cancellationToken) };
                _token = (await login(request, cancellationToken)).Token;
                _needed = true;
            }

            return _token;
        }
        catch (EtcdException e) when (e.Message.Contains(EtcdStatus.AuthNotEnabled, StringComparison.Ordinal))
        {
            _token = null;
            _needed = false;
            return null;
        }
        finally
        {
            _oneLogin.Release();
        }
    }

    /// <summary>A member demanded a user of a call that went without: authentication was switched on meanwhile.</summary>
    public bool BecameNeeded()
    {
        if (!HasUser || _needed)
        {
            return false;
        }

        return _needed = true;
    }

    private async Task<string> PasswordAsync(CancellationToken cancellationToken)
    {
        if (options.PasswordFile is not { } file)
        {
            return "";
        }

        try
        {
            return (await FileReading.RunAsync(() => InputFile.ReadText(file), cancellationToken)).TrimEnd('\r', '\n');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EtcdException(EtcdError.AuthFailed, $"etcd password file {file}: {e.Message}", e);
        }
    }
}
