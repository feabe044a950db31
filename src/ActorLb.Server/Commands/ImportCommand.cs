using System.CommandLine;
using ActorLb.Configuration;
using ActorLb.Configuration.Import;
using ActorLb.Protocol.Failures;
using ActorLb.Protocol.Text;

namespace ActorLb.Server.Commands;

/// <summary>Writes an ActorLb configuration from another balancer's file; what cannot be carried over is reported on standard
/// error.</summary>
internal static class ImportCommand
{
    public static Command Create() => new("import", "Write a configuration from another balancer's file; what cannot be carried over is reported with file and line.")
    {
        Create("nginx", "From a file of NGINX or NGINX Plus, including the files that it includes.", Importer.Nginx),
        Create("haproxy", "From a file of HAProxy, or a directory of them.", Importer.HAProxy),
    };

    private static Command Create(string program, string description, Func<string, bool, ImportResult> import)
    {
        var file = new Argument<string>("FILE") { Description = "the file, which may be a pipe such as /dev/stdin" };
        var output = new Option<string?>("--output", "-o") { Description = "the file to write instead of standard output", HelpName = "OUT" };
        var strict = new Option<bool>("--strict") { Description = "exit with code 1 if anything could not be carried over" };
        var command = new Command(program, description) { file, output, strict };
        command.SetAction(result => Import(
            () => import(result.GetValue(file)!, true), result.GetValue(file)!, result.GetValue(output), result.GetValue(strict), Console.Out, Console.Error));
        return command;
    }

    /// <summary>Returns the exit code.</summary>
    public static int Import(Func<ImportResult> import, string file, string? to, bool strict, TextWriter output, TextWriter errors)
    {
        ImportResult result;
        try
        {
            result = FileReading.Run(import);
        }
        catch (Exception e) when (e is ImportException or IOException)
        {
            errors.WriteLine($"error: {SafeText.OfMessage(e.Message)}");
            return 1;
        }
        Report(result, file, errors);
        if (to is null) output.Write(result.Text);
        else if (!TryWrite(to, file, result.Text, errors)) return 1;
        return strict && !result.IsWhole ? 1 : 0;
    }

    private static void Report(ImportResult result, string file, TextWriter errors)
    {
        foreach (var directive in result.Directives)
        {
            foreach (string advice in directive.Advice)
                errors.WriteLine($"warning: {SafeText.OfMessage($"{directive.Position.File}:{directive.Position.Line}: {directive.Shown}: {advice}")}");
        }
        foreach (string remark in result.Remarks) errors.WriteLine($"warning: {SafeText.OfMessage($"{file}: {remark}")}");
        errors.WriteLine(
            $"{SafeText.OfMessage(file)}: {result.Count(Verdict.Carried)} directives carried, {result.Count(Verdict.NotNeeded)} not needed, {result.Count(Verdict.Reported)} told");
    }

    private static bool TryWrite(string to, string from, string text, TextWriter errors)
    {
        string reason;
        try
        {
            if (Path.GetFullPath(to) != Path.GetFullPath(from))
            {
                File.WriteAllText(to, text);
                return true;
            }
            reason = "it is the file being imported";
        }
        catch (DirectoryNotFoundException)
        {
            reason = "its directory does not exist";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            reason = FileFailure.Describe(e, to);
        }
        errors.WriteLine($"error: {SafeText.OfMessage($"{to}: cannot be written: {reason}")}");
        return false;
    }
}
