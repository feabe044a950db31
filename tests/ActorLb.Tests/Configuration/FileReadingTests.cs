using System.Diagnostics;
using ActorLb.Configuration;

namespace ActorLb.Tests.Configuration;

/// <summary>Reading that the kernel does not end. What was left behind counts for the whole process.</summary>
[Collection(AloneCollection.Name)]
public sealed class FileReadingTests
{
    private static readonly TimeSpan AtOnce = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task Reading_ThatHangs_IsGivenUp_NamesItsFile_AndManyOfThemEndTheTrying()
    {
        using var release = new ManualResetEventSlim();
        var late = new List<int>();
        int Hang(string file)
        {
            FileReading.Note(file);
            release.Wait();
            return 1;
        }
        var slow = await Assert.ThrowsAsync<IOException>(() =>
            FileReading.RunAsync(() => Hang("/nfs/1"), discard: n => { lock (late) late.Add(n); }, deadline: TimeSpan.FromMilliseconds(20)));
        Assert.Equal("/nfs/1 could not be read within 0.02 s", slow.Message);
        using var cancel = new CancellationTokenSource();
        var cancelled = FileReading.RunAsync(() => Hang("/nfs/2"), cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        for (int i = 3; i <= 4; i++)
        {
            int n = i;
            await Assert.ThrowsAsync<IOException>(() => FileReading.RunAsync(() => Hang($"/nfs/{n}"), deadline: TimeSpan.FromMilliseconds(20)));
        }
        var many = await Assert.ThrowsAsync<IOException>(() => FileReading.RunAsync(() => 1));
        Assert.Contains("/nfs/4", many.Message, StringComparison.Ordinal);

        // They come back: so does reading.
        release.Set();
        var watch = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                Assert.Equal(1, await FileReading.RunAsync(() => 1));
                break;
            }
            catch (IOException) when (watch.Elapsed < AtOnce)
            {
                await Task.Yield();
            }
        }
        while (watch.Elapsed < AtOnce && Count() == 0) await Task.Yield();
        Assert.Equal([1], late);
        int Count()
        {
            lock (late) return late.Count;
        }
    }

    [Fact]
    public async Task Reading_OfManyFiles_TakesItsTime()
    {
        // The watchdog's clock is the system's; a file every 5 ms is far from its second on any machine.
        var each = TimeSpan.FromSeconds(1);
        int read = await FileReading.RunAsync(
            () =>
            {
                var watch = Stopwatch.StartNew();
                int files = 0;
                for (; watch.Elapsed < 2.5 * each; Thread.Sleep(5)) FileReading.Note($"/etc/{files++}");
                return files;
            },
            deadline: each);
        Assert.InRange(read, 2, int.MaxValue);
    }
}
