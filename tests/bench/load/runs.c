// What is measured: round trips, new connections, idle memory. Each prints one line of NAME=VALUE.
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

static struct histogram latency;
static uint8_t *message, *wire;   // the PUBLISH, and the same as it is sent (framed and masked over WebSocket)
static size_t wire_size;
static uint8_t *chunk;
#define CHUNK (1 << 18)

static void prepare_message(void)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    message = mqtt_publish((size_t)opt.size);
    wire = malloc((size_t)opt.size + 14);
    wire_size = opt.ws_path ? ws_header(wire, (uint64_t)opt.size, mask) : 0;
    for (int i = 0; i < opt.size; i++)
        wire[wire_size + (size_t)i] = opt.ws_path ? message[i] ^ mask[i & 3] : message[i];
    wire_size += (size_t)opt.size;
    chunk = malloc(CHUNK);
}

static void push(struct client *c)
{
    while (c->sent < wire_size) {
        long n = client_write(c, wire + c->sent, wire_size - c->sent);
        if (n == 0)
            return;
        c->sent += (size_t)n;
    }
}

static void begin(struct client *c, uint64_t due)
{
    c->due = due;
    c->sent = c->got = 0;
    c->busy = true;
    push(c);
}

static void check(struct client *c, const uint8_t *data, size_t n)
{
    if (c->got + n > (size_t)opt.size || memcmp(message + c->got, data, n))
        die("client %u: the echo differs from what was sent, at byte %zu of %d", c->number, c->got, opt.size);
    c->got += n;
}

// True when the round trip in flight has ended.
static bool pull(struct client *c)
{
    for (;;) {
        size_t n = (size_t)client_read(c, chunk, CHUNK), count;
        if (n == 0)
            break;
        size_t all = n;
        uint8_t *at = chunk, *payload;
        bool closed = false;
        if (!opt.ws_path)
            check(c, chunk, n);
        else
            while (ws_next(&c->ws, &at, &n, &payload, &count, &closed))
                check(c, payload, count);
        if (closed)
            die("client %u: WebSocket closed", c->number);
        if (all < CHUNK && !c->ssl)
            break; // edge triggered: more data is a new event
    }
    return c->busy && c->got == (size_t)opt.size;
}

static int wait_events(struct epoll_event *events, int size, uint64_t until)
{
    uint64_t now = now_ns(), left = until > now ? until - now : 0;
    struct timespec t = {.tv_sec = (time_t)(left / 1000000000u), .tv_nsec = (long)(left % 1000000000u)};
    return epoll_pwait2(client_epoll, events, size, &t, NULL);
}

static uint64_t round_trips;

static void handle(struct client *c, bool measure, bool again)
{
    if (!c->busy) {
        pull(c);
        return;
    }
    if (c->sent < wire_size)
        push(c);
    if (!pull(c))
        return;
    c->busy = false;
    uint64_t now = now_ns();
    if (measure) {
        round_trips++;
        histogram_add(&latency, now - c->due);
    }
    if (again)
        begin(c, now);
}

// Clients take turns at fixed times, and latency counts from those times: a stall shows in full.
static void drive(struct client *clients, uint64_t end, bool measure)
{
    static uint64_t next;
    static int turn;
    struct epoll_event events[256];
    uint64_t gap = opt.rate > 0 ? (uint64_t)(1e9 / opt.rate) : 0, now;
    if (gap && !next)
        next = now_ns();
    while ((now = now_ns()) < end) {
        while (gap && next <= now) {
            if (clients[turn].busy)
                break; // it starts late, when its answer has come, and its latency says so
            begin(&clients[turn], next);
            turn = (turn + 1) % opt.clients;
            next += gap;
        }
        bool blocked = gap && clients[turn].busy;
        int n = wait_events(events, 256, gap && next < end && !blocked ? next : end);
        for (int i = 0; i < n; i++)
            handle(events[i].data.ptr, measure, !gap);
    }
}

