using System.Text;
using ActorLb.Configuration.Hocon;
using ActorLb.Protocol.Text;

namespace ActorLb.Configuration.Import;

/// <summary>A block of the HOCON to write: keys, blocks and comments in the order in which they were added.</summary>
internal sealed class Draft
{
    private readonly List<Entry> _items = [];
    private readonly List<string> _closing = [];

    public bool IsEmpty => _items.Count == 0 && _closing.Count == 0;

    /// <summary>Whether it contains anything but comments.</summary>
    public bool HasKeys => _items.Exists(i => i.Key is not null && (i.Block is null || i.Block.HasKeys));

    /// <summary>The block of this name, created if missing.</summary>
    public Draft this[string key]
    {
        get
        {
            if (Find(key) is { Block: { } known }) return known;
            var item = new Entry(key) { Block = new Draft() };
            _items.Add(item);
            return item.Block;
        }
    }

    public bool Has(string key) => Find(key) is not null;

    /// <summary>The value that was set; null when there is none.</summary>
    public string? Value(string key) => Find(key)?.Value;

    /// <summary>Adds a block that was created elsewhere.</summary>
    public void Put(string key, Draft block) => _items.Add(new Entry(key) { Block = block });

    /// <summary>Moves keys to the front, after any comments there.</summary>
    public void First(params ReadOnlySpan<string> keys)
    {
        int at = _items.TakeWhile(i => i.Key is null).Count();
        foreach (string key in keys)
        {
            if (Find(key) is not { } item) continue;
            _items.Remove(item);
            _items.Insert(at++, item);
        }
    }

    /// <summary>Sets a key; a later value replaces an earlier one, and both keep their comments.</summary>
    /// <param name="value">HOCON.</param>
    /// <param name="absent">The default: a key with this value is not written.</param>
    /// <param name="from">Its comments go with the key.</param>
    /// <param name="note">A comment next to it.</param>
    public void Set(string key, string value, string? absent = null, Directive? from = null, string? note = null)
    {
        var item = Find(key);
        if (value == absent)
        {
            if (item is not null) _items.Remove(item);
            if (item is not null) foreach (string comment in item.Comments) Comment(comment);
            if (from is not null) Keep(from);
            return;
        }
        if (item is null) _items.Add(item = new Entry(key));
        item.Value = value;
        item.Beside = note is null ? null : "# " + note;
        if (from is null) return;
        item.Comments.AddRange(Take(from));
        if (from.Beside is not { } beside) return;
        from.Beside = null;
        if (item.Beside is null) item.Beside = beside;
        else item.Comments.Add(beside);
    }

    /// <summary>The keys that have plain values.</summary>
    public IEnumerable<(string Key, string Value)> Fields() => _items.Where(i => i is { Key: not null, Value: not null }).Select(i => (i.Key!, i.Value!));

    public void Remove(string key)
    {
        if (Find(key) is { } item) _items.Remove(item);
    }

    /// <summary>A list with one element per line.</summary>
    public void SetList(string key, IEnumerable<(string Value, Directive? From)> elements)
    {
        var item = Find(key);
        if (item is null) _items.Add(item = new Entry(key));
        item.Elements = [.. elements.Select(e => new Entry(null)
        {
            Value = e.Value,
            Beside = e.From?.Beside,
        })];
        foreach ((var element, (_, var from)) in item.Elements.Zip(elements))
        {
            if (from is null) continue;
            element.Comments.AddRange(Take(from));
            from.Beside = null;
        }
    }

    /// <summary>A comment line, including its '#'.</summary>
    public void Comment(string line) => _items.Add(new Entry(null) { Beside = line });

    public void CommentFirst(IEnumerable<string> lines) => _items.InsertRange(0, lines.Select(l => new Entry(null) { Beside = l }));

    /// <summary>A comment line before the closing brace.</summary>
    public void CommentLast(string line) => _closing.Add(line);

    /// <summary>The user's comments on a directive that produces no key; added once.</summary>
    public void Keep(Directive directive)
    {
        foreach (string comment in Take(directive)) Comment(comment);
        if (directive.Beside is { } beside) Comment(beside);
        directive.Beside = null;
    }

    /// <summary>Those before the end of its block.</summary>
    public void KeepClosing(Directive directive)
    {
        _closing.AddRange(directive.Closing);
        directive.Closing.Clear();
    }

    /// <summary>Copies the keys of another block, without its comments, that this one does not have.</summary>
    public void CopyFrom(Draft other)
    {
        foreach (var item in other._items)
        {
            if (item.Key is null) continue;
            if (item.Block is not null) this[item.Key].CopyFrom(item.Block);
            else if (!Has(item.Key)) _items.Add(new Entry(item.Key) { Value = item.Value, Elements = item.Elements?.ConvertAll(e => new Entry(null) { Value = e.Value }) });
        }
    }

