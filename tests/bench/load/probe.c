#include "bench.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t cpu_ns(void)
{
    // The scheduler's own nanoseconds of each thread group (sum_exec_runtime), not the 10 ms ticks of /proc/PID/stat.
    uint64_t sum = 0;
    for (int i = 0; i < opt.npids; i++) {
        clockid_t clock;
        struct timespec t;
        if (clock_getcpuclockid(opt.pids[i], &clock) || clock_gettime(clock, &t))
            die("process %d of the balancer is gone", opt.pids[i]);
        sum += (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    }
    return sum;
}

uint64_t memory_kib(const char *field)
{
    uint64_t sum = 0;
    for (int i = 0; i < opt.npids; i++) {
        char path[64], line[256];
        snprintf(path, sizeof path, "/proc/%d/smaps_rollup", opt.pids[i]);
        FILE *file = fopen(path, "r");
        if (!file)
            die("%s cannot be read", path);
        unsigned long kib;
        size_t n = strlen(field);
        while (fgets(line, sizeof line, file))
            if (strncmp(line, field, n) == 0 && sscanf(line + n, ": %lu", &kib) == 1)
                sum += kib;
        fclose(file);
    }
    return sum;
}

// 64 linear buckets a power of two: at most 1.6 % wide.
void histogram_add(struct histogram *h, uint64_t ns)
{
    int shift = ns < 64 ? 0 : 57 - __builtin_clzll(ns);
    uint64_t bucket = (uint64_t)shift * 64 + (ns >> shift);
    h->buckets[bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1]++;
    h->count++;
}

double histogram_us(const struct histogram *h, double quantile)
{
    uint64_t want = (uint64_t)((double)h->count * quantile), seen = 0;
    for (uint64_t b = 0; b < HISTOGRAM_BUCKETS; b++) {
        seen += h->buckets[b];
        if (seen > want || (seen == h->count && seen)) {
            uint64_t shift = b < 128 ? 0 : b / 64 - 1, value = b < 128 ? b : (b - shift * 64);
            return (double)(value << shift) / 1000;
        }
    }
    return 0;
}
