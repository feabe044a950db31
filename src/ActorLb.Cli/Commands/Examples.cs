using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using ActorLb.Protocol.CommandLine;

namespace ActorLb.Cli.Commands;

/// <summary>The examples below each command's help. A test runs all of them through the parser.</summary>
internal static class Examples
{
    private static readonly Dictionary<string, string[]> ByCommand = new(StringComparer.Ordinal)
    {
        ["cluster show"] = ["pbm cluster show"],
        ["cluster status"] = ["pbm --host lb-2:8888 cluster status"],
        ["cluster leave"] = ["pbm cluster leave", "pbm cluster leave lb-3"],
        ["cluster down"] = ["pbm cluster down lb-3"],
        ["cluster tail"] = ["pbm cluster tail -n 20 -f"],
        ["cluster-sharding regions"] = ["pbm cluster-sharding regions"],
        ["cluster-sharding shards"] = ["pbm cluster-sharding shards --node lb-2"],
        ["cluster-sharding stats"] = ["pbm cluster-sharding stats --json"],
        ["cluster-sharding rebalance"] = ["pbm cluster-sharding rebalance"],
        ["pool list"] = ["pbm pool list --watch"],
        ["pool show"] = ["pbm pool show emqx", "pbm pool show emqx --watch"],
        ["pool drain"] = ["pbm pool drain emqx1.example.com:1883", "pbm pool drain emqx1.example.com:1883 --deadline 10m"],
        ["pool rebalance"] = ["pbm pool rebalance emqx --rate 50/s", "pbm pool rebalance emqx --stop"],
        ["pool pause"] = ["pbm pool pause emqx1.example.com:1883", "pbm pool pause emqx"],
        ["pool resume"] = ["pbm pool resume emqx1.example.com:1883"],
        ["pool down"] = ["pbm pool down emqx1.example.com:1883"],
        ["pool up"] = ["pbm pool up emqx/10.0.0.5:1883"],
        ["pool weight"] = ["pbm pool weight emqx1.example.com:1883 2"],
        ["pool add"] = ["pbm pool add emqx emqx4.example.com:1883 --weight 2", "pbm pool add emqx [2001:db8::7]:1883 --backup"],
        ["pool remove"] = ["pbm pool remove emqx4.example.com:1883"],
        ["ban add"] = ["pbm ban add --client-id meter-17 --for 1h --reason \"floods plant/7\"", "pbm ban add --address 10.0.7.0/24"],
        ["ban list"] = ["pbm ban list"],
        ["ban remove"] = ["pbm ban remove --client-id meter-17"],
        ["sticky get"] = ["pbm sticky get meter-17"],
        ["sticky set"] = ["pbm sticky set meter-17 emqx1.example.com:1883"],
        ["sticky clear"] = ["pbm sticky clear meter-17 --pool emqx"],
        ["sticky flush"] = ["pbm sticky flush emqx1.example.com:1883"],
        ["sticky stats"] = ["pbm sticky stats"],
        ["session list"] = ["pbm session list --filter \"meter backend=10.0.0.5:1883\"", "pbm session list -n 1000 --after lb-1/0.1000"],
        ["session find"] = ["pbm session find meter-17"],
        ["session kick"] = ["pbm session kick meter-17"],
        ["session count"] = ["pbm session count", "pbm session count --node lb-2 --watch"],
        ["session top"] = ["pbm session top --by connects -n 20", "pbm session top --watch"],
        ["listener list"] = ["pbm listener list"],
        ["listener pause"] = ["pbm listener pause mqtt"],
        ["listener resume"] = ["pbm listener resume mqtt"],
        ["config check"] = ["pbm config check /etc/actorlb/actorlb.conf"],
        ["config certificates"] = ["pbm config certificates"],
        ["config reload"] = ["pbm config reload"],
        ["config show"] = ["pbm config show"],
        ["node info"] = ["pbm --host https://lb-1:8888 --ca ca.pem --token-file token node info"],
        ["node drain"] = ["pbm node drain --within 5m"],
        ["node resume"] = ["pbm node resume"],
        ["node log-level"] = ["pbm node log-level debug"],
        ["actor tree"] = ["pbm actor tree"],
        ["help"] = ["pbm help pool drain"],
        ["completion"] = ["pbm completion zsh"],
    };

    /// <param name="command">Its path, such as "pool drain".</param>
    public static string[] Of(string command) => ByCommand.GetValueOrDefault(command) ?? [];

    /// <summary>The path of a command, without the program's name.</summary>
    public static string PathOf(Command command) => string.Join(' ', WordsOf(command));

    private static IEnumerable<string> WordsOf(Command command) => command.Parents.OfType<Command>().FirstOrDefault() is { } parent
        ? WordsOf(parent).Append(command.Name) : [];

    /// <summary>Prints the library's help, followed by the examples.</summary>
    internal sealed class Help(HelpAction help) : SynchronousCommandLineAction
    {
        public int MaxWidth
        {
            set => help.MaxWidth = value;
        }

        public override int Invoke(ParseResult parseResult)
        {
            int code = help.Invoke(parseResult);
            ExamplesText.Write(parseResult.InvocationConfiguration.Output, Of(PathOf(parseResult.CommandResult.Command)));
            return code;
        }
    }
}
