using ActorLb.Configuration;
using ActorLb.Protocol.Failures;

namespace ActorLb.Discovery.Emqx;

/// <summary>
/// Asks the cluster of EMQX for its nodes: whichever of the URLs answers. Key and authorities are read for each question, so that they may be
/// renewed in their files.
/// </summary>
internal sealed class EmqxDiscovery(EmqxDiscoveryOptions options, NameResolution names)
{
    // The one that answered last is asked first: a dead one does not cost its time at each question. One question at a time.
    private int _first;

    /// <exception cref="IOException">None of the URLs gave an answer; the message tells what each did instead.</exception>
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
                T answer = await ask(api, cancel).ConfigureAwait(false);
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

    /// <summary>In the order of the configuration, whichever was asked first: the same problems make the same text.</summary>
    private static string Text(string?[] problems) => string.Join("; ", problems.OfType<string>().Distinct(StringComparer.Ordinal));
}
