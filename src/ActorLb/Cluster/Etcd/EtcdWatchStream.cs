using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;

namespace ActorLb.Cluster.Etcd;

/// <summary>One open watch on one member: one JSON object a line, for as long as the connection lasts.</summary>
internal sealed class EtcdWatchStream : IAsyncDisposable
{
    private static readonly TimeSpan OpenTimeout = TimeSpan.FromSeconds(3);

    private readonly HttpResponseMessage _response;
    private readonly PipeReader _reader;
    private readonly Uri _endpoint;

    private EtcdWatchStream(HttpResponseMessage response, Stream stream, Uri endpoint)
    {
        _response = response;
        _reader = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 16 << 10));
        _endpoint = endpoint;
    }

    public static async Task<(EtcdWatchStream? Stream, EtcdRefusal? Refusal)> OpenAsync(
        HttpClient http, Uri endpoint, byte[] json, string? token, TimeProvider time, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(OpenTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        HttpResponseMessage? response = null;
        try
        {
            var body = new EtcdHttp.Body(json, repeatable: true);
            // A member cut off from the others accepts a watch and stays silent, unless it is asked to be led.
            using var request = EtcdHttp.Request(endpoint, EtcdCalls.WatchPath, body, token, requireLeader: true);
            response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            if (response.IsSuccessStatusCode)
            {
                var opened = new EtcdWatchStream(response, await response.Content.ReadAsStreamAsync(either.Token), endpoint);
                response = null;
                return (opened, null);
            }

            return (null, EtcdRefusal.Read(response.StatusCode, await response.Content.ReadAsByteArrayAsync(either.Token)));
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new EtcdException(EtcdError.Unavailable, $"etcd watch at {endpoint.Authority}: {EtcdClient.Reason(e, OpenTimeout)}", e);
        }
        finally
        {
            response?.Dispose();
        }
    }

    /// <summary>The next message.</summary>
    /// <exception cref="EtcdException">The stream ended, or the member refused to go on.</exception>
    public async ValueTask<EtcdWatchResponse> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                var read = await _reader.ReadAsync(cancellationToken);
                var buffer = read.Buffer;
                if (buffer.PositionOf((byte)'\n') is { } end)
                {
                    var line = buffer.Slice(0, end);
                    var message = line.IsEmpty ? null : Parse(line);
                    _reader.AdvanceTo(buffer.GetPosition(1, end));
                    if (message is not null)
                    {
                        return message;
                    }
                }
                else if (read.IsCompleted)
                {
                    throw Ended(buffer);
                }
                else if (buffer.Length > EtcdHttp.MaxAnswer)
                {
                    throw Failed(EtcdError.Protocol, $"a line of more than {EtcdHttp.MaxAnswer} bytes");
                }
                else
                {
                    _reader.AdvanceTo(buffer.Start, buffer.End);
                }
            }
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw Failed(EtcdError.Unavailable, e.GetBaseException().Message, e);
        }
        catch (JsonException e)
        {
            throw Failed(EtcdError.Protocol, $"not an answer of etcd's JSON gateway ({e.Message})", e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        // The response first: it closes the connection, which is what tells the member to forget the watch.
        _response.Dispose();
        await _reader.CompleteAsync();
    }

    /// <summary>The gateway ends each result's line, but not that of an error, which is its last.</summary>
    private EtcdException Ended(ReadOnlySequence<byte> rest)
    {
        var refusal = EtcdRefusal.Read(_response.StatusCode, rest.ToArray());
        return refusal.Code >= 0
            ? Failed(refusal.Classify(write: false), refusal.Message)
            : Failed(EtcdError.Unavailable, "the connection was closed");
    }

    private EtcdWatchResponse Parse(ReadOnlySequence<byte> bytes)
    {
        var json = new Utf8JsonReader(bytes);
        var line = JsonSerializer.Deserialize(ref json, EtcdJson.Default.EtcdStreamLineEtcdWatchResponse);
        if (line?.Error is { } error)
        {
            throw Failed(EtcdStatus.Classify(error.GrpcCode, error.Message, write: false), error.Message);
        }

        return line?.Result ?? throw new JsonException("neither result nor error");
    }

    private EtcdException Failed(EtcdError error, string reason, Exception? inner = null) =>
        new(error, $"etcd watch at {_endpoint.Authority}: {reason}", inner);
}
