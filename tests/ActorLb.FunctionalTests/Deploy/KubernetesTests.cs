using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using ActorLb.Testing;
using k8s;
using k8s.Models;

namespace ActorLb.FunctionalTests.Deploy;

/// <summary>
/// The manifests and the chart, against the API's types: an unknown field or a value of another type is an error. The chart is rendered by
/// kubectl's templates, which are Go's as Helm's are; Helm itself is not needed.
/// </summary>
public sealed class KubernetesTests
{
    private static readonly Dictionary<string, string> Secrets = new(StringComparer.Ordinal)
    {
        ["admin-token"] = "0123456789abcdef",
        ["cluster-secret"] = "0123456789abcdef0123456789abcdef",
    };

    /// <summary>Of the Prometheus Operator, as far as it is used here.</summary>
    private sealed class ServiceMonitor : IKubernetesObject<V1ObjectMeta>
    {
        public string ApiVersion { get; set; } = "";

        public string Kind { get; set; } = "";

        public V1ObjectMeta Metadata { get; set; } = new();

        public Dictionary<string, object> Spec { get; set; } = [];
    }

    public static TheoryData<string> Values => new(
        """{"secrets":{"existing":"mine"}}""",
        """{"secrets":{"clusterSecret":"0123456789abcdef0123456789abcdef","adminToken":"t"},"replicas":5,"antiAffinity":"preferred","persistence":{"enabled":true,"size":"1Gi","storageClassName":"fast"},"serviceMonitor":{"enabled":true,"interval":"30s","labels":{"release":"prometheus"}}}""",
        """{"secrets":{"existing":"mine"},"replicas":1,"fleet":{"enabled":false},"persistence":{"enabled":false,"size":"64Mi"},"networkPolicy":{"enabled":false},"disruptionBudget":{"enabled":false},"service":{"type":"ClusterIP"}}""",
        """
        {"secrets":{"existing":"mine"},"image":{"repository":"registry.example.com/actorlb","tag":"1.2.3","pullPolicy":"Always"},"imagePullSecrets":[{"name":"registry"}],
         "listeners":[{"name":"mqtt","port":1883},{"name":"wss","port":8084}],"priorityClassName":"high","nodeSelector":{"disk":"ssd"},"podAnnotations":{"a/b":"c: d \"e\""},
         "config":"pools.p.backends = [\"emqx:1883\"]\nlisteners.mqtt { bind = \"0.0.0.0:1883\", pool = p }\nlisteners.w { bind = \"0.0.0.0:8084\", pool = p, websocket.path = \"/mqtt\" }\n",
         "tolerations":[{"key":"dedicated","operator":"Equal","value":"mqtt","effect":"NoSchedule"},{"key":"gone","operator":"Exists","effect":"NoExecute","tolerationSeconds":30}],
         "secretMounts":[{"name":"certs","secret":"tls","path":"/etc/actorlb-certs"}],
         "service":{"annotations":{"cloud/lb":"internal"},"loadBalancerSourceRanges":["10.0.0.0/8"]}}
        """);

    [Fact]
    public async Task Manifests_AreOfTheApi_AndFitEachOther()
    {
        string yaml = await DeployFiles.RunAsync("kubectl", "kustomize", DeployFiles.At("kubernetes"));
        var objects = Parse(yaml);
        Assert.All(objects, o => Assert.Equal("mqtt", o.Metadata.NamespaceProperty));
        Judge(objects, replicas: 3);
        var monitor = Assert.Single(Parse(await DeployFiles.ReadAsync("kubernetes", "service-monitor.yaml")));
        Assert.Equal("actorlb", monitor.Metadata.Name);
        using var folder = new TempFolder();
        var map = Assert.Single(objects.OfType<V1ConfigMap>());
        await DeployFiles.AcceptedAsync(map.Data["actorlb.conf"], folder, Secrets, "/etc/actorlb-secrets");
    }

