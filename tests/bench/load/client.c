// One MQTT client: TCP, then TLS, then the WebSocket upgrade as asked for, then CONNECT and CONNACK.
#include "bench.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int client_epoll;
uint64_t tls_handshakes, tls_resumed;
static SSL_CTX *tls;
static SSL_SESSION *session; // the newest ticket or id the balancer gave
static struct sockaddr_in address;
static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};

static int keep_session(SSL *ssl, SSL_SESSION *fresh)
{
    (void)ssl;
    SSL_SESSION_free(session);
    session = fresh;
    return 1;
}

void client_setup(void)
{
    client_epoll = epoll_create1(EPOLL_CLOEXEC);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    if (inet_pton(AF_INET, opt.host, &address.sin_addr) != 1)
        die("%s is no IPv4 address", opt.host);
    if (!opt.tls)
        return;
    tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (opt.tls12)
        SSL_CTX_set_max_proto_version(tls, TLS1_2_VERSION);
    if (opt.resume) {
        SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(tls, keep_session);
    }
}

void client_open(struct client *c, unsigned number)
{
    *c = (struct client){.number = number, .phase = CONNECTING, .opened = now_ns()};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("client %u: socket: %s", number, strerror(errno));
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)
        die("client %u: connect to %s:%d: %s", number, opt.host, opt.port, strerror(errno));
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    epoll_ctl(client_epoll, EPOLL_CTL_ADD, c->fd, &e);
}

static long tls_result(struct client *c, int result, const char *what)
{
    int error = SSL_get_error(c->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return 0;
    unsigned long code = ERR_peek_error();
    die("client %u: TLS %s: %s", c->number, what, code ? ERR_reason_error_string(code) : "connection closed");
}

long client_read(struct client *c, void *to, size_t size)
{
    if (c->ssl) {
        ERR_clear_error();
        int n = SSL_read(c->ssl, to, (int)size);
        return n > 0 ? n : tls_result(c, n, "read");
    }
    ssize_t n = read(c->fd, to, size);
    if (n > 0 || (n < 0 && errno == EAGAIN))
        return n > 0 ? n : 0;
    die("client %u: %s in phase %d", c->number, n ? strerror(errno) : "connection closed", c->phase);
}

long client_write(struct client *c, const void *from, size_t size)
{
    if (c->ssl) {
        ERR_clear_error();
        int n = SSL_write(c->ssl, from, (int)size);
        return n > 0 ? n : tls_result(c, n, "write");
    }
    ssize_t n = write(c->fd, from, size);
    if (n >= 0 || errno == EAGAIN)
        return n >= 0 ? n : 0;
    die("client %u: write: %s", c->number, strerror(errno));
}

// The little packets of the opening always fit into an empty socket buffer.
static void send_whole(struct client *c, const void *data, size_t n)
{
    if (client_write(c, data, n) != (long)n)
        die("client %u: a write of %zu bytes was cut", c->number, n);
}

static void send_mqtt(struct client *c, const uint8_t *packet, size_t n)
{
    uint8_t frame[160];
    size_t head = opt.ws_path ? ws_header(frame, n, mask) : 0;
    for (size_t i = 0; i < n; i++)
        frame[head + i] = head ? packet[i] ^ mask[i & 3] : packet[i];
    send_whole(c, frame, head + n);
}

static void send_connect(struct client *c)
{
    uint8_t packet[64];
    send_mqtt(c, packet, mqtt_connect(packet, opt.nids ? opt.ids[c->number % opt.nids] : c->number));
    c->phase = CONNACK;
}

static void begin_mqtt(struct client *c)
{
    if (!opt.ws_path) {
        send_connect(c);
        return;
    }
    char request[512];
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
        opt.ws_path, opt.host);
    send_whole(c, request, (size_t)n);
    c->phase = UPGRADE;
}

static void begin_tls(struct client *c)
{
    c->ssl = SSL_new(tls);
    SSL_set_fd(c->ssl, c->fd);
    if (opt.resume && session) {
        // A copy: OpenSSL's client marks a TLS 1.3 session as used up, and not every balancer gives a new one for it.
        SSL_SESSION *copy = SSL_SESSION_dup(session);
        SSL_set_session(c->ssl, copy);
        SSL_SESSION_free(copy);
    }
    c->phase = HANDSHAKE;
}

