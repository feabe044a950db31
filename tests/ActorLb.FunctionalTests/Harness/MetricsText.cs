using System.Text;
using ActorLb.Hosting;
using ActorLb.Server.Admin;

namespace ActorLb.FunctionalTests.Harness;

internal static class MetricsText
{
    public static string Of(Node node) => Encoding.UTF8.GetString(MetricsPage.Render(node).Span);
}
