using System.Text;
using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;

namespace ActorLb.Proxying.Intake;

/// <summary>Fills templates with what a session knows about itself.</summary>
internal static class Variables
{
    /// <summary>Longest value of a template: the longest MQTT string (MQTT 5, section 1.5.4).</summary>
    public const int MaxLength = 65_535;

    /// <summary>Writes the template's value as UTF-8; -1 when it is longer than <paramref name="into"/>.</summary>
    /// <param name="session">After its CONNECT for the mqtt variables; an unknown value is empty, as NGINX has it.</param>
    /// <param name="empty">How many variables were empty: text around them alone says nothing of the client.</param>
    public static int Write(Template template, Session session, Span<byte> into, out int empty)
    {
        int length = 0;
        empty = 0;
        foreach (var part in template.Parts)
        {
            int written = part.Literal is { } literal
                ? (Encoding.UTF8.TryGetBytes(literal, into[length..], out int bytes) ? bytes : -1)
                : Write(part.Variable, session, into[length..]);
            if (written < 0) return -1;
            if (written == 0) empty++;
            length += written;
        }
        return length;
    }

    private static int Write(Variable variable, Session session, Span<byte> into)
    {
        switch (variable)
        {
            case Variable.MqttClientId: return Copy(session.ClientId, into);
            case Variable.MqttUserName:
                return session.Setup is { Inbound.IsRented: true } setup ? Copy(setup.Connect.UserName.In(setup.Inbound.Bytes), into) : 0;
            case Variable.RemoteAddr: return into.Length < 48 ? -1 : session.Remote.WriteAddressText(into);
            case Variable.ServerAddr: return into.Length < 48 ? -1 : session.Local.WriteAddressText(into);
            case Variable.RemotePort: return session.Remote.Port.TryFormat(into, out int remote) ? remote : -1;
            case Variable.ServerPort: return session.Local.Port.TryFormat(into, out int local) ? local : -1;
            default:
                string? value = session.Client.Tls.IsNone ? null : TlsValue(variable, session.Client.Tls);
                if (value is null) return 0;
                return Encoding.UTF8.TryGetBytes(value, into, out int length) ? length : -1;
        }
    }

    private static string? TlsValue(Variable variable, TlsSession tls) => variable switch
    {
        Variable.SslClientSerial => tls.PeerCertificate()?.Serial,
        Variable.SslClientSubject => tls.PeerCertificate()?.SubjectDn,
        Variable.SslClientCommonName => tls.PeerCertificate()?.CommonName,
        Variable.SslClientFingerprint => tls.PeerCertificate()?.Fingerprint,
        Variable.SslServerName => tls.ServerName(),
        Variable.SslProtocol => tls.Protocol(),
        Variable.SslCipher => tls.Cipher(),
        _ => null,
    };

    private static int Copy(ReadOnlySpan<byte> value, Span<byte> into)
    {
        if (value.Length > into.Length) return -1;
        value.CopyTo(into);
        return value.Length;
    }
}
