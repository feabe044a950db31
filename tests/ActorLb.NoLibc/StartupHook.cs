using System.Reflection;
using System.Runtime.InteropServices;

/// <summary>
/// Makes a system without a C library that the balancer knows: loaded by DOTNET_STARTUP_HOOKS, it has every native library that the
/// product's own assemblies ask for fail to load. The runtime's are left alone.
/// </summary>
internal static class StartupHook
{
    public static void Initialize() => AppDomain.CurrentDomain.AssemblyLoad += static (_, loaded) => Refuse(loaded.LoadedAssembly);

    private static void Refuse(Assembly assembly)
    {
        if (assembly.GetName().Name is not { } name || !name.StartsWith("actorlb", StringComparison.OrdinalIgnoreCase)) return;
        if (name == typeof(StartupHook).Assembly.GetName().Name) return;
        NativeLibrary.SetDllImportResolver(assembly, static (library, _, _) => throw new DllNotFoundException($"{library} is not to be loaded"));
    }
}
