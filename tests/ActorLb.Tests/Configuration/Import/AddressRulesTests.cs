using ActorLb.Configuration.Import;

namespace ActorLb.Tests.Configuration.Import;

/// <summary>Rules of which the first decides, as two lists of which deny goes first.</summary>
public sealed class AddressRulesTests
{
    [Theory]
    [InlineData("a 10.0.0.0/8, d all", "10.0.0.0/8", "")]
    [InlineData("d 10.1.0.0/16", "", "10.1.0.0/16")]
    [InlineData("d 10.1.0.0/16, a 10.0.0.0/8, d all", "10.0.0.0/8", "10.1.0.0/16")]
    [InlineData("a 10.1.0.0/16, d 10.0.0.0/15", "", "10.0.0.0/16")]
    [InlineData("a 10.0.0.1, d 10.0.0.0/30", "", "10.0.0.2/31,10.0.0.0")]
    [InlineData("a all", "", "")]
    [InlineData("d all", "", "0.0.0.0/0,::/0")]
    [InlineData("a 2001:db8::/32, d all", "2001:db8::/32", "")]
    [InlineData("a 10.0.0.5/8, d all", "10.0.0.0/8", "")]
    [InlineData("d 10.0.0.0/255.0.0.0", "", "10.0.0.0/8")]
    // All others are denied: who stays is allowed.
    [InlineData("d !10.0.0.0/8", "10.0.0.0/8", "")]
    [InlineData("d !10.0.0.0/8, d 10.1.0.0/16", "10.128.0.0/9,10.64.0.0/10,10.32.0.0/11,10.16.0.0/12,10.8.0.0/13,10.4.0.0/14,10.2.0.0/15,10.0.0.0/16", "")]
    public void Rules_BecomeListsThatMeanTheSame(string rules, string allow, string deny)
    {
        var lists = AddressRules.Lists([.. rules.Split(", ").Select(Rule)])!.Value;
        Assert.Equal((allow, deny), (string.Join(',', lists.Allow), string.Join(',', lists.Deny)));
    }

    /// <summary>Random rules, asked about random addresses, answer as they do one after the other.</summary>
    [Fact]
    public void Rules_OfAnyOrder_AnswerAlike()
    {
        var random = new Random(20);
        for (int round = 0; round < 300; round++)
        {
            AddressRules.Rule[] rules = [.. Enumerable.Range(0, random.Next(1, 6)).Select(_ => Rule($"{(random.Next(2) == 0 ? "a" : "d")} {(random.Next(4) == 0 ? "!" : "")}{(random.Next(6) == 0 ? "all" : $"10.0.0.{random.Next(16)}/{random.Next(28, 33)}")}"))];
            var lists = AddressRules.Lists(rules)!.Value;
            for (int last = 0; last < 20; last++)
            {
                var client = AddressRules.Network.Parse($"10.0.0.{last}")!.Value;
                var first = rules.Cast<AddressRules.Rule?>().FirstOrDefault(r => r!.Value.Networks.Any(n => n.Contains(client)) != r.Value.Others);
                bool admitted = !lists.Deny.Any(n => n.Contains(client)) && (lists.Allow.Count == 0 || lists.Allow.Any(n => n.Contains(client)));
                Assert.Equal(first?.Allow ?? true, admitted);
            }
        }
    }

    private static AddressRules.Rule Rule(string text)
    {
        string network = text[2..].TrimStart('!');
        AddressRules.Network[] networks = network == "all" ? [AddressRules.Network.All(4), AddressRules.Network.All(6)] : [AddressRules.Network.Parse(network)!.Value];
        return new AddressRules.Rule(text[0] == 'a', networks, text.Contains('!', StringComparison.Ordinal));
    }
}
