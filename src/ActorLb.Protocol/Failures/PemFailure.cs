using System.Security.Cryptography;

namespace ActorLb.Protocol.Failures;

/// <summary>Why the content of a PEM file cannot be used.</summary>
public static class PemFailure
{
    public static string Describe(Exception e) => e switch
    {
        CryptographicException or ArgumentException when Has(e, "key does not match") || Has(e, "does not match the public key") => "holds no readable PEM private key for the certificate",
        CryptographicException or ArgumentException when Has(e, "password") || Has(e, "encrypted") => "the key is encrypted; a key without a password is needed",
        CryptographicException or ArgumentException when Has(e, "key contents") || Has(e, "No supported key formats") || Has(e, "multiple keys") => "holds no readable PEM private key",
        CryptographicException or ArgumentException => "holds no readable PEM certificate",
        _ => FailureText.Describe(e),
    };

    private static bool Has(Exception e, string text) => e.Message.Contains(text, StringComparison.OrdinalIgnoreCase);
}
