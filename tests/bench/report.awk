# Reads targets.tsv and the results; prints the table of medians, ratios to NGINX and verdicts. Exit code 1 if a target was missed.
# A ratio is the median of the rounds' ratios, because both values of a round were measured under the same conditions.
BEGIN { FS = "\t"; count = split(balancers, names, " ") }
FNR == NR {
    if ($0 !~ /^#/ && NF == 5) { rows++; key[rows] = $1 SUBSEP $2 SUBSEP $3; target[rows] = $4; what[rows] = $5 }
    next
}
$5 > 0 { value[$1, $2, $3, $4, $5] = $6; if ($5 > rounds[$1, $2, $3, $4]) rounds[$1, $2, $3, $4] = $5 }

function sorted_median(n,    i, j, t) {
    if (n == 0) return ""
    for (i = 2; i <= n; i++) for (j = i; j > 1 && list[j - 1] > list[j]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
    return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}
function median(k, lb,    r, n) {
    for (r = 1; r <= rounds[k, lb]; r++) if ((k, lb, r) in value) list[++n] = value[k, lb, r] + 0
    return sorted_median(n)
}
function ratio(k, lb,    r, n) {
    for (r = 1; r <= rounds[k, lb]; r++)
        if ((k, lb, r) in value && (k, "nginx", r) in value && value[k, "nginx", r] > 0)
            list[++n] = value[k, lb, r] / value[k, "nginx", r]
    return sorted_median(n)
}
function number(x) { return x == "" ? "-" : x >= 1000 ? sprintf("%.0f", x) : x >= 10 ? sprintf("%.1f", x) : sprintf("%.2f", x) }
function show_ratio(x) { return x == "" ? "-" : sprintf("%.2f", x) }

END {
    printf "%-62s %10s", "", "nginx"
    for (i = 1; i <= count; i++) if (names[i] != "nginx") printf " %10s %6s", names[i], "ratio"
    printf "  %6s\n", "target"
    for (row = 1; row <= rows; row++) {
        k = key[row]
        base = median(k, "nginx")
        if (base == "") continue
        split(k, part, SUBSEP)
        printf "%-62s %10s", what[row], number(base)
        item = sprintf("  {\"group\":\"%s\",\"row\":\"%s\",\"metric\":\"%s\",\"what\":\"%s\",\"nginx\":%s", part[1], part[2], part[3], what[row], base)
        verdict = ""
        for (i = 1; i <= count; i++) {
            lb = names[i]
            if (lb == "nginx") continue
            m = median(k, lb); q = ratio(k, lb)
            printf " %10s %6s", number(m), show_ratio(q)
            if (m != "") item = item sprintf(",\"%s\":%s,\"%s_ratio\":%s", lb, m, lb, q == "" ? "null" : sprintf("%.4f", q))
            if (lb == "actorlb" && target[row] != "-" && q != "") {
                verdict = q <= target[row] ? "PASS" : "FAIL"
                if (verdict == "FAIL") missed++; else met++
            }
        }
        printf "  %6s %s\n", target[row], verdict
        item = item sprintf(",\"target\":%s,\"verdict\":%s}", target[row] == "-" ? "null" : target[row], verdict == "" ? "null" : "\"" verdict "\"")
        items = items (items == "" ? "" : ",\n") item
    }
    if (met + missed) printf "%d of %d targets met\n", met, met + missed
    if (json != "") { printf "[\n%s\n]\n", items > json; close(json) }
    exit missed > 0
}
