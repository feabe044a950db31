// A relay that reads from one socket and writes to the other, and knows nothing else: nearly all that it costs, the kernel costs.
// It has no back-pressure, so only small round trips are to be sent through it.
#include "bench.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FD 65536

static int epoll_fd, other[MAX_FD]; // the socket at the other end; 0: none

static struct sockaddr_in address_of(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, opt.host, &address.sin_addr);
    return address;
}

static void watch(int fd, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.fd = fd};
    if (fd >= MAX_FD || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e))
        die("relay: descriptor %d: %s", fd, strerror(errno));
}

static void join(int client)
{
    struct sockaddr_in backend = address_of(opt.backend);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&backend, sizeof backend))
        die("relay: %s:%d: %s", opt.host, opt.backend, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(client, EPOLLIN | EPOLLRDHUP | EPOLLET);
    watch(fd, EPOLLIN | EPOLLRDHUP | EPOLLET);
    other[client] = fd;
    other[fd] = client;
}

static void pass(int from)
{
    static uint8_t bytes[65536];
    int to = other[from];
    if (!to)
        return; // closed by an earlier event of the same batch
    ssize_t n = recv(from, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0 && send(to, bytes, (size_t)n, MSG_DONTWAIT) == n)
        return;
    if (n < 0 && errno == EAGAIN)
        return;
    other[from] = other[to] = 0;
    close(from);
    close(to);
}

int run_relay(void)
{
    struct sockaddr_in at = address_of(opt.port);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); // inherited by what is accepted
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 4096))
        die("relay: %s:%d: %s", opt.host, opt.port, strerror(errno));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    watch(listener, EPOLLIN);
    struct epoll_event events[512];
    for (;;) {
        int n = epoll_wait(epoll_fd, events, 512, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd != listener)
                pass(fd);
            else if ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
                join(fd);
        }
    }
}
