using ActorLb.Hosting;
using ActorLb.Protocol.Admin;
using ActorLb.Supervision;

namespace ActorLb.Server.Admin.Api;

/// <summary>The group <c>actor</c>: the actors of the node's control plane and their mailboxes.</summary>
internal sealed class ActorApi(Node node)
{
    public void Map(ApiRoutes routes) => routes.Get("actors", _ => Task.FromResult(List()));

    private ApiResult List() => ApiResult.Of(
        new ActorList(node.Options.Node.Name, [.. ActorTree.Read(node.ActorSystems).Select(
            a => new ActorInfo(a.Path, a.Depth, a.Name, a.Type, a.Mailbox, a.Restarts))]),
        AdminJson.Wire.ActorList);
}
