using ActorLb.Protocol.Admin;
using ActorLb.Server.Admin.Api;
using Microsoft.AspNetCore.Http;

namespace ActorLb.Server.Admin;

/// <summary>
/// Bounds the answers that are made and sent at once, and with them their memory: each is built as a whole and waits for its reader. When
/// readers are slow the slowest makes room, so that who asks next does not wait for it.
/// </summary>
/// <param name="most">Answers at once.</param>
internal sealed class AnswerPlaces(int most, ConnectionPlaces connections, TimeProvider time)
{
    /// <summary>An answer on its way for longer than this has a slow reader, or is much work.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <summary>Written at a time, so that the server copies no more than it sends.</summary>
    private const int Piece = 16 * 1024;

    private const int MostTries = 8;

    private readonly SemaphoreSlim _free = new(most, most);

    /// <summary>Runs a request in a place; 503 when there is none in several seconds.</summary>
    public async Task RunAsync(HttpContext context, RequestDelegate next)
    {
        for (int tries = 0; !await WaitAsync(context.RequestAborted); tries++)
        {
            if (tries == MostTries)
            {
                await ApiResult.Fail(StatusCodes.Status503ServiceUnavailable, AdminErrors.Unavailable, "the node is answering too many others; try again").WriteAsync(context);
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

    /// <summary>Sends a body in pieces, each when the last is on its way. The server ends a reader that is slower than it allows.</summary>
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
