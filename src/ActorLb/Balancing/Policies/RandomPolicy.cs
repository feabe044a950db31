namespace ActorLb.Balancing.Policies;

/// <summary>The less loaded of two random choices, drawn by weight.</summary>
internal sealed class RandomPolicy : IBalancingPolicy
{
    public string Name => "random";

    public Backend? Pick(in PickContext context) => TwoChoices.Pick(context);
}
