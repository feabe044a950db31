// Load generator and echoing backend for the side-by-side benchmark. One thread, epoll, no allocation while measuring,
// so that the core it shares between clients and backend disturbs the balancer's core as little as possible.
#pragma once
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_PIDS 16

// ---- options (main.c)
struct options {
    const char *host, *ws_path;
    int port, ws_port, backend, clients, size, count;
    double warm, seconds, rate, settle;
    bool tls, tls12, resume;
    int pids[MAX_PIDS], npids;
    unsigned *ids, nids; // numbers that clients take their ids from, in turn; none: a client's own number
};
extern struct options opt;
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

// ---- MQTT and WebSocket bytes (wire.c)
size_t mqtt_connect(uint8_t *to, unsigned number);                    // MQTT 3.1.1, clean session, keep alive 3600
uint8_t *mqtt_publish(size_t total);                                  // QoS 0 PUBLISH of exactly this many bytes
size_t ws_header(uint8_t *to, uint64_t payload, const uint8_t *mask); // binary frame; mask null: from a server
int ws_accept_key(const char *request, size_t length, char *accept);  // 28 characters and NUL; -1 without a key

// Streaming reader of frames: hands out unmasked payload in place.
struct ws_reader {
    uint8_t head[14], head_got, head_need, opcode, mask[4];
    bool masked;
    uint64_t left, at;
};
// Takes bytes from *data/*length; true with a payload run of a data frame in *payload/*count; false when all is consumed.
// *closed becomes true on a close frame.
bool ws_next(struct ws_reader *r, uint8_t **data, size_t *length, uint8_t **payload, size_t *count, bool *closed);

// ---- measuring (probe.c)
uint64_t now_ns(void);
uint64_t cpu_ns(void);     // CPU time of all threads, dead ones included, of the balancer's processes
uint64_t memory_kib(const char *field); // sum over the balancer's processes of a field of smaps_rollup
#define HISTOGRAM_BUCKETS (64 * 40)
struct histogram { uint64_t count, buckets[HISTOGRAM_BUCKETS]; };
void histogram_add(struct histogram *h, uint64_t ns);
double histogram_us(const struct histogram *h, double quantile);

// ---- one client connection (client.c)
enum phase { CLOSED, CONNECTING, HANDSHAKE, UPGRADE, CONNACK, READY };
struct client {
    int fd;
    enum phase phase;
    unsigned number;
    SSL *ssl;
    struct ws_reader ws;
    uint64_t opened, due;   // ns: connect() called; round trip started (or was scheduled)
    size_t sent, got;       // of the round trip in flight
    uint8_t early[128];     // upgrade response so far
    size_t early_got;
    bool busy;
};
void client_setup(void);                          // TLS context
extern int client_epoll;
void client_open(struct client *c, unsigned number);
bool client_step(struct client *c);               // progress towards READY; true once on reaching it
void client_close(struct client *c);              // DISCONNECT, close_notify, close
long client_read(struct client *c, void *to, size_t size);        // 0: would block; exits on loss of the connection
long client_write(struct client *c, const void *from, size_t size);
extern uint64_t tls_handshakes, tls_resumed;
void clients_open_all(struct client *clients, int count);

// ---- commands
int run_backend(void);
int run_relay(void);
int run_round_trips(void);
int run_connections(void);
int run_idle(void);
int run_start(char **command);
