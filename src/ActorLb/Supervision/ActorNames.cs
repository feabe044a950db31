using Akka.Actor;

namespace ActorLb.Supervision;

/// <summary>
/// Names for actors. They are named after pools and backends, whose names may contain characters that an actor's path doesn't
/// allow.
/// </summary>
internal static class ActorNames
{
    public static string Of(string text) =>
        !text.Contains('%', StringComparison.Ordinal) && ActorPath.IsValidPathElement(text) ? text : Uri.EscapeDataString(text);

    /// <summary>The inverse of <see cref="Of"/>.</summary>
    public static string TextOf(string name) => Uri.UnescapeDataString(name);

    /// <summary>An unused name for a new child; a stopping child keeps its name until it has stopped.</summary>
    public static string FreeFor(IActorContext context, string text)
    {
        string wanted = Of(text), name = wanted;
        for (int i = 2; !context.Child(name).IsNobody(); i++) name = $"{wanted}~{i}";
        return name;
    }
}
