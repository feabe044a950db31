// The attacks of tests/attack.sh, the honest clients beside them and the broker behind them. Only loopback.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options {
    int port, clients, size;
    double seconds, rate;
    const char *from, *prefix;
    bool tls, websocket, after;
};

extern struct options opt;

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
double now(void); // seconds, monotonic

// A CONNECT of MQTT 5 (3.1.1 when `old`) with this id; user properties bring it to `size` bytes. Returns its length.
size_t connect_packet(uint8_t *to, const char *id, size_t size, bool old);
size_t frame_header(uint8_t *to, size_t payload); // a masked binary frame, mask 0
size_t empty_pings(uint8_t *to, int count);       // masked
int dial(int port, const char *from, bool wait);  // -1 when it failed
bool send_all(int fd, const void *data, size_t n);
bool upgrade(int fd);                             // as a WebSocket client, blocking
size_t client_hello(uint8_t *to, size_t room);

int run_broker(void);
int run_honest(void);
int run_pings(void);
int run_glued(void);
int run_silent(void);
int run_hellos(void);
int run_connects(void);
int run_ids(void);
int run_longs(void);
int run_readers(void);
