using System.Diagnostics;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Telemetry;

public sealed class AccessLogQueueTests
{
    private const int IdLength = 65_535;

    /// <summary>Lines that wait for a disk hold their client's id each: their number alone would be no bound.</summary>
    [Fact]
    public async Task Lines_ThatWaitForAStalledDisk_AreBoundedInBytes()
    {
        using var folder = new TempFolder();
        string fifo = folder["access.log"];
        using (var made = Process.Start("mkfifo", [fifo])) await made.WaitForExitAsync();
        var opening = Task.Run(() => new FileStream(fifo, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        await using var broker = FakeBroker.Start(FakeBroker.Connack(5));
        Task reading;
        await using (var node = await TestNode.StartAsync(TestNode.Backends(broker), "", $"log.access = \"{fifo}\""))
        {
            var reader = await opening;
            byte[] connect = ConnectBytes.V311(new string('c', IdLength));
            for (int i = 0; i < 400; i++) await node.AskAsync(connect);
            // 16 MiB of ids, and what the pipe and the writer hold.
            Assert.InRange(node.Node.AccessLogCounters.AllLost, 400 - 264, 400 - 250);

            // Once the disk goes on there is room again.
            reading = reader.CopyToAsync(Stream.Null);
            for (long before = -1; node.Node.AccessLogCounters.AllLost != before;)
            {
                before = node.Node.AccessLogCounters.AllLost;
                await node.AskAsync(connect);
            }
        }
        await reading;
        await (await opening).DisposeAsync();
    }
}
