using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ActorLb.Native;

[Flags]
internal enum EpollFlags : uint
{
    None = 0, In = 1, Urgent = 2, Out = 4, Error = 8, HangUp = 0x10, PeerClosed = 0x2000, EdgeTriggered = 1u << 31,
}

/// <summary>An epoll instance and its buffer of events; used by one thread.</summary>
internal sealed unsafe class Epoll : IDisposable
{
    // struct epoll_event is packed on x86-64 and padded elsewhere (sys/epoll.h).
    private static readonly int Size = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
    private static readonly int DataOffset = Size - 8;

    private readonly int _fd;
    private readonly byte* _events;
    private readonly int _capacity;

    public Epoll(int capacity)
    {
        _fd = Libc.epoll_create1(Libc.EPOLL_CLOEXEC);
        if (_fd < 0) throw new IOException($"epoll_create1: {Libc.ErrorText(Libc.Errno)}");
        _capacity = capacity;
        _events = (byte*)NativeMemory.Alloc((nuint)(capacity * Size));
    }

    /// <summary>0, or an errno.</summary>
    public int Add(int fd, EpollFlags flags, ulong data) => Control(Libc.EPOLL_CTL_ADD, fd, flags, data);

    /// <summary>0, or an errno.</summary>
    public int Modify(int fd, EpollFlags flags, ulong data) => Control(Libc.EPOLL_CTL_MOD, fd, flags, data);

    public int Remove(int fd) => Control(Libc.EPOLL_CTL_DEL, fd, EpollFlags.None, 0);

    /// <summary>Waits for at most <paramref name="timeout"/> milliseconds (-1: for ever); returns how many events came, 0 when interrupted.</summary>
    public int Wait(int timeout)
    {
        int count = Libc.epoll_wait(_fd, _events, _capacity, timeout);
        return count < 0 ? 0 : count;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public EpollFlags FlagsAt(int index) => Unsafe.ReadUnaligned<EpollFlags>(_events + (index * Size));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong DataAt(int index) => Unsafe.ReadUnaligned<ulong>(_events + (index * Size) + DataOffset);

    public void Dispose()
    {
        Libc.close(_fd);
        NativeMemory.Free(_events);
    }

    private int Control(int operation, int fd, EpollFlags flags, ulong data)
    {
        byte* entry = stackalloc byte[16];
        Unsafe.WriteUnaligned(entry, flags);
        Unsafe.WriteUnaligned(entry + DataOffset, data);
        return Libc.epoll_ctl(_fd, operation, fd, entry) == 0 ? 0 : Libc.Errno;
    }
}

/// <summary>An eventfd that wakes a thread out of <see cref="Epoll.Wait"/>; <see cref="Signal"/> may be called by any thread.</summary>
internal sealed unsafe class WakeUp : IDisposable
{
    public WakeUp()
    {
        Fd = Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
        if (Fd < 0) throw new IOException($"eventfd: {Libc.ErrorText(Libc.Errno)}");
    }

    public int Fd { get; }

    public void Signal()
    {
        ulong one = 1;
        Libc.write(Fd, (byte*)&one, sizeof(ulong));
    }

    public void Clear()
    {
        ulong count;
        Libc.read(Fd, (byte*)&count, sizeof(ulong));
    }

    public void Dispose() => Libc.close(Fd);
}
