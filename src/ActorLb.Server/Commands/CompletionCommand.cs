using System.CommandLine;
using ActorLb.Protocol.CommandLine;

namespace ActorLb.Server.Commands;

internal static class CompletionCommand
{
    public static Command Create()
    {
        var shell = new Argument<string>("SHELL") { Description = string.Join(" or ", CompletionScript.Shells) };
        shell.AcceptOnlyFromAmong(CompletionScript.Shells);
        var command = new Command("completion", "Print the shell code for completion; use it with eval \"$(actorlb completion bash)\".") { shell };
        command.SetAction(parsed => Console.Write(CompletionScript.For("actorlb", parsed.GetValue(shell)!)));
        return command;
    }
}
