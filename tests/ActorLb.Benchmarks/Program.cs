using ActorLb.Benchmarks;
using BenchmarkDotNet.Running;

// Plain modes print figures of one run; everything else goes to BenchmarkDotNet.
switch (args.FirstOrDefault())
{
    case "shards":
        ShardBenchmark.Run(args.Length > 1 ? int.Parse(args[1]) : 10_000_000);
        break;
    case "scale":
        ScaleBenchmark.Run(args.Length > 1 ? int.Parse(args[1]) : 50, args.Length > 2 ? int.Parse(args[2]) : 10_000_000);
        break;
    default:
        BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
        break;
}
