using ActorLb.Proxying.Reactors;

namespace ActorLb.Tests.Proxying.Reactors;

public sealed class TimerWheelTests
{
    private sealed class Timer : Timed
    {
        public int Fired;
    }

    private static int Fire(TimerWheel wheel, long now)
    {
        int fired = 0;
        wheel.Advance(now, t =>
        {
            ((Timer)t).Fired++;
            fired++;
        });
        return fired;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(49)]
    [InlineData(50)]
    [InlineData(51)]
    [InlineData(51_199)]
    [InlineData(51_200)]
    [InlineData(51_201)]
    [InlineData(3_600_000)]
    public void Set_AnyDistance_FiresOnceAndNeverEarly(long delay)
    {
        const long Start = 1_000_003;
        var wheel = new TimerWheel(Start);
        var timer = new Timer();
        wheel.Set(timer, Start + delay);
        for (long now = Start; now < Start + delay; now += 37)
        {
            Assert.Equal(0, Fire(wheel, now));
        }
        Assert.Equal(1, Fire(wheel, Start + delay + TimerWheel.Granularity));
        Assert.Equal(0, wheel.Count);
        Assert.Equal(0, Fire(wheel, Start + delay + 200_000));
    }

    [Fact]
    public void Set_MovedLater_FiresAtTheLaterTime()
    {
        var wheel = new TimerWheel(0);
        var timer = new Timer();
        wheel.Set(timer, 100);
        wheel.Set(timer, 1000);
        Assert.Equal(0, Fire(wheel, 950));
        Assert.Equal(1, Fire(wheel, 1050));
    }

    [Fact]
    public void Set_MovedEarlier_FiresAtTheEarlierTime()
    {
        var wheel = new TimerWheel(0);
        var timer = new Timer();
        wheel.Set(timer, 10_000);
        wheel.Set(timer, 100);
        Assert.Equal(1, Fire(wheel, 150));
        Assert.Equal(0, Fire(wheel, 20_000));
    }

    [Fact]
    public void Cancel_BeforeItIsDue_NeverFires()
    {
        var wheel = new TimerWheel(0);
        Timer[] timers = [new(), new(), new()];
        foreach (var timer in timers) wheel.Set(timer, 500);
        wheel.Cancel(timers[1]);
        wheel.Cancel(timers[1]);
        Assert.Equal(2, Fire(wheel, 600));
        Assert.Equal([1, 0, 1], timers.Select(t => t.Fired));
    }

    [Fact]
    public void Advance_CallbackCancelsItsNeighbour_NeighbourDoesNotFire()
    {
        var wheel = new TimerWheel(0);
        Timer[] timers = [new(), new(), new()];
        foreach (var timer in timers) wheel.Set(timer, 500);
        int fired = 0;
        wheel.Advance(600, _ =>
        {
            fired++;
            foreach (var timer in timers) wheel.Cancel(timer);
        });
        Assert.Equal(1, fired);
        Assert.Equal(0, wheel.Count);
    }

    [Fact]
    public void Advance_AfterALongPause_FiresEverythingDue()
    {
        var wheel = new TimerWheel(0);
        Timer[] timers = [.. Enumerable.Range(0, 500).Select(_ => new Timer())];
        for (int i = 0; i < timers.Length; i++) wheel.Set(timers[i], i * 1000);
        Assert.Equal(500, Fire(wheel, 600_000));
    }

    [Fact]
    public void DelayUntilNext_WithTimers_WakesInTime()
    {
        var wheel = new TimerWheel(0);
        Assert.Equal(-1, wheel.DelayUntilNext(0));
        var timer = new Timer();
        wheel.Set(timer, 420);
        int delay = wheel.DelayUntilNext(0);
        Assert.InRange(delay, 420, 420 + TimerWheel.Granularity);
        Assert.Equal(1, Fire(wheel, delay));
    }

    [Fact]
    public void Wheel_RandomOperations_AgreesWithASortedList()
    {
        var random = new Random(7);
        var wheel = new TimerWheel(0);
        var due = new Dictionary<Timer, long>();
        Timer[] timers = [.. Enumerable.Range(0, 200).Select(_ => new Timer())];
        for (long now = 0; now < 400_000; now += random.Next(1, 400))
        {
            var timer = timers[random.Next(timers.Length)];
            if (random.Next(4) == 0)
            {
                wheel.Cancel(timer);
                due.Remove(timer);
            }
            else
            {
                long deadline = now + random.Next(1, 120_000);
                wheel.Set(timer, deadline);
                due[timer] = deadline;
            }
            long at = now;
            wheel.Advance(at, t =>
            {
                Assert.True(due.Remove((Timer)t, out long deadline), "an unset timer fired");
                Assert.True(deadline <= at, "a timer fired early");
            });
            foreach (long deadline in due.Values) Assert.True(deadline > at - (2 * TimerWheel.Granularity) - 400, "a timer is late");
            int delay = wheel.DelayUntilNext(at);
            if (due.Count == 0) Assert.Equal(-1, delay);
            else Assert.InRange(delay, 0, Math.Max(0, due.Values.Min() - at) + TimerWheel.Granularity);
        }
        Assert.Equal(due.Count, wheel.Count);
    }
}