    /// <summary>Appends all of another block, including comments.</summary>
    public void Take(Draft other)
    {
        _items.AddRange(other._items);
        _closing.AddRange(other._closing);
    }

    /// <summary>Only the comments, for a block that another one replaces.</summary>
    public IEnumerable<string> Comments() => _items.SelectMany(i => i.Block is not null ? i.Comments.Concat(i.Block.Comments())
        : i.Comments.Concat(i.Elements?.SelectMany(e => e.Comments.Append(e.Beside!)) ?? []).Append(i.Beside!)).Concat(_closing).Where(c => c is not null);

    /// <summary>Its content without comments: equal for blocks that mean the same.</summary>
    public string Meaning()
    {
        var text = new StringBuilder();
        foreach (var item in _items.Where(i => i.Key is not null).OrderBy(i => i.Key, StringComparer.Ordinal))
        {
            text.Append(item.Key).Append('=').Append(item.Value).Append(item.Block is null ? "" : $"{{{item.Block.Meaning()}}}")
                .AppendJoin(',', item.Elements?.Select(e => e.Value) ?? []).Append('\n');
        }
        return text.ToString();
    }

    public string Render()
    {
        var text = new StringBuilder();
        Render(text, 0);
        return text.ToString();
    }

    private void Render(StringBuilder text, int depth)
    {
        foreach (var item in _items)
        {
            foreach (string comment in item.Comments) Line(text, depth, comment);
            string key = item.Key is null ? "" : HoconPath.Quote(item.Key);
            string beside = item.Beside is null ? "" : " " + Safe(item.Beside);
            if (item.Key is null)
            {
                Line(text, depth, item.Beside!);
            }
            else if (item.Elements is { } elements)
            {
                Line(text, depth, key + " = [");
                foreach (var element in elements)
                {
                    foreach (string comment in element.Comments) Line(text, depth + 1, comment);
                    Line(text, depth + 1, element.Value + (element.Beside is null ? "" : " " + Safe(element.Beside)));
                }
                Line(text, depth, "]");
            }
            else if (item.Block is { } block)
            {
                if ((depth >= 2 || (depth == 1 && item.Key is not ("pools" or "listeners")) || item.Key == "environment") && block.Single() is var (path, only))
                {
                    foreach (string comment in only.Comments) Line(text, depth, comment);
                    Line(text, depth, $"{key}.{path} = {only.Value}{beside}{(only.Beside is null ? "" : " " + Safe(only.Beside))}");
                    continue;
                }
                if (!block.HasKeys && block._items.Count == 0 && block._closing.Count == 0) continue;
                if (depth is 1 or 2 && text.Length > 0 && !EndsBlock(text)) text.Append('\n');
                Line(text, depth, key + " {" + beside);
                block.Render(text, depth + 1);
                Line(text, depth, "}");
            }
            else
            {
                Line(text, depth, $"{key} = {item.Value}{beside}");
            }
        }
        foreach (string comment in _closing) Line(text, depth, comment);
    }

    /// <summary>The block's only value, with its path; null when there is more than one, or none.</summary>
    private (string Path, Entry Value)? Single()
    {
        if (_items is not [{ Key: { } key, Elements: null } only] || _closing.Count > 0) return null;
        if (only.Block is null) return (HoconPath.Quote(key), only);
        return only.Comments.Count == 0 && only.Block.Single() is var (path, value) ? ($"{HoconPath.Quote(key)}.{path}", value) : null;
    }

    private static bool EndsBlock(StringBuilder text) => text.Length < 2 || text[^2] == '{';

    private static void Line(StringBuilder text, int depth, string line) => text.Append(' ', 2 * depth).Append(Safe(line)).Append('\n');

    private static string Safe(string line) => SafeText.OfMessage(line.Replace("\t", "    ", StringComparison.Ordinal));

    private static string[] Take(Directive directive)
    {
        string[] comments = [.. directive.Leading];
        directive.Leading.Clear();
        return comments;
    }

    private Entry? Find(string key) => _items.Find(i => i.Key == key);

    private sealed class Entry(string? key)
    {
        public string? Key => key;

        public string? Value { get; set; }

        public Draft? Block { get; init; }

        public List<Entry>? Elements { get; set; }

        public List<string> Comments { get; } = [];

        /// <summary>After the value, or the whole line for a comment alone.</summary>
        public string? Beside { get; set; }
    }
}
