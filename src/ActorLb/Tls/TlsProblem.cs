namespace ActorLb.Tls;

/// <summary>The setting of a TLS block that a problem is about.</summary>
public enum TlsSetting
{
    /// <summary>None: OpenSSL itself cannot be used.</summary>
    None,
    Protocols,
    Ciphers,
    CipherSuites,

    /// <summary>The list of certificates as a whole, with the names that choose among them.</summary>
    Certificates,
    Certificate,
    Key,
    Ca,
    Crl,
    TicketKeyFile,
}

/// <summary>Why TLS settings or a file that they name cannot be used.</summary>
/// <param name="Reason">What is wrong, without the setting and its value.</param>
/// <param name="Value">The setting's value, for a file its path; null when no value is meant.</param>
public sealed record TlsProblem(TlsSetting Setting, string? Value, string Reason)
{
    /// <summary>Of a key: the certificate beside it, since one key file may stand beside several.</summary>
    public string? Certificate { get; init; }

    /// <summary>The listener or pool, once it is known.</summary>
    public string? Owner { get; init; }

    /// <summary>The problem as it is reported: owner, setting, value, reason.</summary>
    public override string ToString()
    {
        string quote = Setting is TlsSetting.Ciphers or TlsSetting.CipherSuites ? "\"" : "";
        string value = Value is null ? "" : $" {quote}{Value}{quote}";
        string owner = Owner is null ? "" : $"{Owner}: ";
        return Setting == TlsSetting.None ? $"{owner}{Reason}" : $"{owner}{Name}{value}: {Reason}";
    }

    private string Name => Setting switch
    {
        TlsSetting.Protocols => "protocols",
        TlsSetting.Ciphers => "ciphers",
        TlsSetting.CipherSuites => "cipher-suites",
        TlsSetting.Certificates => "certificates",
        TlsSetting.Certificate => "certificate",
        TlsSetting.Key => "key",
        TlsSetting.Ca => "CA file",
        TlsSetting.Crl => "CRL file",
        TlsSetting.TicketKeyFile => "ticket key file",
        _ => "",
    };
}
