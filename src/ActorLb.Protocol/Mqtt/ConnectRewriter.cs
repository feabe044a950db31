using System.Buffers.Binary;

namespace ActorLb.Protocol.Mqtt;

/// <summary>Why a CONNECT cannot be rewritten. The numbers are stable: they appear in logs and metrics.</summary>
public enum RewriteError : byte
{
    None = 0,
    ClientIdEmpty = 1,
    ClientIdTooLong = 2,
    ClientIdEncoding = 3,
    UserNameEmpty = 4,
    UserNameTooLong = 5,
    UserNameEncoding = 6,
    PasswordEmpty = 7,
    PasswordTooLong = 8,
    PasswordWithoutUserName = 9,
    PacketTooLarge = 10,
}

/// <summary>New values for a CONNECT's fields; a field that is never set keeps the client's value.</summary>
public ref struct ConnectChanges
{
    public ReadOnlySpan<byte> ClientId { readonly get => field; set { field = value; ReplacesClientId = true; } }

    public ReadOnlySpan<byte> UserName { readonly get => field; set { field = value; ReplacesUserName = true; } }

    public ReadOnlySpan<byte> Password { readonly get => field; set { field = value; ReplacesPassword = true; } }

    public bool ReplacesClientId { get; private set; }

    public bool ReplacesUserName { get; private set; }

    public bool ReplacesPassword { get; private set; }

    /// <summary>Removes the user name; before MQTT 5 also the password, which may not be present alone (3.1.1, 3.1.2.9).</summary>
    public bool RemovesUserName { get; set; }

    public bool RemovesPassword { get; set; }

    public readonly bool IsEmpty => !ReplacesClientId && !ReplacesUserName && !ReplacesPassword && !RemovesUserName && !RemovesPassword;
}

/// <summary>Replaces client id, user name and password in a valid CONNECT, or removes the last two, and keeps every other field byte
/// for byte.</summary>
public static class ConnectRewriter
{
    /// <summary>Checks the changes and returns how many bytes <see cref="Write"/> will write.</summary>
    /// <param name="connect">As read from the original packet.</param>
    /// <param name="length">Bytes of the new packet, when there is no error.</param>
    public static RewriteError Measure(in ConnectPacket connect, in ConnectChanges changes, out int length)
    {
        length = 0;
        var error = Check(connect, changes);
        if (error != RewriteError.None) return error;
        int remaining = RemainingLength(connect, changes);
        if (remaining > VariableByteInteger.MaxValue) return RewriteError.PacketTooLarge;
        length = 1 + VariableByteInteger.LengthOf(remaining) + remaining;
        return RewriteError.None;
    }

    /// <param name="packet">The original bytes; they must not overlap <paramref name="destination"/>.</param>
    /// <param name="destination">At least as long as <see cref="Measure"/> returned; it must have succeeded.</param>
    /// <returns>Bytes written.</returns>
    public static int Write(ReadOnlySpan<byte> packet, in ConnectPacket connect, in ConnectChanges changes, Span<byte> destination)
    {
        destination[0] = packet[0];
        int at = 1 + VariableByteInteger.Write(destination[1..], RemainingLength(connect, changes));

        Copy(packet[connect.HeaderLength..connect.FlagsOffset], destination, ref at);
        destination[at++] = NewFlags(connect, changes);
        Copy(packet[(connect.FlagsOffset + 1)..(connect.ClientId.Offset - 2)], destination, ref at);
        CopyField(changes.ReplacesClientId ? changes.ClientId : connect.ClientId.In(packet), destination, ref at);
        if (connect.HasWill) Copy(packet[connect.ClientId.End..connect.WillPayload.End], destination, ref at);
        if (changes.ReplacesUserName) CopyField(changes.UserName, destination, ref at);
        else if (connect.UserName.IsPresent && !changes.RemovesUserName) CopyField(connect.UserName.In(packet), destination, ref at);
        if (changes.ReplacesPassword) CopyField(changes.Password, destination, ref at);
        else if (connect.Password.IsPresent && !RemovesPassword(connect, changes)) CopyField(connect.Password.In(packet), destination, ref at);
        return at;
    }

    private static RewriteError Check(in ConnectPacket connect, in ConnectChanges changes)
    {
        // An empty value means that its variable has none, for example because the client sent no certificate: accepting it
        // would give all such clients the same id.
        if (changes.ReplacesClientId)
        {
            if (changes.ClientId.IsEmpty) return RewriteError.ClientIdEmpty;
            if (changes.ClientId.Length > MqttText.MaxLength) return RewriteError.ClientIdTooLong;
            if (!MqttText.IsValid(changes.ClientId)) return RewriteError.ClientIdEncoding;
        }
        if (changes.ReplacesUserName)
        {
            if (changes.UserName.IsEmpty) return RewriteError.UserNameEmpty;
            if (changes.UserName.Length > MqttText.MaxLength) return RewriteError.UserNameTooLong;
            if (!MqttText.IsValid(changes.UserName)) return RewriteError.UserNameEncoding;
        }
        if (changes.ReplacesPassword)
        {
            if (changes.Password.IsEmpty) return RewriteError.PasswordEmpty;
            if (changes.Password.Length > MqttText.MaxLength) return RewriteError.PasswordTooLong;
            bool hasUserName = changes.ReplacesUserName || (connect.UserName.IsPresent && !changes.RemovesUserName);
            if (connect.Version != MqttVersion.V5 && !hasUserName) return RewriteError.PasswordWithoutUserName;
        }
        return RewriteError.None;
    }

    private static int RemainingLength(in ConnectPacket connect, in ConnectChanges changes)
    {
        int length = connect.TotalLength - connect.HeaderLength;
        if (changes.ReplacesClientId) length += changes.ClientId.Length - connect.ClientId.Length;
        if (changes.ReplacesUserName) length += changes.UserName.Length - connect.UserName.Length + PrefixIfNew(connect.UserName);
        if (changes.ReplacesPassword) length += changes.Password.Length - connect.Password.Length + PrefixIfNew(connect.Password);
        if (changes.RemovesUserName && !changes.ReplacesUserName) length -= FieldLength(connect.UserName);
        if (RemovesPassword(connect, changes)) length -= FieldLength(connect.Password);
        return length;
    }

    private static bool RemovesPassword(in ConnectPacket connect, in ConnectChanges changes) => !changes.ReplacesPassword
        && (changes.RemovesPassword || (changes.RemovesUserName && !changes.ReplacesUserName && connect.Version != MqttVersion.V5));

    private static int FieldLength(FieldRange field) => field.IsPresent ? 2 + field.Length : 0;

    private static int PrefixIfNew(FieldRange replaced) => replaced.IsPresent ? 0 : 2;

    private static byte NewFlags(in ConnectPacket connect, in ConnectChanges changes)
    {
        int flags = connect.Flags;
        if (changes.ReplacesUserName) flags |= ConnectFlags.UserName;
        else if (changes.RemovesUserName) flags &= ~ConnectFlags.UserName;
        if (changes.ReplacesPassword) flags |= ConnectFlags.Password;
        else if (RemovesPassword(connect, changes)) flags &= ~ConnectFlags.Password;
        return (byte)flags;
    }

    private static void Copy(ReadOnlySpan<byte> bytes, Span<byte> destination, ref int at)
    {
        bytes.CopyTo(destination[at..]);
        at += bytes.Length;
    }

    private static void CopyField(ReadOnlySpan<byte> value, Span<byte> destination, ref int at)
    {
        BinaryPrimitives.WriteUInt16BigEndian(destination[at..], (ushort)value.Length);
        at += 2;
        Copy(value, destination, ref at);
    }
}
