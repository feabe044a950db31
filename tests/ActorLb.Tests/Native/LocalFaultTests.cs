using System.Net;
using System.Net.Sockets;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;
using ActorLb.Health;
using ActorLb.Native;

namespace ActorLb.Tests.Native;

/// <summary>What this node lacks says nothing of a broker.</summary>
public sealed class LocalFaultTests
{
    [Theory]
    [InlineData(Libc.EMFILE, true)]
    [InlineData(Libc.ENFILE, true)]
    [InlineData(Libc.ENOMEM, true)]
    [InlineData(Libc.ENOBUFS, true)]
    [InlineData(Libc.EADDRNOTAVAIL, true)]
    [InlineData(Libc.EADDRINUSE, true)]
    [InlineData(Libc.EACCES, true)]
    [InlineData(Libc.EPERM, true)]
    [InlineData(Libc.EAFNOSUPPORT, true)]
    [InlineData(Libc.ECONNREFUSED, false)]
    [InlineData(Libc.EHOSTUNREACH, false)]
    [InlineData(Libc.ENETUNREACH, false)]
    [InlineData(Libc.ETIMEDOUT, false)]
    [InlineData(Libc.ECONNRESET, false)]
    public void Errno_OfACallThatFailedAtOnce(int errno, bool own) => Assert.Equal(own, LocalFault.Is(errno));

    [Theory]
    [InlineData(SocketError.TooManyOpenSockets, true)]
    [InlineData(SocketError.NoBufferSpaceAvailable, true)]
    [InlineData(SocketError.AddressNotAvailable, true)]
    [InlineData(SocketError.ConnectionRefused, false)]
    [InlineData(SocketError.HostUnreachable, false)]
    public void Probe_ByTheExceptionItMet_IsInconclusiveOrFailed(SocketError error, bool own)
    {
        foreach (var e in (Exception[])[new SocketException((int)error), new IOException("connect", new SocketException((int)error))])
        {
            var result = ProbeResult.Of(e, "reason");
            Assert.Equal((false, own), (result.Alive, result.Inconclusive));
        }
    }

    [Fact]
    public void AccessDenied_IsOursOnlyWhereTheCallFailedAtOnce()
    {
        Assert.True(LocalFault.Is(SocketError.AccessDenied, atOnce: true));
        // A router on the way may say so, too: ICMPv6, administratively prohibited.
        Assert.False(LocalFault.Is(SocketError.AccessDenied, atOnce: false));
        Assert.True(ProbeResult.Of(new LocalFaultException("connect", new SocketException((int)SocketError.AccessDenied)), "r").Inconclusive);
    }

    [Fact]
    public void Files_WithoutADescriptor_AreOurs()
    {
        Assert.True(LocalFault.Is(new IOException("Too many open files", Libc.EMFILE)));
        Assert.False(LocalFault.Is(new FileNotFoundException()));
    }

    [Fact]
    public async Task Probe_OfWhatListens_IsNotInconclusive()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var endPoint = (IPEndPoint)listener.LocalEndPoint!;
        var refused = await new TcpProbe(new ProbeStream(ProxyProtocolVersion.Off, tls: null)).ProbeAsync(endPoint, CancellationToken.None);
        Assert.Equal((false, false), (refused.Alive, refused.Inconclusive));
        listener.Listen();
        Assert.Equal(ProbeResult.Ok, await new TcpProbe(new ProbeStream(ProxyProtocolVersion.Off, tls: null)).ProbeAsync(endPoint, CancellationToken.None));
    }

    [Theory]
    [InlineData(20_000, 20_000 - FileDescriptors.Reserve)]
    [InlineData(100, 75)]
    [InlineData(long.MaxValue, int.MaxValue)]
    public void Ceiling_LeavesAReserve(long limit, int ceiling) => Assert.Equal(ceiling, FileDescriptors.CeilingOf(limit));

    [Fact]
    public void Descriptors_OfThisProcess_AreNotUsedUp()
    {
        Assert.False(FileDescriptors.AreOut());
        Assert.False(FileDescriptors.IsReserved(3));
        Assert.True(FileDescriptors.IsReserved(int.MaxValue));
    }
}