static bool shake_hands(struct client *c)
{
    ERR_clear_error();
    int result = SSL_connect(c->ssl);
    if (result != 1) {
        tls_result(c, result, "handshake");
        return false;
    }
    tls_handshakes++;
    tls_resumed += (uint64_t)SSL_session_reused(c->ssl);
    begin_mqtt(c);
    return true;
}

static bool read_upgrade(struct client *c)
{
    // Byte by byte: what follows the response belongs to the frames. Measured phases begin after it.
    static const char status[] = "HTTP/1.1 101";
    uint8_t byte;
    while (client_read(c, &byte, 1)) {
        if (c->early_got < sizeof status - 1 && byte != (uint8_t)status[c->early_got])
            die("client %u: the WebSocket upgrade of %s was refused", c->number, opt.ws_path);
        if (c->early_got < sizeof status - 1)
            c->early_got++;
        memmove(c->early + 64, c->early + 65, 3);
        c->early[67] = byte;
        if (memcmp(c->early + 64, "\r\n\r\n", 4) == 0) {
            send_connect(c);
            return true;
        }
    }
    return false;
}

static bool read_connack(struct client *c)
{
    uint8_t data[64], *at = data, *payload;
    size_t n = (size_t)client_read(c, data, sizeof data), count;
    bool closed = false;
    if (n == 0)
        return false;
    uint8_t packet[4] = {0};
    if (!opt.ws_path) {
        memcpy(packet, data, n < 4 ? n : 4);
        c->got = n;
    } else
        while (ws_next(&c->ws, &at, &n, &payload, &count, &closed)) {
            for (size_t i = 0; i < count && c->got + i < 4; i++)
                packet[c->got + i] = payload[i];
            c->got += count;
        }
    if (closed || c->got > 4 || (c->got && packet[0] != 0x20) || packet[3] != 0)
        die("client %u: refused, CONNACK code %u", c->number, packet[3]);
    if (c->got < 4)
        return false;
    c->got = 0;
    c->phase = READY;
    return true;
}

bool client_step(struct client *c)
{
    for (;;)
        switch (c->phase) {
        case CONNECTING: {
            int error = 0;
            socklen_t size = sizeof error;
            struct sockaddr_in peer;
            socklen_t peer_size = sizeof peer;
            getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
            if (error)
                die("client %u: connect to %s:%d: %s", c->number, opt.host, opt.port, strerror(error));
            if (getpeername(c->fd, (struct sockaddr *)&peer, &peer_size))
                return false;
            if (opt.tls)
                begin_tls(c);
            else
                begin_mqtt(c);
            break;
        }
        case HANDSHAKE:
            if (!shake_hands(c))
                return false;
            break;
        case UPGRADE:
            if (!read_upgrade(c))
                return false;
            break;
        case CONNACK:
            return read_connack(c);
        default:
            return false;
        }
}

void client_close(struct client *c)
{
    static const uint8_t disconnect[] = {0xE0, 0};
    if (c->phase == READY)
        send_mqtt(c, disconnect, sizeof disconnect);
    if (c->ssl) {
        SSL_shutdown(c->ssl); // also keeps the session resumable
        SSL_free(c->ssl);
    }
    close(c->fd);
    *c = (struct client){.fd = -1};
}

void clients_open_all(struct client *clients, int count)
{
    // A bounded number at a time: a flood that overflows an accept queue would measure SYN retries.
    struct epoll_event events[256];
    int opened = 0, ready = 0;
    uint64_t limit = now_ns() + 60000000000u;
    while (ready < count) {
        while (opened < count && opened - ready < 64) {
            client_open(&clients[opened], (unsigned)opened);
            opened++;
        }
        int n = epoll_wait(client_epoll, events, 256, 1000);
        for (int i = 0; i < n; i++)
            ready += client_step(events[i].data.ptr);
        if (now_ns() > limit)
            die("only %d of %d clients connected within a minute", ready, count);
    }
}
