using System.Globalization;

namespace ActorLb.Testing.Processes;

/// <summary>Counts open descriptors, so that a test can show that none leaks.</summary>
internal static class Descriptors
{
    public static int Count(int processId) =>
        Directory.GetFileSystemEntries($"/proc/{processId.ToString(CultureInfo.InvariantCulture)}/fd").Length;

    /// <summary>How many of the open descriptors are sockets; the runtime's own files come and go.</summary>
    public static int CountSockets(int processId)
    {
        int sockets = 0;
        foreach (string entry in Directory.GetFileSystemEntries($"/proc/{processId.ToString(CultureInfo.InvariantCulture)}/fd"))
        {
            try
            {
                if (new FileInfo(entry).LinkTarget?.StartsWith("socket:", StringComparison.Ordinal) == true)
                    sockets++;
            }
            catch (IOException)
            {
                // Closed since the listing.
            }
        }

        return sockets;
    }
}
