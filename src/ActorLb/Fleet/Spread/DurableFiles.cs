using System.Collections.Immutable;
using System.Runtime.Serialization;
using ActorLb.Protocol.Failures;
using Akka.Actor;
using Akka.Configuration;
using Akka.DistributedData.Durable;
using Akka.Event;

namespace ActorLb.Fleet.Spread;

/// <summary>
/// Akka.DistributedData's durable store in plain files, one for each key (the LMDB store doesn't work with the LightningDB
/// version that NuGet restores). A write is confirmed once it is on the disk.
/// </summary>
internal sealed class DurableFiles : ReceiveActor
{
    /// <summary>The setting below <c>akka.cluster.distributed-data.durable</c> for the folder.</summary>
    public const string FolderSetting = "files.dir";

    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly string _folder;

    /// <param name="config">The replicator's <c>durable</c> configuration section.</param>
    public DurableFiles(Config config)
    {
        _folder = config.GetString(FolderSetting);
        Directory.CreateDirectory(_folder);
        Receive<LoadAll>(_ => Load());
        Receive<Store>(Write);
    }

    private void Load()
    {
        var loaded = ImmutableDictionary.CreateBuilder<string, DurableDataEnvelope>();
        foreach (string path in Directory.EnumerateFiles(_folder, "*" + RegisterFile.Extension))
        {
            if (SpreadState.ReadOrSetAside(path, problem => _log.Error("{0}", problem)) is { } registers)
            {
                loaded[Uri.UnescapeDataString(Path.GetFileNameWithoutExtension(path))] = new DurableDataEnvelope(new ReplicatedRegisters(registers));
            }
        }
        if (loaded.Count > 0) Sender.Tell(new LoadData(loaded.ToImmutable()));
        Sender.Tell(LoadAllCompleted.Instance);
    }

    private void Write(Store store)
    {
        try
        {
            if (store.Data.Data is not ReplicatedRegisters { All: var registers }) throw new SerializationException($"{store.Data.Data.GetType().Name} is not stored in files");
            RegisterFile.Write(RegisterFile.PathOf(_folder, store.Key), registers);
            store.Reply?.ReplyTo.Tell(store.Reply.SuccessMessage);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SerializationException)
        {
            _log.Error("the fleet's state {0} cannot be stored in {1}: {2}", store.Key, _folder, e is SerializationException ? e.Message : FileFailure.Describe(e, ""));
            store.Reply?.ReplyTo.Tell(store.Reply.FailureMessage);
        }
    }
}
