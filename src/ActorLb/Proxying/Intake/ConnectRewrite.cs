using System.Buffers;
using ActorLb.Configuration;
using ActorLb.Protocol.Mqtt;
using ActorLb.Proxying.Reactors;

namespace ActorLb.Proxying.Intake;

/// <summary>Replaces fields of a session's CONNECT by the listener's templates, in its inbound buffer.</summary>
internal static class ConnectRewrite
{
    /// <param name="refusal">What the client gets as the reason then.</param>
    /// <returns>Null, or why the client is refused.</returns>
    public static string? Apply(Session session, RewriteOptions rewrite, out RefusalReason refusal)
    {
        refusal = RefusalReason.ClientIdNotValid;
        var setup = session.Setup!;
        // One more byte than a field may have, so that a value that is too long is seen as such.
        const int Room = Variables.MaxLength + 1;
        byte[] values = ArrayPool<byte>.Shared.Rent(3 * Room);
        try
        {
            var changes = new ConnectChanges { RemovesUserName = rewrite.RemovesUserName, RemovesPassword = rewrite.RemovesPassword };
            if (rewrite.ClientId is { } clientId)
            {
                if (Evaluate(clientId, session, values.AsSpan(0, Room), "client id", out var value) is { } problem) return problem;
                changes.ClientId = value;
            }
            if (rewrite.UserName is { } userName)
            {
                refusal = RefusalReason.BadUserNameOrPassword;
                if (Evaluate(userName, session, values.AsSpan(Room, Room), "user name", out var value) is { } problem) return problem;
                changes.UserName = value;
            }
            if (rewrite.Password is { } password)
            {
                refusal = RefusalReason.BadUserNameOrPassword;
                if (Evaluate(password, session, values.AsSpan(2 * Room, Room), "password", out var value) is { } problem) return problem;
                changes.Password = value;
            }
            var error = ConnectRewriter.Measure(setup.Connect, changes, out int length);
            if (error is RewriteError.ClientIdEmpty or RewriteError.ClientIdTooLong or RewriteError.ClientIdEncoding) refusal = RefusalReason.ClientIdNotValid;
            if (error != RewriteError.None) return Text(error);
            Replace(session, changes, length);
            return null;
        }
        finally
        {
            // It may hold a password.
            ArrayPool<byte>.Shared.Return(values, clearArray: rewrite.Password is not null);
        }
    }

    /// <summary>
    /// A variable that is empty for the client would leave the text around it, the same for all such clients: they would throw each other
    /// out, or pass for somebody. Leaving the field as the client wrote it would let it pass for anybody.
    /// </summary>
    /// <returns>Null, or why there is no value.</returns>
    private static string? Evaluate(Template template, Session session, Span<byte> room, string field, out ReadOnlySpan<byte> value)
    {
        int length = Variables.Write(template, session, room, out int empty);
        value = length <= 0 ? default : room[..length];
        if (length < 0) return $"the {field} is too long";
        if (length == 0) return $"the new {field} is empty";
        return empty > 0 ? $"a variable of the new {field} is empty" : null;
    }

    private static void Replace(Session session, in ConnectChanges changes, int length)
    {
        var pool = session.Reactor.Buffers;
        var setup = session.Setup!;
        var followed = setup.Inbound.From(setup.ConnectLength);
        int total = length + followed.Length;
        byte[] rewritten = pool.Rent(total);
        ConnectRewriter.Write(setup.Inbound.Bytes[..setup.ConnectLength], setup.Connect, changes, rewritten);
        followed.CopyTo(rewritten.AsSpan(length));
        if (changes.ReplacesClientId) session.ClientId = changes.ClientId.ToArray();
        setup.Inbound.Replace(pool, rewritten, total);
        setup.ConnectLength = length;
        // The offsets are those of the new packet from here on; it is valid by construction.
        ConnectReader.Read(rewritten.AsSpan(0, length), int.MaxValue, out setup.Connect, out _);
    }

    private static string Text(RewriteError error) => error switch
    {
        RewriteError.ClientIdEmpty => "the new client id is empty",
        RewriteError.ClientIdTooLong => "the new client id is longer than 65,535 bytes",
        RewriteError.ClientIdEncoding => "the new client id is not valid UTF-8",
        RewriteError.UserNameEmpty => "the new user name is empty",
        RewriteError.UserNameTooLong => "the new user name is longer than 65,535 bytes",
        RewriteError.UserNameEncoding => "the new user name is not valid UTF-8",
        RewriteError.PasswordEmpty => "the new password is empty",
        RewriteError.PasswordTooLong => "the new password is longer than 65,535 bytes",
        RewriteError.PasswordWithoutUserName => "a password needs a user name before MQTT 5",
        RewriteError.PacketTooLarge => "the rewritten CONNECT is too large",
        _ => "the CONNECT cannot be rewritten",
    };
}
