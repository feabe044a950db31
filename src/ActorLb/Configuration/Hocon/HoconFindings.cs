namespace ActorLb.Configuration.Hocon;

/// <summary>
/// What the reading of one configuration finds and goes on after: an error of one file, line or substitution does not hide those of
/// others. What was read then lacks something, which <see cref="HoconResult.Rest"/> stands for.
/// </summary>
internal sealed class HoconFindings
{
    /// <summary>Whoever has more has written for another program.</summary>
    private const int MostErrors = 50;

    public List<HoconError> Errors { get; } = [];

    /// <summary>Legal, but hardly meant.</summary>
    public List<HoconError> Warnings { get; } = [];

    /// <summary>The blocks of a file do not nest as they should: nobody knows which block a key belongs to.</summary>
    public bool Tangled { get; set; }

    /// <summary>Takes an error in, unless it is one that ends the reading.</summary>
    public bool TryPass(HoconException e)
    {
        if (e is HoconLimitException || Errors.Count >= MostErrors) return false;
        Errors.Add(e.Error);
        return true;
    }
}
