using ActorLb.Server.Dashboard;

namespace ActorLb.Server.Admin;

/// <summary>The dashboard's cost: without viewers in the fleet the counter does not change.</summary>
internal static class DashboardMetrics
{
    public static void Write(MetricsWriter w, StatisticsFeed feed)
    {
        w.Single("actorlb_dashboard_viewers", "gauge", "Viewers of this node's stream of the fleet's statistics.", feed.Viewers);
        w.Single("actorlb_dashboard_samples_total", "counter", "Times this node's statistics were read, by itself or another node, for a viewer.", feed.Samples);
    }
}
