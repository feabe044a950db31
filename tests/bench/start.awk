# Prints the table of start.sh. Input: lines of METRIC, BALANCER and VALUE. Output: the median of each, for times the minimum in brackets, and the ratio to NGINX.
BEGIN {
    FS = "\t"
    n = split(balancers, name, " ")
    rows = split("accepted_ms served_ms cpu_ms idle_pss_mib idle_rss_mib some_pss_mib many_pss_mib disk_mib runtime_mib", row, " ")
    what["accepted_ms"] = "start to open port (ms)"
    what["served_ms"] = "start to first CONNACK (ms)"
    what["cpu_ms"] = "CPU until then (ms)"
    what["idle_pss_mib"] = "memory idle (MiB, PSS)"
    what["idle_rss_mib"] = "memory idle (MiB, RSS)"
    what["some_pss_mib"] = "with 1,000 idle clients (MiB, PSS)"
    what["many_pss_mib"] = "with 5,000 idle clients (MiB, PSS)"
    what["disk_mib"] = "on disk (MiB)"
    what["runtime_mib"] = "the .NET runtime beside it (MiB)"
}
{ value[$1, $2, ++count[$1, $2]] = $3 }
function sort(metric, lb, total,    i, j, v) {
    for (i = 1; i <= total; i++) sorted[i] = value[metric, lb, i] + 0
    for (i = 2; i <= total; i++) {
        v = sorted[i]
        for (j = i - 1; j > 0 && sorted[j] > v; j--) sorted[j + 1] = sorted[j]
        sorted[j + 1] = v
    }
}
function median(metric, lb,    total) {
    total = count[metric, lb]
    if (!total) return ""
    sort(metric, lb, total)
    least = sorted[1]
    return total % 2 ? sorted[(total + 1) / 2] : (sorted[total / 2] + sorted[total / 2 + 1]) / 2
}
function figure(v) { return v >= 100 ? sprintf("%.0f", v) : sprintf("%.1f", v) }
END {
    head = "| |"
    line = "|---|"
    for (i = 1; i <= n; i++) {
        head = head " " name[i] " |"
        line = line "---|"
        if (name[i] != "nginx") { head = head " ratio |"; line = line "---|" }
    }
    print head
    print line
    for (r = 1; r <= rows; r++) {
        text = "| " what[row[r]] " |"
        any = 0
        base = median(row[r], "nginx")
        for (i = 1; i <= n; i++) {
            m = median(row[r], name[i])
            if (m != "") any = 1
            text = text " " (m == "" ? "-" : figure(m) (row[r] ~ /_ms$/ ? " (" figure(least) ")" : "")) " |"
            if (name[i] != "nginx") text = text " " (m == "" || base == "" || base == 0 ? "-" : figure(m / base)) " |"
        }
        if (any) print text
    }
}
