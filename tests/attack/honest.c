// Honest clients: some that are connected, each with a round trip ten times a second, and new ones, one after the other.
#include "attack.h"
#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 200000
#define PERIOD 0.1

static double trips[MOST], connects[MOST];
static int ntrips, nconnects, failed, lost;
static double end;
static SSL_CTX *context;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double quantile(double *values, int n, double q)
{
    if (n == 0)
        return -1;
    qsort(values, (size_t)n, sizeof *values, by_value);
    return values[(int)(q * (n - 1) + 0.5)] * 1000;
}

static bool receive(int fd, SSL *ssl, uint8_t *to, int n)
{
    for (int got = 0; got < n;) {
        ssize_t part = ssl ? SSL_read(ssl, to + got, n - got) : recv(fd, to + got, (size_t)(n - got), 0);
        if (part <= 0)
            return false;
        got += (int)part;
    }
    return true;
}

// A connected client, blocking; -1 when it was not accepted.
static int open_client(const char *id, SSL **tls)
{
    uint8_t packet[256], answer[5];
    size_t n = connect_packet(packet, id, 0, false);
    int fd = dial(opt.port, opt.from, true);
    SSL *ssl = NULL;
    if (fd < 0)
        return -1;
    bool ok = true;
    if (opt.tls) {
        ssl = SSL_new(context);
        SSL_set_fd(ssl, fd);
        ok = SSL_connect(ssl) == 1 && SSL_write(ssl, packet, (int)n) == (int)n;
    } else {
        ok = send_all(fd, packet, n);
    }
    ok = ok && receive(fd, ssl, answer, 5) && answer[3] == 0;
    if (ok && tls) {
        *tls = ssl;
        return fd;
    }
    if (ssl)
        SSL_free(ssl);
    if (ok)
        return fd;
    close(fd);
    return -1;
}

static void *connecting(void *unused)
{
    char id[64];
    for (int i = 0; now() < end; i++) {
        double start = now();
        snprintf(id, sizeof id, "%s-new-%d", opt.prefix, i % 500);
        SSL *ssl = NULL;
        int fd = open_client(id, &ssl);
        double took = now() - start;
        if (fd < 0)
            failed++;
        else if (nconnects < MOST)
            connects[nconnects++] = took;
        if (ssl)
            SSL_free(ssl);
        if (fd >= 0)
            close(fd);
        if (took < 1 / opt.rate)
            usleep((useconds_t)((1 / opt.rate - took) * 1e6));
    }
    return unused;
}

// Round trips of the connected clients, plain: what is measured is the relay, not the handshake.
static void trip_all(struct pollfd *fds, double *sent, int count)
{
    uint8_t ping[2] = {0xC0, 0}, back[64];
    double due = now();
    while (now() < end) {
        double t = now();
        if (t >= due) {
            for (int i = 0; i < count; i++) {
                if (fds[i].fd < 0 || sent[i] > 0)
                    continue;
                sent[i] = now();
                if (send(fds[i].fd, ping, 2, MSG_NOSIGNAL | MSG_DONTWAIT) != 2)
                    fds[i].revents = POLLERR;
            }
            due += PERIOD;
            if (due < t)
                due = t;
        }
        if (poll(fds, (nfds_t)count, 5) <= 0)
            continue;
        for (int i = 0; i < count; i++) {
            if (!fds[i].revents)
                continue;
            ssize_t n = recv(fds[i].fd, back, sizeof back, MSG_DONTWAIT);
            if (n > 0 && sent[i] > 0) {
                if (ntrips < MOST)
                    trips[ntrips++] = now() - sent[i];
                sent[i] = 0;
            } else if (n == 0 || (n < 0 && errno != EAGAIN)) {
                lost++;
                close(fds[i].fd);
                fds[i].fd = -1;
            }
        }
    }
    // Who still waits has waited so long at least.
    for (int i = 0; i < count; i++)
        if (fds[i].fd >= 0 && sent[i] > 0 && now() - sent[i] > 2 * PERIOD && ntrips < MOST)
            trips[ntrips++] = now() - sent[i];
}

int run_honest(void)
{
    struct pollfd *fds = calloc((size_t)opt.clients + 1, sizeof *fds);
    double *sent = calloc((size_t)opt.clients + 1, sizeof *sent);
    bool tls = opt.tls;
    char id[64];
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (!tls) {
        for (int i = 0; i < opt.clients; i++) {
            snprintf(id, sizeof id, "%s-%d", opt.prefix, i);
            fds[i] = (struct pollfd){.fd = open_client(id, NULL), .events = POLLIN};
            lost += fds[i].fd < 0;
        }
    }
    end = now() + opt.seconds;
    pthread_t thread;
    if (pthread_create(&thread, NULL, connecting, NULL) != 0)
        die("no thread");
    if (!tls)
        trip_all(fds, sent, opt.clients);
    pthread_join(thread, NULL);
    printf("trip_p50_ms=%.2f trip_p99_ms=%.2f trip_max_ms=%.2f connect_p50_ms=%.2f connect_p99_ms=%.2f connect_max_ms=%.2f trips=%d connects=%d failed=%d lost=%d\n",
           quantile(trips, ntrips, 0.5), quantile(trips, ntrips, 0.99), quantile(trips, ntrips, 1), quantile(connects, nconnects, 0.5),
           quantile(connects, nconnects, 0.99), quantile(connects, nconnects, 1), ntrips, nconnects, failed, lost);
    return 0;
}
