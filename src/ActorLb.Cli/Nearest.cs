namespace ActorLb.Cli;

/// <summary>The word that was probably meant.</summary>
internal static class Nearest
{
    /// <summary>Null when none is closer than half of the word.</summary>
    public static string? Find(string word, IEnumerable<string> candidates) =>
        word.Length is 0 or > 64
            ? null
            : candidates.Select(c => (Name: c, Distance: Distance(word, c)))
                .Where(c => c.Distance <= Math.Max(1, word.Length / 2))
                .OrderBy(c => c.Distance).Select(c => c.Name).FirstOrDefault();

    /// <summary>Levenshtein's: insertions, deletions and replacements, case aside; two letters that changed places are one.</summary>
    private static int Distance(string a, string b)
    {
        int[,] table = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++) table[i, 0] = i;
        for (int j = 0; j <= b.Length; j++) table[0, j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            for (int j = 1; j <= b.Length; j++)
            {
                int best = Math.Min(Math.Min(table[i - 1, j], table[i, j - 1]) + 1, table[i - 1, j - 1] + (Same(a[i - 1], b[j - 1]) ? 0 : 1));
                bool swapped = i > 1 && j > 1 && Same(a[i - 1], b[j - 2]) && Same(a[i - 2], b[j - 1]);
                table[i, j] = swapped ? Math.Min(best, table[i - 2, j - 2] + 1) : best;
            }
        }
        return table[a.Length, b.Length];
    }

    private static bool Same(char a, char b) => char.ToLowerInvariant(a) == char.ToLowerInvariant(b);
}
