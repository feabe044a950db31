using ActorLb.Native;
using ActorLb.Testing;

namespace ActorLb.Tests.Native;

public sealed class SystemMemoryTests : IDisposable
{
    private const long Mega = 1 << 20;

    private readonly TempFolder _root = new();

    public SystemMemoryTests() => Write("proc/meminfo", "MemTotal:       8388608 kB\nMemFree:         100 kB\nMemAvailable:   4194304 kB\n");

    public void Dispose() => _root.Dispose();

    private void Write(string path, string text)
    {
        string file = _root[path];
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }

    private MemoryState Read() => new SystemMemory(_root.Path).Read();

    [Fact]
    public void Read_NoGroup_IsTheMachine() => Assert.Equal(new MemoryState(8192 * Mega, 4096 * Mega), Read());

    [Fact]
    public void Read_Version2_TheLeastOfTheGroupAndThoseAbove()
    {
        Write("proc/self/cgroup", "0::/kube/pod/container\n");
        Write("sys/fs/cgroup/kube/pod/container/memory.max", "max\n");
        Write("sys/fs/cgroup/kube/pod/container/memory.current", $"{100 * Mega}\n");
        Write("sys/fs/cgroup/kube/pod/memory.max", $"{512 * Mega}\n");
        Write("sys/fs/cgroup/kube/pod/memory.current", $"{200 * Mega}\n");
        Assert.Equal(new MemoryState(512 * Mega, 312 * Mega), Read());
    }

    [Fact]
    public void Read_Version2_CachedFilesAreFree()
    {
        Write("proc/self/cgroup", "0::/\n");
        Write("sys/fs/cgroup/memory.max", $"{512 * Mega}\n");
        Write("sys/fs/cgroup/memory.current", $"{500 * Mega}\n");
        Write("sys/fs/cgroup/memory.stat", $"anon 1\nfile {400 * Mega}\ninactive_file {300 * Mega}\n");
        Assert.Equal(new MemoryState(512 * Mega, 312 * Mega), Read());
    }

    [Fact]
    public void Read_Version1_InAContainer_WhosePathIsTheHosts()
    {
        Write("proc/self/cgroup", "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n0::/\n");
        Write("sys/fs/cgroup/memory/memory.limit_in_bytes", $"{256 * Mega}\n");
        Write("sys/fs/cgroup/memory/memory.usage_in_bytes", $"{250 * Mega}\n");
        Write("sys/fs/cgroup/memory/memory.stat", $"total_inactive_file {10 * Mega}\n");
        Assert.Equal(new MemoryState(256 * Mega, 16 * Mega), Read());
    }

    [Fact]
    public void Read_Version1_WithoutALimit_IsTheMachine()
    {
        Write("proc/self/cgroup", "4:memory:/\n");
        Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        Write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n");
        Assert.Equal(new MemoryState(8192 * Mega, 4096 * Mega), Read());
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense\n")]
    [InlineData("0::/gone\n")]
    public void Read_FilesThatSayNothing_IsTheMachine(string cgroup)
    {
        Write("proc/self/cgroup", cgroup);
        Assert.Equal(8192 * Mega, Read().Total);
    }

    [Fact]
    public void Read_ThisMachine_HasMemory()
    {
        var state = new SystemMemory().Read();
        Assert.InRange(state.Left, 1, state.Total);
    }
}
