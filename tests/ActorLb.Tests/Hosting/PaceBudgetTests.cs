using ActorLb.Hosting;

namespace ActorLb.Tests.Hosting;

public sealed class PaceBudgetTests
{
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(100);

    [Theory]
    [InlineData(0.5)]
    [InlineData(7)]
    [InlineData(50)]
    [InlineData(100_000)]
    public void Take_OverALongTime_KeepsTheRate_Unevenly(double rate)
    {
        var budget = new PaceBudget(new Random(1));
        int steps = rate < 1 ? 20_000 : 1000;
        int[] taken = [.. Enumerable.Range(0, steps).Select(_ => budget.Take(rate, Step))];
        double asked = rate * steps * Step.TotalSeconds;
        Assert.InRange(taken.Sum(), (asked * 0.99) - rate - 1, (asked * 1.01) + 1);
        if (rate > 10) Assert.True(taken.Distinct().Count() > 3);
    }

    /// <summary>Ten nodes with a tenth each: together the rate, and not all in the same step.</summary>
    [Fact]
    public void Take_OfManySmallShares_AddsUpAndIsSpread()
    {
        var random = new Random(1);
        PaceBudget[] nodes = [.. Enumerable.Range(0, 10).Select(_ => new PaceBudget(random))];
        int[] taken = [.. Enumerable.Range(0, 1000).Select(_ => nodes.Sum(n => n.Take(0.1, Step)))];
        Assert.InRange(taken.Sum(), 95, 111);
        Assert.True(taken.Max() <= 3, $"{taken.Max()} in one step");
    }

    [Fact]
    public void Take_AfterAStandstill_MakesUpForASecondAtMost()
    {
        var budget = new PaceBudget(new Random(1));
        int first = budget.Take(50, TimeSpan.FromMinutes(5));
        Assert.InRange(first, 24, 51);
        Assert.InRange(first + budget.Take(50, TimeSpan.Zero) + budget.Take(50, TimeSpan.Zero), 30, 51);
    }

    [Fact]
    public void GiveBack_WhatCouldNotBeClosed_IsTakenLater_WithinASecondsWorth()
    {
        var budget = new PaceBudget(new Random(1));
        for (int i = 0; i < 100; i++) budget.GiveBack(budget.Take(20, Step));
        int later = 0;
        for (int i = 0; i < 20; i++) later += budget.Take(20, TimeSpan.Zero);
        Assert.InRange(later, 15, 21);
    }
}
