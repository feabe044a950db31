using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Import;

/// <summary>The outcome of a directive, worst last.</summary>
internal enum Verdict { NotNeeded, Carried, Reported }

/// <summary>One word of a directive.</summary>
/// <param name="Literal">It was in quotes that prevent the replacement of variables.</param>
internal readonly record struct Word(string Text, SourcePosition Position, bool Literal = false)
{
    public override string ToString() => Text;
}

/// <summary>A directive of NGINX with its block, or a line or section of HAProxy, with the comments around it and its outcome.</summary>
internal sealed class Directive(Word name)
{
    private readonly List<string> _advice = [];

    // Of its words, which are complete when it is judged; advice may quote them.
    private string[]? _secrets;

    public string Name => name.Text;

    public SourcePosition Position => name.Position;

    /// <summary>Without the name.</summary>
    public List<Word> Words { get; } = [];

    /// <summary>Null when it has none.</summary>
    public List<Directive>? Block { get; set; }

    /// <summary>The user's comments before it, beside it, and before the end of its block; each with its '#'.</summary>
    public List<string> Leading { get; } = [];

    public List<string> Closing { get; } = [];

    public string? Beside { get; set; }

    /// <summary>Null until it has been handled.</summary>
    public Verdict? Verdict { get; private set; }

    /// <summary>Why it is not needed.</summary>
    public string Reason { get; private set; } = "";

    /// <summary>What cannot be carried over, and what to do instead; one for each word concerned.</summary>
    public IReadOnlyList<string> Advice => _advice;

    public string this[int index] => index < Words.Count ? Words[index].Text : "";

    public bool Is(string first) => Words.Count > 0 && Words[0].Text == first;

    public bool Has(string word) => Words.Exists(w => w.Text == word);

    /// <summary>The value of a word such as <c>weight=3</c>; null when there is none.</summary>
    public string? Parameter(string key)
    {
        string start = key + "=";
        var word = Words.Find(w => w.Text is not null && w.Text.StartsWith(start, StringComparison.Ordinal));
        return word.Text?[start.Length..];
    }

    /// <summary>As shown in a message: without secrets, and shortened.</summary>
    public string Shown => Protocol.Text.SafeText.Shortened(string.Join(' ', Secrets.MaskedWords(this).Prepend(Name)), 80);

    public void Carry()
    {
        if (Verdict is null or Import.Verdict.NotNeeded) Verdict = Import.Verdict.Carried;
    }

    public void Leave(string reason)
    {
        if (Verdict is not null) return;
        Verdict = Import.Verdict.NotNeeded;
        Reason = reason;
    }

    public void Report(string advice)
    {
        Verdict = Import.Verdict.Reported;
        _secrets ??= Secrets.Of(this);
        string shown = Secrets.Hide(advice, _secrets);
        if (!_advice.Contains(shown)) _advice.Add(shown);
    }

    /// <summary>Leaves out its block with everything in it.</summary>
    public void LeaveBlock(string reason)
    {
        foreach (var inner in Block ?? [])
        {
            inner.Leave(reason);
            inner.LeaveBlock(reason);
        }
    }

    public IEnumerable<Directive> All() => (Block ?? []).SelectMany(d => d.All()).Prepend(this);
}
