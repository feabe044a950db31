namespace ActorLb.Configuration.Hocon;

/// <summary>
/// Findings after which reading continues: an error in one file, line or substitution does not hide errors in
/// others. Something is then missing from the result, which <see cref="HoconResult.Rest"/> represents.
/// </summary>
internal sealed class HoconFindings
{
    /// <summary>A file with more errors was probably written for another program.</summary>
    private const int MostErrors = 50;

    public List<HoconError> Errors { get; } = [];

    /// <summary>Legal, but probably not meant.</summary>
    public List<HoconError> Warnings { get; } = [];

    /// <summary>The blocks of a file are not nested properly: it is unknown which block a key belongs to.</summary>
    public bool Tangled { get; set; }

    /// <summary>Adds an error, unless it is one that ends the reading.</summary>
    public bool TryPass(HoconException e)
    {
        if (e is HoconLimitException || Errors.Count >= MostErrors) return false;
        Errors.Add(e.Error);
        return true;
    }
}
