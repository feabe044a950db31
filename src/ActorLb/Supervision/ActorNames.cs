using Akka.Actor;

namespace ActorLb.Supervision;

/// <summary>Actors are named after what they stand for; not every name of a pool or backend can be part of an actor's path.</summary>
internal static class ActorNames
{
    public static string Of(string text) =>
        !text.Contains('%', StringComparison.Ordinal) && ActorPath.IsValidPathElement(text) ? text : Uri.EscapeDataString(text);

    /// <summary>What <see cref="Of"/> was given.</summary>
    public static string TextOf(string name) => Uri.UnescapeDataString(name);

    /// <summary>A name for a new child. A child that is still stopping keeps its name until it has stopped.</summary>
    public static string FreeFor(IActorContext context, string text)
    {
        string wanted = Of(text), name = wanted;
        for (int i = 2; !context.Child(name).IsNobody(); i++) name = $"{wanted}~{i}";
        return name;
    }
}
