namespace ActorLb.Balancing.Policies;

/// <summary>The less loaded of two different candidates drawn at random in proportion to their weights.</summary>
internal static class TwoChoices
{
    public static Backend? Pick(in PickContext context)
    {
        var first = Draw(context, except: null);
        if (first is null)
        {
            return null;
        }

        var second = Draw(context, first);
        return second is not null && CompareLoad(second, first, context.Now) < 0 ? second : first;
    }

    /// <summary>By connections over weight, compared without a division.</summary>
    public static int CompareLoad(Backend a, Backend b, long now) =>
        (a.ExpectedLoad * b.EffectiveWeight(now)).CompareTo(b.ExpectedLoad * a.EffectiveWeight(now));

    /// <summary>One pass: each candidate replaces the one held with probability weight / (sum of the weights so far).</summary>
    private static Backend? Draw(in PickContext context, Backend? except)
    {
        Backend? held = null;
        long total = 0;
        foreach (var backend in context.Candidates)
        {
            if (ReferenceEquals(backend, except) || !context.Allows(backend))
            {
                continue;
            }

            long weight = backend.EffectiveWeight(context.Now);
            total += weight;
            if (held is null || (long)ThreadRandom.Below((ulong)total) < weight)
            {
                held = backend;
            }
        }

        return held;
    }
}