int run_round_trips(void)
{
    struct client *clients = calloc((size_t)opt.clients, sizeof *clients);
    prctl(PR_SET_TIMERSLACK, 1);
    prepare_message();
    clients_open_all(clients, opt.clients);
    if (opt.rate <= 0)
        for (int i = 0; i < opt.clients; i++)
            begin(&clients[i], now_ns());
    drive(clients, now_ns() + (uint64_t)(opt.warm * 1e9), false);
    uint64_t start = now_ns(), cpu = cpu_ns();
    drive(clients, start + (uint64_t)(opt.seconds * 1e9), true);
    double seconds = (double)(now_ns() - start) / 1e9, used = (double)(cpu_ns() - cpu);
    if (round_trips == 0)
        die("no round trip ended");
    double n = (double)round_trips;
    printf("cpu_us=%.4f throughput=%.0f p50_us=%.1f p99_us=%.1f mb_per_s=%.1f cpu_us_per_mb=%.3f busy=%.3f\n", used / n / 1e3,
        n / seconds, histogram_us(&latency, 0.5), histogram_us(&latency, 0.99), n * opt.size * 2 / 1e6 / seconds,
        used / 1e3 / (n * opt.size * 2 / 1e6), used / 1e9 / seconds);
    return 0;
}

// A balancer closes its side after the client has gone; that work belongs to the connection as well.
static void wait_until_quiet(void)
{
    if (!opt.npids)
        return;
    for (uint64_t before = cpu_ns(), after;; before = after) {
        usleep(20000);
        after = cpu_ns();
        if (after - before < 500000)
            return;
    }
}

static void connect_many(struct client *clients, int count, bool measure)
{
    struct epoll_event events[256];
    int opened = 0, done = 0;
    uint64_t limit = now_ns() + 60000000000u;
    for (; opened < opt.clients && opened < count; opened++)
        client_open(&clients[opened], (unsigned)opened);
    while (done < count) {
        int n = epoll_wait(client_epoll, events, 256, 1000);
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;
            if (c->phase == CLOSED || !client_step(c))
                continue;
            if (measure)
                histogram_add(&latency, now_ns() - c->opened);
            client_close(c);
            done++;
            if (opened < count)
                client_open(c, (unsigned)opened++);
        }
        if (now_ns() > limit)
            die("only %d of %d connections within a minute", done, count);
    }
}

int run_connections(void)
{
    struct client *clients = calloc((size_t)opt.clients, sizeof *clients);
    connect_many(clients, opt.resume ? 1 : 0, false); // brings the first session
    connect_many(clients, opt.count / 10, false);
    wait_until_quiet();
    tls_handshakes = tls_resumed = 0;
    uint64_t start = now_ns(), cpu = cpu_ns();
    connect_many(clients, opt.count, true);
    double seconds = (double)(now_ns() - start) / 1e9;
    wait_until_quiet();
    double used = (double)(cpu_ns() - cpu), n = opt.count;
    if (opt.resume && (double)tls_resumed < 0.99 * (double)tls_handshakes)
        die("only %lu of %lu handshakes were resumed", (unsigned long)tls_resumed, (unsigned long)tls_handshakes);
    if (!opt.resume && tls_resumed)
        die("%lu handshakes were resumed that should be full ones", (unsigned long)tls_resumed);
    printf("cpu_us=%.3f throughput=%.0f p50_us=%.1f p99_us=%.1f resumed=%.3f\n", used / n / 1e3, n / seconds,
        histogram_us(&latency, 0.5), histogram_us(&latency, 0.99), (double)tls_resumed / n);
    return 0;
}

int run_idle(void)
{
    struct client *clients = calloc((size_t)opt.clients, sizeof *clients);
    int warm = opt.clients < 50 ? opt.clients : 50;
    for (int i = 0; i < 20; i++) // code paths and their memory exist before the first reading
        connect_many(clients, warm, false);
    wait_until_quiet();
    usleep((useconds_t)(opt.settle * 1e6));
    uint64_t pss = memory_kib("Pss"), rss = memory_kib("Rss");
    clients_open_all(clients, opt.clients);
    wait_until_quiet();
    usleep((useconds_t)(opt.settle * 1e6));
    double n = opt.clients;
    uint64_t pss_after = memory_kib("Pss"), rss_after = memory_kib("Rss");
    printf("kib=%.4f rss_kib=%.4f pss_total_mib=%.1f\n", ((double)pss_after - (double)pss) / n, ((double)rss_after - (double)rss) / n,
        (double)pss_after / 1024);
    for (int i = 0; i < opt.clients; i++)
        client_close(&clients[i]);
    return 0;
}
