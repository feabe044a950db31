using System.Runtime.Serialization;
using ActorLb.Balancing;
using ActorLb.Fleet.Spread;
using ActorLb.Sticky;
using Microsoft.Extensions.Logging.Abstractions;

namespace ActorLb.Tests.Fleet.Spread;

public sealed class RegisterFileTests : IDisposable
{
    private static readonly Registers Some = Registers.Empty.With("emqx/10.0.0.1:1883", new Register(5, new byte[] { 1, 2, 3 }));

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("actorlb-spread");

    private string Path => RegisterFile.PathOf(_folder.FullName, SpreadState.BackendsKey);

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Read_OfWhatWasWritten_IsTheSameAndPrivate()
    {
        RegisterFile.Write(Path, Some);
        RegisterFile.Write(Path, Some);
        Assert.Equal(Some, RegisterFile.Read(Path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path));
        Assert.Single(_folder.GetFiles());
    }

    [Fact]
    public void Read_WithoutAFile_IsNone() => Assert.Null(RegisterFile.Read(Path));

    [Fact]
    public void Read_WithAnyByteChangedOrCut_Throws()
    {
        RegisterFile.Write(Path, Some);
        byte[] good = File.ReadAllBytes(Path);
        for (int i = 0; i < good.Length; i++)
        {
            byte[] bad = [.. good];
            bad[i] ^= 0x40;
            File.WriteAllBytes(Path, bad);
            Assert.Throws<SerializationException>(() => RegisterFile.Read(Path));
            File.WriteAllBytes(Path, good[..i]);
            Assert.Throws<SerializationException>(() => RegisterFile.Read(Path));
        }
    }

    [Fact]
    public void SpreadState_WithADamagedFile_StartsAndKeepsIt()
    {
        File.WriteAllText(Path, "scribble");
        var state = new SpreadState([1, 2, 3], "c", _folder.FullName, new BackendSlots(), TimeProvider.System, NullLogger.Instance);
        Assert.Empty(state.Backends.Snapshot());
        Assert.Equal("scribble", File.ReadAllText(Path + ".damaged"));
        Assert.False(File.Exists(Path));
    }

    [Fact]
    public void SpreadState_AfterARestart_KnowsWhatOperatorsDid()
    {
        var key = new BackendKey("emqx", "10.0.0.1:1883");
        RegisterFile.Write(Path, Registers.Empty.With(key.Name, new Register(9, new BackendRecord(new BackendRef(4, 5), AdminState.Down).Encode())));
        var slots = new BackendSlots();
        var state = new SpreadState(null, "c", _folder.FullName, slots, TimeProvider.System, NullLogger.Instance);
        state.Want([key]);
        state.Publish();
        Assert.Equal(AdminState.Down, slots.StateOf(new BackendRef(4, 5)));
    }
}