    [Theory]
    [MemberData(nameof(Values))]
    public async Task Chart_Rendered_IsOfTheApi_AndItsPartsFitEachOther(string values)
    {
        var merged = await MergeAsync(values);
        var objects = Parse(await RenderAsync(merged));
        int replicas = (int)merged["replicas"]!;
        Judge(objects, replicas);
        bool isFleet = (bool)merged["fleet"]!["enabled"]!;
        Assert.Equal((string)merged["secrets"]!["existing"]! == "" ? 1 : 0, objects.OfType<V1Secret>().Count());
        Assert.Equal((bool)merged["serviceMonitor"]!["enabled"]! ? 1 : 0, objects.OfType<ServiceMonitor>().Count());
        Assert.Equal((bool)merged["networkPolicy"]!["enabled"]! ? 1 : 0, objects.OfType<V1NetworkPolicy>().Count());
        Assert.Equal((bool)merged["disruptionBudget"]!["enabled"]! ? 1 : 0, objects.OfType<V1PodDisruptionBudget>().Count());
        var set = Assert.Single(objects.OfType<V1StatefulSet>());
        Assert.Equal((bool)merged["persistence"]!["enabled"]! ? 1 : 0, set.Spec.VolumeClaimTemplates?.Count ?? 0);

        using var folder = new TempFolder();
        var map = Assert.Single(objects.OfType<V1ConfigMap>());
        var files = new Dictionary<string, string>(Secrets, StringComparer.Ordinal) { ["pools.conf"] = map.Data["pools.conf"] };
        Assert.Equal(isFleet, map.Data["actorlb.conf"].Contains("lb-fleet:7946", StringComparison.Ordinal));
        await DeployFiles.AcceptedAsync(map.Data["actorlb.conf"], folder, files, "/etc/actorlb-secrets", "/etc/actorlb");
    }

    /// <summary>What the chart's schema speaks of is a value of the chart.</summary>
    [Fact]
    public async Task Schema_NamesTheChartsValues()
    {
        var schema = JsonNode.Parse(await DeployFiles.ReadAsync("helm", "actorlb", "values.schema.json"))!.AsObject();
        var values = await MergeAsync("{}");
        Assert.Empty(schema["required"]!.AsArray().Select(r => (string)r!).Except(values.Select(v => v.Key)));
        foreach ((string name, var of) in schema["properties"]!.AsObject())
        {
            Assert.Contains(name, values.Select(v => v.Key));
            if (values[name] is not JsonObject inner || of!["properties"] is not JsonObject known) continue;
            Assert.Empty(known.Select(k => k.Key).Except(inner.Select(v => v.Key)));
        }
    }

    /// <summary>A name that the API does not know is found: the check can fail.</summary>
    [Fact]
    public async Task Parse_OfAnUnknownField_Fails()
    {
        string yaml = await DeployFiles.ReadAsync("kubernetes", "disruption-budget.yaml");
        Assert.ThrowsAny<Exception>(() => Parse(yaml.Replace("maxUnavailable", "maxUnavailabel", StringComparison.Ordinal)));
    }

