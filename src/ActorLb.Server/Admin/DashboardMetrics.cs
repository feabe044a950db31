using ActorLb.Server.Dashboard;

namespace ActorLb.Server.Admin;

/// <summary>What the dashboard costs: without viewers in the fleet the counter stands still.</summary>
internal static class DashboardMetrics
{
    public static void Write(MetricsWriter w, StatisticsFeed feed)
    {
        w.Single("actorlb_dashboard_viewers", "gauge", "Viewers of this node's stream of the fleet's statistics.", feed.Viewers);
        w.Single("actorlb_dashboard_samples_total", "counter", "Times this node was asked for its statistics, by itself or another node, because somebody looks.", feed.Samples);
    }
}
