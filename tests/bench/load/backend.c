// The broker of the benchmark: answers CONNECT with CONNACK, then sends back every byte (over WebSocket: every payload).
// It closes on DISCONNECT, as brokers do; a client of the benchmark sends DISCONNECT in a segment of its own.
#include "bench.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 65536
#define MAX_UPGRADE 4096

struct peer {
    int fd;
    bool websocket, upgraded, connected;
    uint32_t connect_left;                    // bytes of the CONNECT still to come
    uint8_t connect_head, connect_shift;      // bytes of its fixed header seen; shift of its remaining length
    struct ws_reader ws;
    char *request;                            // upgrade request so far
    size_t request_got;
    uint8_t *pending;
    size_t pending_at, pending_end;
};

static int epoll_fd;
static struct peer listeners[2];
static uint8_t in[CHUNK], out[2 * CHUNK];
static size_t out_end;

static void close_peer(struct peer *p)
{
    close(p->fd);
    free(p->request);
    free(p->pending);
    free(p);
}

static void emit(const struct peer *p, const uint8_t *data, size_t n)
{
    if (p->websocket)
        out_end += ws_header(out + out_end, n, NULL);
    memcpy(out + out_end, data, n);
    out_end += n;
}

// Takes MQTT bytes: swallows the CONNECT, answers it, echoes what follows. False: close.
static bool take(struct peer *p, uint8_t *data, size_t n)
{
    static const uint8_t connack[] = {0x20, 2, 0, 0};
    while (n && !p->connected) {
        if (p->connect_head == 0 && *data != 0x10)
            return false;
        if (p->connect_head == 0)
            p->connect_head = 1;
        else if (p->connect_head == 1) {
            p->connect_left |= (uint32_t)(*data & 127) << p->connect_shift;
            p->connect_shift += 7;
            if (p->connect_shift > 28)
                return false;
            p->connect_head += !(*data & 128);
        } else
            p->connect_left--;
        if (p->connect_head == 2 && p->connect_left == 0) {
            p->connected = true;
            emit(p, connack, sizeof connack);
        }
        data++;
        n--;
    }
    if (n == 2 && data[0] == 0xE0 && data[1] == 0)
        return false;
    if (n)
        emit(p, data, n);
    return true;
}

static bool upgrade(struct peer *p, uint8_t **data, size_t *n)
{
    if (!p->request)
        p->request = malloc(MAX_UPGRADE + 1);
    while (*n && p->request_got < MAX_UPGRADE) {
        p->request[p->request_got++] = (char)*(*data)++;
        (*n)--;
        if (p->request_got < 4 || memcmp(p->request + p->request_got - 4, "\r\n\r\n", 4))
            continue;
        char accept[32];
        p->request[p->request_got] = 0;
        if (ws_accept_key(p->request, p->request_got, accept))
            return false;
        out_end += (size_t)sprintf((char *)out + out_end, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n", accept);
        p->upgraded = true;
        free(p->request);
        p->request = NULL;
        return true;
    }
    return p->request_got < MAX_UPGRADE;
}

static bool handle(struct peer *p, uint8_t *data, size_t n)
{
    out_end = 0;
    if (!p->websocket)
        return take(p, data, n);
    if (!p->upgraded && !upgrade(p, &data, &n))
        return false;
    uint8_t *payload;
    size_t count;
    bool closed = false;
    // Tiny frames grow by their header at most twofold, so `out` of two chunks holds the answer of one.
    while (ws_next(&p->ws, &data, &n, &payload, &count, &closed))
        if (!take(p, payload, count))
            return false;
    return !closed;
}

static bool flush_pending(struct peer *p)
{
    while (p->pending_at < p->pending_end) {
        ssize_t n = write(p->fd, p->pending + p->pending_at, p->pending_end - p->pending_at);
        if (n < 0)
            return errno == EAGAIN;
        p->pending_at += (size_t)n;
    }
    return true;
}

static bool step(struct peer *p)
{
    if (!flush_pending(p))
        return false;
    while (p->pending_at == p->pending_end) {
        ssize_t n = read(p->fd, in, sizeof in);
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        if (!handle(p, in, (size_t)n))
            return false;
        ssize_t sent = out_end ? write(p->fd, out, out_end) : 0;
        if (sent < 0 && errno != EAGAIN)
            return false;
        size_t done = sent < 0 ? 0 : (size_t)sent;
        if (done < out_end) {
            if (!p->pending)
                p->pending = malloc(sizeof out);
            memcpy(p->pending, out + done, out_end - done);
            p->pending_at = 0;
            p->pending_end = out_end - done;
        }
        if (n < (ssize_t)sizeof in)
            break; // edge triggered: more data is a new event
    }
    return true;
}

static void listen_on(struct peer *l, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;
    inet_pton(AF_INET, opt.host, &address.sin_addr);
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); // inherited by what is accepted
    if (bind(l->fd, (struct sockaddr *)&address, sizeof address) || listen(l->fd, 16384))
        die("backend: %s:%d: %s", opt.host, port, strerror(errno));
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = l};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, l->fd, &e);
}

static void accept_all(struct peer *l)
{
    for (;;) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE))
            die("backend: %s", strerror(errno));
        if (fd < 0)
            return;
        struct peer *p = calloc(1, sizeof *p);
        p->fd = fd;
        p->websocket = l == &listeners[1];
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = p};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e);
    }
}

int run_backend(void)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    listen_on(&listeners[0], opt.port);
    if (opt.ws_port)
        listen_on(&listeners[1], opt.ws_port);
    struct epoll_event events[512];
    for (;;) {
        int n = epoll_wait(epoll_fd, events, 512, -1);
        for (int i = 0; i < n; i++) {
            struct peer *p = events[i].data.ptr;
            if (p == &listeners[0] || p == &listeners[1])
                accept_all(p);
            else if ((events[i].events & (EPOLLERR | EPOLLHUP)) || !step(p))
                close_peer(p);
            else if (events[i].events & EPOLLRDHUP && p->pending_at == p->pending_end) {
                // The event may have come with the last bytes: an end of file follows them.
                if (read(p->fd, in, 1) == 0)
                    close_peer(p);
            }
        }
    }
}