    /// <summary>What the types do not say.</summary>
    private static void Judge(IKubernetesObject<V1ObjectMeta>[] objects, int replicas)
    {
        var set = Assert.Single(objects.OfType<V1StatefulSet>());
        var pod = set.Spec.Template.Spec;
        var container = Assert.Single(pod.Containers);
        var map = Assert.Single(objects.OfType<V1ConfigMap>());
        Assert.Equal(replicas, set.Spec.Replicas);
        Assert.Equal("Parallel", set.Spec.PodManagementPolicy);
        Selects(set, set.Spec.Selector.MatchLabels);
        Assert.All(pod.TopologySpreadConstraints, c => Selects(set, c.LabelSelector.MatchLabels));
        Assert.All(pod.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution ?? [], t => Selects(set, t.LabelSelector.MatchLabels));

        // The end of a pod has its time.
        string conf = map.Data["actorlb.conf"];
        int at = conf.IndexOf("drain-timeout = ", StringComparison.Ordinal) + "drain-timeout = ".Length;
        int drain = int.Parse(conf[at..conf.IndexOf('s', at)], CultureInfo.InvariantCulture);
        int wait = int.Parse(container.Lifecycle.PreStop.Exec.Command[1], CultureInfo.InvariantCulture);
        Assert.True(pod.TerminationGracePeriodSeconds > drain + wait, $"{pod.TerminationGracePeriodSeconds} s for {wait} and {drain}");
        Assert.Contains(pod.Volumes, v => v.ConfigMap?.Name == map.Metadata.Name);
        if (objects.OfType<V1Secret>().SingleOrDefault() is { } secret)
        {
            Assert.Contains(pod.Volumes, v => v.Secret?.SecretName == secret.Metadata.Name);
            Assert.Equal(["admin-token", "cluster-secret"], secret.StringData.Keys.Order(StringComparer.Ordinal));
        }
        foreach (var budget in objects.OfType<V1PodDisruptionBudget>())
        {
            Selects(set, budget.Spec.Selector.MatchLabels);
            Assert.Equal("1", budget.Spec.MaxUnavailable.Value);
        }
        Assert.Contains(objects.OfType<V1ServiceAccount>(), a => a.Metadata.Name == pod.ServiceAccountName);
        JudgeRights(set, container);
        JudgePorts(objects, set, container, string.Concat(map.Data.Values));
    }

    private static void Selects(V1StatefulSet set, IDictionary<string, string> selector) =>
        Assert.All(selector, l => Assert.Equal(l.Value, set.Spec.Template.Metadata.Labels[l.Key]));

    /// <summary>No rights, and nothing written but what is mounted.</summary>
    private static void JudgeRights(V1StatefulSet set, V1Container container)
    {
        var pod = set.Spec.Template.Spec;
        Assert.True(pod.SecurityContext.RunAsNonRoot);
        Assert.Equal("RuntimeDefault", pod.SecurityContext.SeccompProfile.Type);
        Assert.True(container.SecurityContext.ReadOnlyRootFilesystem);
        Assert.False(container.SecurityContext.AllowPrivilegeEscalation);
        Assert.Equal(["ALL"], container.SecurityContext.Capabilities.Drop);
        Assert.False(pod.AutomountServiceAccountToken);
        string[] volumes = [.. pod.Volumes.Select(v => v.Name), .. (set.Spec.VolumeClaimTemplates ?? []).Select(v => v.Metadata.Name)];
        Assert.Equal(volumes.Order(StringComparer.Ordinal), container.VolumeMounts.Select(m => m.Name).Order(StringComparer.Ordinal));
        Assert.Equal(volumes.Length, volumes.Distinct(StringComparer.Ordinal).Count());
        foreach (string folder in (string[])["/var/lib/actorlb", "/run/actorlb", "/etc/actorlb", "/etc/actorlb-secrets", "/tmp"])
        {
            Assert.Contains(container.VolumeMounts, m => m.MountPath == folder);
        }
    }

