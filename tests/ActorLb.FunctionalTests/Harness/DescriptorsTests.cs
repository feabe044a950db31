using System.Net.Sockets;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Harness;

[Collection("alone")]
public sealed class DescriptorsTests
{
    [Fact]
    public void Sockets_OpenedAndClosed_AreCounted()
    {
        // What earlier tests left to the runtime to close may still go meanwhile.
        const int Many = 500, Margin = 100;
        var sockets = new List<Socket>();
        int before = Descriptors.CountSockets(Environment.ProcessId);
        for (int i = 0; i < Many; i++)
            sockets.Add(new Socket(SocketType.Stream, ProtocolType.Tcp));
        Assert.InRange(Descriptors.CountSockets(Environment.ProcessId) - before, Many - Margin, Many + Margin);
        sockets.ForEach(s => s.Dispose());
        Assert.InRange(Descriptors.CountSockets(Environment.ProcessId) - before, -Margin, Margin);
    }
}
