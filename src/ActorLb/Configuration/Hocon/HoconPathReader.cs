using System.Collections.Immutable;
using System.Text;

namespace ActorLb.Configuration.Hocon;

/// <summary>Path expressions, as in keys and substitutions ("Path expressions").</summary>
internal static class HoconPathReader
{
    /// <summary>Reads as far as a path can go; the caller checks what follows.</summary>
    /// <param name="path">Of the enclosing object, for messages.</param>
    public static ImmutableArray<string> Read(HoconScanner scanner, string path)
    {
        var elements = ImmutableArray.CreateBuilder<string>();
        var element = new StringBuilder();
        var start = scanner.Position;
        bool quoted = false;
        string space = "";
        while (true)
        {
            if (scanner.Current == '"')
            {
                element.Append(space).Append(scanner.TakeQuoted(path));
                quoted = true;
            }
            else if (scanner.AtUnquoted)
            {
                element.Append(space);
                TakeUnquoted();
            }
            else
            {
                break;
            }
            space = scanner.TakeSpace();
        }
        Close();
        return elements.ToImmutable();

        // Dots separate; the plus sign of a number (1e+5) stays as the scanner read it.
        void TakeUnquoted()
        {
            foreach (char c in scanner.TakeUnquoted())
            {
                if (c == '.') Close();
                else element.Append(c);
            }
        }

        void Close()
        {
            if (element.Length == 0 && !quoted)
            {
                throw new HoconException(start, path, "a path has an empty element; write \"\" if that is meant");
            }
            elements.Add(element.ToString());
            element.Clear();
            quoted = false;
        }
    }
}
