namespace ActorLb.Configuration;

/// <summary>The key that was probably meant.</summary>
internal static class NearestKey
{
    /// <summary>Null when no candidate is closer than half of the key.</summary>
    public static string? Find(string key, IEnumerable<string> candidates)
    {
        string? nearest = null;
        // Levenshtein's table is bounded: longer keys are no misspelling of ours.
        int best = key.Length > 64 ? 0 : Math.Max(2, (key.Length / 2) + 1);
        foreach (string candidate in candidates)
        {
            if (Math.Abs(candidate.Length - key.Length) >= best) continue;
            int distance = Distance(key, candidate);
            if (distance >= best) continue;
            best = distance;
            nearest = candidate;
        }
        return nearest;
    }

    /// <summary>Insertions, deletions and replacements between the two, case aside.</summary>
    public static int Distance(string a, string b)
    {
        int[] row = new int[b.Length + 1];
        for (int j = 0; j <= b.Length; j++) row[j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                bool same = char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]);
                int next = Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (same ? 0 : 1));
                diagonal = row[j];
                row[j] = next;
            }
        }
        return row[b.Length];
    }
}
