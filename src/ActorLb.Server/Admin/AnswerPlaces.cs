using ActorLb.Protocol.Admin;
using ActorLb.Server.Admin.Api;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin;

/// <summary>
/// Limits the responses built and sent at the same time, and so their memory: each is built completely and waits for its reader. When
/// readers are slow, the slowest is cut off so that the next request does not have to wait for it.
/// </summary>
/// <param name="most">Maximum number of responses.</param>
internal sealed class AnswerPlaces(int most, ConnectionPlaces connections, TimeProvider time)
{
    /// <summary>A response that takes longer than this has a slow reader, or is expensive.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <summary>Bytes per write, so that the server buffers no more than it sends.</summary>
    private const int Piece = 16 * 1024;

    private const int MostTries = 8;

    private readonly SemaphoreSlim _free = new(most, most);

    /// <summary>Runs a request in a place; 503 when none becomes free within several seconds.</summary>
    public async Task RunAsync(HttpContext context, RequestDelegate next)
    {
        for (int tries = 0; !await WaitAsync(context.RequestAborted); tries++)
        {
            if (tries == MostTries)
            {
                await ApiResult.Fail(StatusCodes.Status503ServiceUnavailable, AdminErrors.Unavailable, "the node is busy with other requests; try again").WriteAsync(context);
                return;
            }
            connections.CloseSlowestAnswer();
        }
        try
        {
            await ConnectionPlaces.UseAsync(context, ConnectionPlaces.Use.Answer, next);
        }
        finally
        {
            _free.Release();
        }
    }

    /// <summary>Sends a body in pieces, each after the previous one is sent. The server disconnects a reader slower than its minimum
    /// rate.</summary>
    public static async Task WriteAsync(HttpContext context, ReadOnlyMemory<byte> body)
    {
        context.Response.ContentLength = body.Length;
        while (body.Length > 0)
        {
            int length = Math.Min(Piece, body.Length);
            await context.Response.Body.WriteAsync(body[..length], context.RequestAborted);
            body = body[length..];
        }
    }

    private async Task<bool> WaitAsync(CancellationToken cancel)
    {
        if (_free.Wait(0, CancellationToken.None)) return true;
        using var patience = new CancellationTokenSource(Patience, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancel);
        try
        {
            await _free.WaitAsync(both.Token);
            return true;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return false;
        }
    }
}
