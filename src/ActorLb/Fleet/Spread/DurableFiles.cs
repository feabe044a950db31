using System.Collections.Immutable;
using System.Runtime.Serialization;
using ActorLb.Protocol.Failures;
using Akka.Actor;
using Akka.Configuration;
using Akka.DistributedData.Durable;
using Akka.Event;

namespace ActorLb.Fleet.Spread;

/// <summary>
/// Akka.DistributedData's durable store over plain files, one a key (the LMDB store does not work with the LightningDB that restores). The
/// replicator answers a write once it is on the disk.
/// </summary>
internal sealed class DurableFiles : ReceiveActor
{
    /// <summary>Setting below <c>akka.cluster.distributed-data.durable</c>: the folder.</summary>
    public const string FolderSetting = "files.dir";

    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly string _folder;

    /// <param name="config">The replicator's <c>durable</c> section.</param>
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
            if (store.Data.Data is not ReplicatedRegisters { All: var registers }) throw new SerializationException($"{store.Data.Data.GetType().Name} is not kept in files");
            RegisterFile.Write(RegisterFile.PathOf(_folder, store.Key), registers);
            store.Reply?.ReplyTo.Tell(store.Reply.SuccessMessage);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SerializationException)
        {
            _log.Error("the fleet's state {0} cannot be kept in {1}: {2}", store.Key, _folder, e is SerializationException ? e.Message : FileFailure.Describe(e, ""));
            store.Reply?.ReplyTo.Tell(store.Reply.FailureMessage);
        }
    }
}
