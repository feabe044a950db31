// From the start of a balancer to its first client's CONNACK, and what memory it has then, idle and with idle clients.
#include "bench.h"
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_NS 30000000000u

static pid_t balancer;

static void stop(void)
{
    if (balancer <= 0)
        return;
    // All of the group: a worker of NGINX outlives a master that is killed.
    kill(-balancer, SIGKILL);
    waitpid(balancer, NULL, 0);
}

static void launch(char **command)
{
    balancer = fork();
    if (balancer < 0)
        die("fork: %s", strerror(errno));
    if (balancer == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        execvp(command[0], command);
        die("%s: %s", command[0], strerror(errno));
    }
    setpgid(balancer, balancer);
    atexit(stop);
}

// The process and its children, NGINX's worker among them.
static void find_processes(void)
{
    char path[64];
    int pid;
    opt.pids[0] = balancer;
    opt.npids = 1;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", balancer, balancer);
    FILE *file = fopen(path, "r");
    while (file && opt.npids < MAX_PIDS && fscanf(file, "%d", &pid) == 1)
        opt.pids[opt.npids++] = pid;
    if (file)
        fclose(file);
}

static int try_connect(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    inet_pton(AF_INET, opt.host, &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket: %s", strerror(errno));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static void expect_connack(int fd)
{
    struct timeval patience = {.tv_sec = 10};
    uint8_t packet[64];
    size_t size = mqtt_connect(packet, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (write(fd, packet, size) != (ssize_t)size || read(fd, packet, 4) != 4 || packet[0] != 0x20 || packet[3] != 0)
        die("the first client was not served");
}

static void settle(void)
{
    for (uint64_t before = cpu_ns(), after;; before = after) {
        usleep((useconds_t)(opt.settle * 1e6));
        after = cpu_ns();
        if ((double)(after - before) < opt.settle * 1e9 / 50)
            return;
    }
}

static void print_memory(const char *what)
{
    settle();
    printf(" %s_pss_mib=%.2f %s_rss_mib=%.2f", what, (double)memory_kib("Pss") / 1024, what, (double)memory_kib("Rss") / 1024);
}

int run_start(char **command)
{
    uint64_t start = now_ns();
    int fd, status;
    launch(command);
    while ((fd = try_connect()) < 0) {
        if (waitpid(balancer, &status, WNOHANG) != 0) {
            balancer = 0;
            die("%s ended", command[0]);
        }
        if (now_ns() - start > PATIENCE_NS)
            die("%s opened no port %d", command[0], opt.port);
        usleep(200);
    }
    double accepted = (double)(now_ns() - start) / 1e6;
    expect_connack(fd);
    double served = (double)(now_ns() - start) / 1e6;
    find_processes();
    printf("accepted_ms=%.1f served_ms=%.1f cpu_ms=%.1f", accepted, served, (double)cpu_ns() / 1e6);
    close(fd);
    if (opt.count > 1) {
        struct client *clients = calloc((size_t)opt.count, sizeof *clients);
        print_memory("idle");
        clients_open_all(clients, opt.clients);
        print_memory("some");
        clients_open_all(clients + opt.clients, opt.count - opt.clients);
        print_memory("many");
    }
    putchar('\n');
    return 0;
}
