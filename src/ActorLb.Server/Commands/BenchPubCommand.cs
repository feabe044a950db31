using System.CommandLine;
using System.Globalization;
using ActorLb.Server.Bench;

namespace ActorLb.Server.Commands;

/// <summary><c>actorlb bench pub</c>: publishes at a rate, reports throughput and latencies.</summary>
internal static class BenchPubCommand
{
    public static Command Create()
    {
        var command = new Command("pub", "Publish messages: throughput and latency");
        var options = new BenchTargetOptions(command);
        var topic = new Option<string>("--topic", "-t") { Description = "Topic; %c is the client's number, %u the user name", Required = true };
        var size = new Option<int>("--size", "-s") { Description = "Payload size in bytes", DefaultValueFactory = _ => 64 };
        var qos = new Option<int>("--qos", "-q") { Description = "QoS 0, 1 or 2", DefaultValueFactory = _ => 0 };
        var rate = new Option<double>("--rate", "-r") { Description = "Messages per second over all clients; 0 for as fast as possible", DefaultValueFactory = _ => 0 };
        var duration = BenchTargetOptions.Duration("--duration", "Time to publish, after all clients are open or failed", "10s", "-d");
        var window = new Option<int>("--inflight") { Description = "Unacknowledged messages per client with QoS 1 and 2", DefaultValueFactory = _ => 20 };
        var subscribe = new Option<bool>("--sub") { Description = "Receive the messages with an additional client, to measure end-to-end latency" };
        topic.Validators.Add(result =>
        {
            if (TopicTemplate.Fault(result.GetValueOrDefault<string>() ?? "") is { } fault) result.AddError("--topic: " + fault);
        });
        BenchTargetOptions.Between(rate, 0, 10_000_000);
        BenchTargetOptions.Between(size, 0, 16 * 1024 * 1024);
        BenchTargetOptions.Between(qos, 0, 2);
        BenchTargetOptions.Between(window, 1, ushort.MaxValue);
        Option[] own = [topic, size, qos, rate, duration, window, subscribe];
        foreach (var option in own) command.Add(option);
        command.SetAction((parsed, cancel) => BenchCommand.GuardAsync(parsed, async stop =>
        {
            var plan = new PublishPlan(parsed.GetValue(topic)!, parsed.GetValue(size), parsed.GetValue(qos), parsed.GetValue(rate),
                parsed.GetValue(duration) ?? TimeSpan.FromSeconds(10), parsed.GetValue(window), parsed.GetValue(subscribe));
            if (plan.Subscribe && plan.Size < PayloadStamp.Length)
                throw new BenchFailure($"--sub needs --size {PayloadStamp.Length} or more, for the time stamp in each message");
            return await RunAsync(options.Read(parsed), parsed.GetValue(options.Clients),
                TimeSpan.FromMilliseconds(parsed.GetValue(options.Interval)), plan, BenchConsole.ForProcess(), TimeProvider.System, stop);
        }, cancel));
        return command;
    }

    /// <returns>0 when all clients connected, none was lost, and every message was acknowledged and delivered; otherwise 1.</returns>
    public static async Task<int> RunAsync(
        BenchTarget target, int count, TimeSpan interval, PublishPlan plan, BenchConsole console, TimeProvider time, CancellationToken stop)
    {
        await using var run = new PublishRun(target, plan, time);
        var counters = run.Counters;
        var clients = run.Clients;
        await console.FollowAsync("connecting", () => (double)clients.Settled / count,
            () => $"{clients.Opened} of {count}, {clients.Failures.Total} failed", run.ConnectAsync(count, interval, stop));
        BenchConnCommand.Report(console, clients, count);
        if (clients.Opened > 0 && run.SubscriberFault is null && !stop.IsCancellationRequested)
        {
            long start = time.GetTimestamp();
            await console.FollowAsync("publishing", () => Math.Min(1, time.GetElapsedTime(start) / plan.Duration),
                () => string.Create(CultureInfo.InvariantCulture,
                    $"{counters.Sent} sent, {counters.Sent / Math.Max(time.GetElapsedTime(start).TotalSeconds, 1e-3):0} per second"),
                run.PublishAsync(stop));
            if (run.Pending is > 0 and var owed)
            {
                await console.FollowAsync(plan.Subscribe ? "waiting for deliveries" : "waiting for acknowledgements",
                    () => 1 - (double)run.Pending / owed, () => $"{run.Pending} of {counters.Sent} messages left", run.SettleAsync(stop));
            }
            Report(console, run, plan);
        }
        console.Tally("lost", clients.Lost);
        if (run.SubscriberFault is { } fault) console.Result("subscriber", fault);
        bool answered = plan.Qos == 0 || (counters.Acknowledged == counters.Sent && counters.Refused == 0);
        bool delivered = !plan.Subscribe || (run.SubscriberFault is null && (plan.Qos == 0 || counters.Delivered >= counters.Sent));
        return clients.Opened == count && clients.Lost.Total == 0 && answered && delivered ? 0 : 1;
    }

    private static void Report(BenchConsole console, PublishRun run, PublishPlan plan)
    {
        var counters = run.Counters;
        double perSecond = counters.Sent / Math.Max(run.Sending.TotalSeconds, 1e-3);
        console.Result("published", string.Create(CultureInfo.InvariantCulture,
            $"{counters.Sent} in {run.Sending.TotalSeconds:0.00} s, {perSecond:0} per second, {perSecond * plan.Size / 1e6:0.00} MB/s of payload"));
        if (plan.Qos > 0) console.Result("acknowledged", $"{counters.Acknowledged}, {counters.Refused} of them refused");
        console.Percentiles(plan.Qos == 2 ? "PUBCOMP" : "PUBACK", counters.AckTime);
        if (plan.Subscribe) console.Result("delivered", $"{counters.Delivered} of {counters.Sent}");
        console.Percentiles("end to end", counters.DeliveryTime);
    }
}
