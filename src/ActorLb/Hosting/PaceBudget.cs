namespace ActorLb.Hosting;

/// <summary>
/// How many sessions a node may close now. What it may is saved up, from a part of the first one that is left to chance, and spent unevenly:
/// so nodes with equal shares do not close theirs in the same moments, and a share of less than one a second is kept over the fleet.
/// </summary>
internal sealed class PaceBudget(Random random)
{
    /// <summary>What was not closed in this time is not made up for: a node that stood still does not close many at once.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);

    private double _saved = random.NextDouble();

    /// <param name="rate">This node's sessions a second.</param>
    /// <param name="elapsed">Since the last time.</param>
    public int Take(double rate, TimeSpan elapsed)
    {
        double most = Math.Max(1, rate * Longest.TotalSeconds);
        _saved = Math.Min(Math.Max(_saved, most), _saved + (rate * Math.Min(elapsed.TotalSeconds, Longest.TotalSeconds)));
        int due = (int)Math.Min(_saved, int.MaxValue);
        if (due > 1) due -= random.Next((due / 2) + 1);
        _saved -= due;
        return due;
    }

    /// <summary>Some could not be closed.</summary>
    public void GiveBack(int sessions) => _saved += sessions;
}
