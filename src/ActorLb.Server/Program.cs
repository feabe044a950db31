using System.CommandLine;
using System.CommandLine.Help;
using ActorLb.Server.Commands;

var root = new RootCommand("Load balancer for MQTT") { BenchCommand.Create() };

// -h is the host of `bench`, as in other MQTT tools; help is asked for by --help.
foreach (HelpOption help in root.Options.OfType<HelpOption>()) help.Aliases.Remove("-h");

// Commands handle signals themselves: a node drains, a bench reports.
var invocation = new InvocationConfiguration { ProcessTerminationTimeout = null };
return await root.Parse(args).InvokeAsync(invocation);
