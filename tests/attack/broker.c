// A broker of one thread: CONNACK, then every byte back.
#include "attack.h"
#include <errno.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct peer {
    int fd;
    bool connected;
    size_t got, wanted;
    uint8_t head[64]; // as much of a CONNECT as tells its length, version and the beginning of its id
};

// Length of the packet by its first bytes; 0 while they do not tell.
static size_t length_of(const struct peer *p)
{
    size_t length = 0;
    for (size_t i = 1; i < p->got && i < 5; i++) {
        length |= (size_t)(p->head[i] & 127) << (7 * (i - 1));
        if (!(p->head[i] & 128))
            return length + i + 1;
    }
    return 0;
}

static bool answer(struct peer *p, const uint8_t *packet)
{
    static const uint8_t accepted[] = {0x20, 2, 0, 0}, accepted5[] = {0x20, 3, 0, 0, 0}, refused[] = {0x20, 2, 0, 5}, refused5[] = {0x20, 3, 0, 0x87, 0};
    size_t at = 1;
    while (packet[at] & 128)
        at++;
    at += 1 + 6; // "MQTT"
    bool old = packet[at] == 4;
    at += 4;
    if (!old)
        at += packet[at] & 128 ? sizeof p->head : (size_t)packet[at] + 1;
    bool bad = at + 5 <= sizeof p->head && memcmp(packet + at + 2, "bad", 3) == 0;
    const uint8_t *connack = old ? (bad ? refused : accepted) : (bad ? refused5 : accepted5);
    send(p->fd, connack, old ? 4 : 5, MSG_NOSIGNAL | MSG_DONTWAIT);
    return !bad;
}

static bool take(struct peer *p, uint8_t *data, size_t n)
{
    if (!p->connected) {
        for (size_t i = 0; i < n && p->got + i < sizeof p->head; i++)
            p->head[p->got + i] = data[i];
        size_t before = p->got;
        p->got += n;
        if (!p->wanted)
            p->wanted = length_of(p);
        if (!p->wanted || p->got < p->wanted)
            return true;
        p->connected = true;
        if (!answer(p, p->head))
            return false;
        data += p->wanted - before;
        n = p->got - p->wanted;
    }
    if (n == 2 && data[0] == 0xE0)
        return false;
    return n == 0 || send(p->fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n;
}

int run_broker(void)
{
    static uint8_t buffer[65536];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, epoll = epoll_create1(EPOLL_CLOEXEC);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 4096) != 0)
        die("port %d: %s", opt.port, strerror(errno));
    struct epoll_event event = {.events = EPOLLIN}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (double end = now() + opt.seconds; now() < end;) {
        int count = epoll_wait(epoll, events, 256, 500);
        for (int i = 0; i < count; i++) {
            struct peer *p = events[i].data.ptr;
            if (!p) {
                for (int fd, n = 0; n < 64 && (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0; n++) {
                    struct peer *peer = calloc(1, sizeof *peer);
                    peer->fd = fd;
                    event = (struct epoll_event){.events = EPOLLIN, .data.ptr = peer};
                    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
                }
                continue;
            }
            ssize_t n = recv(p->fd, buffer, sizeof buffer, 0);
            if (n < 0 && errno == EAGAIN)
                continue;
            if (n > 0 && take(p, buffer, (size_t)n))
                continue;
            close(p->fd);
            free(p);
        }
    }
    return 0;
}
