using System.Diagnostics;
using System.Globalization;
using ActorLb.Fuzz.Targets;

// Usage: ActorLb.Fuzz [target|all] [seconds] [number]
// Runs rounds of a million inputs; the first round's number is printed and repeats the run. Exit code 1 on a broken promise.
var targets = FuzzTarget.All();
string wanted = args.Length > 0 ? args[0] : "all";
var chosen = wanted == "all" ? targets : Array.FindAll(targets, t => t.Name == wanted);
double seconds = 60;
ulong number = (ulong)Stopwatch.GetTimestamp();
bool understood = chosen.Length > 0
    && (args.Length < 2 || double.TryParse(args[1], CultureInfo.InvariantCulture, out seconds))
    && (args.Length < 3 || ulong.TryParse(args[2], CultureInfo.InvariantCulture, out number))
    && args.Length <= 3;
if (!understood)
{
    Console.Error.WriteLine($"usage: ActorLb.Fuzz [all|{string.Join('|', targets.Select(t => t.Name))}] [seconds] [number]");
    return 2;
}

const int Round = 1_000_000;
foreach (var target in chosen)
{
    Console.WriteLine($"{target.Name}: {target.Seeds.Length} seeds, number {number}");
    var mutator = new Mutator(target, number);
    mutator.Run(1000); // What is allocated once, is now.
    var clock = Stopwatch.StartNew();
    long inputs = 0;
    do
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            mutator.Run(Round);
        }
        catch (Exception e)
        {
            Console.Error.WriteLine($"{target.Name}: {e}\ninput (perhaps unmasked): {Convert.ToHexString(mutator.Last)}");
            return 1;
        }
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        if (allocated > 4096)
        {
            Console.Error.WriteLine($"{target.Name}: {allocated} bytes allocated over {Round} inputs");
            return 1;
        }
        inputs += Round;
    }
    while (clock.Elapsed.TotalSeconds < seconds);
    Console.WriteLine($"{target.Name}: {inputs / 1_000_000} million inputs, {inputs / clock.Elapsed.TotalSeconds / 1e6:F2} million/s, nothing found");
}
return 0;