    /// <summary>Listeners, services, probes and the network policy mean the same ports.</summary>
    private static void JudgePorts(IKubernetesObject<V1ObjectMeta>[] objects, V1StatefulSet set, V1Container container, string configuration)
    {
        int[] ports = [.. container.Ports.Select(p => p.ContainerPort)];
        Assert.All(ports.Except([7946]), p => Assert.Contains($":{p}\"", configuration, StringComparison.Ordinal));
        V1Service[] services = [.. objects.OfType<V1Service>()];
        Assert.Equal(3, services.Length);
        Assert.All(services, s => Selects(set, s.Spec.Selector));
        Assert.Equal(ports.Order(), services.SelectMany(s => s.Spec.Ports).Select(p => p.Port).Order());
        var fleet = services.Single(s => s.Metadata.Name == set.Spec.ServiceName);
        Assert.Equal("None", fleet.Spec.ClusterIP);
        Assert.True(fleet.Spec.PublishNotReadyAddresses);
        V1Probe[] probes = [container.StartupProbe, container.LivenessProbe, container.ReadinessProbe];
        Assert.Equal(["/healthz", "/healthz", "/readyz"], probes.Select(p => p.HttpGet.Path));
        Assert.All(probes, p => Assert.Contains(container.Ports, c => c.Name == p.HttpGet.Port.Value));
        foreach (var policy in objects.OfType<V1NetworkPolicy>())
        {
            Selects(set, policy.Spec.PodSelector.MatchLabels);
            Assert.Equal(ports.Order(), policy.Spec.Ingress.SelectMany(i => i.Ports).Select(p => int.Parse(p.Port.Value, CultureInfo.InvariantCulture)).Order());
            var own = policy.Spec.Ingress.Single(i => i.Ports.Any(p => p.Port.Value == "7946"));
            Assert.All(own.FromProperty, f => Selects(set, f.PodSelector.MatchLabels));
            Assert.Single(policy.Spec.Ingress.Single(i => i.Ports.Any(p => p.Port.Value == "8888")).FromProperty);
        }
    }

    private static IKubernetesObject<V1ObjectMeta>[] Parse(string yaml) =>
        [.. KubernetesYaml.LoadAllFromString(yaml, new Dictionary<string, Type>(StringComparer.Ordinal) { ["monitoring.coreos.com/v1/ServiceMonitor"] = typeof(ServiceMonitor) }, strict: true)
            .Cast<IKubernetesObject<V1ObjectMeta>>()];

    /// <summary>The chart's values with others over them, as Helm merges them.</summary>
    private static async Task<JsonObject> MergeAsync(string over)
    {
        object values = KubernetesYaml.Deserialize<Dictionary<string, object>>(await DeployFiles.ReadAsync("helm", "actorlb", "values.yaml"));
        var merged = JsonNode.Parse(KubernetesJson.Serialize(values))!.AsObject();
        Merge(merged, JsonNode.Parse(over)!.AsObject());
        return merged;
    }

    private static void Merge(JsonObject into, JsonObject from)
    {
        foreach ((string name, var value) in from)
        {
            if (into[name] is JsonObject inner && value is JsonObject more) Merge(inner, more);
            else into[name] = value?.DeepClone();
        }
    }

    private static async Task<string> RenderAsync(JsonObject values)
    {
        using var folder = new TempFolder();
        var chart = KubernetesYaml.Deserialize<Dictionary<string, object>>(await DeployFiles.ReadAsync("helm", "actorlb", "Chart.yaml"));
        // Any object: the printer of templates takes what else it holds for the data.
        string data = folder.Write("data.json", new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "ConfigMap",
            ["metadata"] = new JsonObject { ["name"] = "data" },
            ["Values"] = values.DeepClone(),
            ["Chart"] = new JsonObject { ["Name"] = "actorlb", ["AppVersion"] = (string)chart["appVersion"] },
            ["Release"] = new JsonObject { ["Name"] = "lb", ["Namespace"] = "mqtt", ["Service"] = "Helm" },
        }.ToJsonString(new JsonSerializerOptions()));
        string helpers = await DeployFiles.ReadAsync("helm", "actorlb", "templates", "_helpers.tpl");
        var rendered = new List<string>();
        foreach (string file in Directory.EnumerateFiles(DeployFiles.At("helm", "actorlb", "templates")).Where(f => !f.EndsWith(".tpl", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            string template = folder.Write("template", helpers + "{{/**/ -}}\n" + await File.ReadAllTextAsync(file));
            string text = await DeployFiles.RunAsync("kubectl", "annotate", "--local", "-f", data, "a=b", "-o", "go-template-file=" + template);
            Assert.DoesNotContain("<no value>", text, StringComparison.Ordinal);
            if (file.EndsWith(".yaml", StringComparison.Ordinal) && text.Trim().Length > 0) rendered.Add(text);
        }
        return string.Join("\n---\n", rendered);
    }
}
