using System.Net;

namespace ActorLb.Proxying.Reactors;

/// <summary>
/// The listening sockets of a listener as another process of this node left them, or leaves them. The sockets live on while either has a
/// descriptor, and so does their queue: nobody who connects is refused in between.
/// </summary>
/// <param name="Bind">As configured.</param>
/// <param name="Bound">With the port in use.</param>
/// <param name="Descriptors">One or more, of this process.</param>
internal sealed record InheritedListener(string Name, IPEndPoint Bind, IPEndPoint Bound, int[] Descriptors);
