namespace ActorLb.Testing;

/// <summary>What code allocates, apart from what the runtime does on the same thread while it runs.</summary>
public static class Allocations
{
    /// <summary>
    /// Bytes of the run, after one to get warm, that allocated least. The compiler allocates on the thread that calls a method while it makes
    /// better code of it, and a collection counts what is left of the thread's share: neither is in every run, the code's own is.
    /// </summary>
    public static long Least(Action run)
    {
        run();
        long least = long.MaxValue;
        for (int i = 0; i < 5 && least > 0; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            run();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        return least;
    }
}
