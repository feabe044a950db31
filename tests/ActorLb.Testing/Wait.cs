using System.Diagnostics;

namespace ActorLb.Testing;

/// <summary>Waits for what other threads and processes do.</summary>
internal static class Wait
{
    /// <summary>
    /// How long a test waits for something that must come: long enough for a loaded machine of two cores. A wait ends as soon as its
    /// reason comes, so the limit costs nothing but in a test that fails; no test judges by a shorter one of its own.
    /// </summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <exception cref="TimeoutException">It did not come; the message is <paramref name="otherwise"/>'s.</exception>
    public static Task UntilAsync(Func<bool> holds, Func<string>? otherwise = null) => UntilAsync(() => Task.FromResult(holds()), otherwise);

    /// <inheritdoc cref="UntilAsync(Func{bool}, Func{string}?)"/>
    public static async Task UntilAsync(Func<Task<bool>> holds, Func<string>? otherwise = null)
    {
        long start = Stopwatch.GetTimestamp();
        while (!await holds())
        {
            var waited = Stopwatch.GetElapsedTime(start);
            if (waited > Patience)
                throw new TimeoutException(otherwise?.Invoke() ?? $"What was expected did not come in {Patience.TotalSeconds} s.");
            // Polling is what an outside observer can do; often at first, and less so the longer it lasts, to leave the machine to others.
            await Task.Delay(Math.Clamp((int)waited.TotalMilliseconds / 10, 1, 50));
        }
    }
}
