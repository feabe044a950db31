using ActorLb.Configuration;
using ActorLb.Protocol.Failures;

namespace ActorLb.Discovery.Emqx;

/// <summary>
/// Gets the nodes of an EMQX cluster from the first URL that answers. Key and authorities are read for each query, so that they can be
/// renewed in their files.
/// </summary>
internal sealed class EmqxDiscovery(EmqxDiscoveryOptions options, NameResolution names)
{
    // The URL that answered last is tried first, so that a dead one does not delay every query. One query at a time.
    private int _first;

    /// <exception cref="IOException">None of the URLs answered; the message says what each did instead.</exception>
    public Task<DiscoveryAnswer> FindAsync(CancellationToken cancel) => AskAsync(
        async (api, stop) => EmqxCluster.Read(options, await api.NodesAsync(stop).ConfigureAwait(false), await api.StatusAsync(stop).ConfigureAwait(false)),
        EmqxApi.Patience,
        static (answer, problems) => answer with { Remark = string.Join("; ", new[] { problems, answer.Remark }.OfType<string>()) is { Length: > 0 } remark ? remark : null },
        cancel);

    /// <summary>A page of EMQX's clients.</summary>
    /// <inheritdoc cref="FindAsync"/>
    public Task<EmqxClientPage> ClientsAsync(int page, int limit, TimeSpan patience, CancellationToken cancel) =>
        AskAsync((api, stop) => api.ClientsAsync(page, limit, stop), patience, static (answer, _) => answer, cancel);

    private async Task<T> AskAsync<T>(Func<EmqxApi, CancellationToken, Task<T>> ask, TimeSpan patience, Func<T, string?, T> remark, CancellationToken cancel)
    {
        string?[] problems = new string?[options.Apis.Length];
        for (int i = 0; i < problems.Length; i++)
        {
            int at = (_first + i) % problems.Length;
            try
            {
                using var api = new EmqxApi(options, options.Apis[at], names, patience);
                var answer = await ask(api, cancel).ConfigureAwait(false);
                _first = at;
                return remark(answer, i == 0 ? null : $"{Text(problems)}; {options.Apis[at].OriginalString} answered instead");
            }
            catch (IOException e)
            {
                cancel.ThrowIfCancellationRequested();
                problems[at] = FailureText.Describe(e);
            }
        }

        throw new IOException(Text(problems));
    }

    /// <summary>In the order of the configuration, whichever was tried first, so that the same problems give the same text.</summary>
    private static string Text(string?[] problems) => string.Join("; ", problems.OfType<string>().Distinct(StringComparer.Ordinal));
}
