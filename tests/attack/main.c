#include "attack.h"
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options opt = {.clients = 20, .size = 983135, .seconds = 5, .rate = 100, .prefix = "attack"};

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("attacker: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static const struct {
    const char *name, *does;
    int (*run)(void);
} commands[] = {
    {"broker", "accepts CONNECTs, refuses (5) ids that begin with bad, echoes what follows", run_broker},
    {"honest", "clients with round trips, and new ones one after the other; prints NAME=VALUE", run_honest},
    {"pings", "WebSocket clients that send pings without end; --after: behind their CONNACK", run_pings},
    {"glued", "1,400 pings and the CONNECT in one write; prints how many got their CONNACK", run_glued},
    {"silent", "connections that say nothing", run_silent},
    {"hellos", "--rate TLS hellos a second that then say nothing", run_hellos},
    {"connects", "CONNECTs of --size bytes less one", run_connects},
    {"ids", "--rate clients a second with random ids that begin with --prefix", run_ids},
    {"longs", "clients with ids of 65,535 bytes that stay", run_longs},
    {"readers", "HTTP clients that ask for a big page and do not read it", run_readers},
};

static int usage(void)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        printf("attacker %-9s %s\n", commands[i].name, commands[i].does);
    puts("all: --port P [--clients N] [--seconds S] [--rate R] [--size BYTES] [--from ADDRESS] [--prefix TEXT] [--tls] [--ws] [--after]");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"port", 1, 0, 'p'}, {"clients", 1, 0, 'c'}, {"seconds", 1, 0, 's'}, {"rate", 1, 0, 'r'}, {"size", 1, 0, 'z'}, {"from", 1, 0, 'f'},
        {"prefix", 1, 0, 'x'}, {"tls", 0, 0, 't'}, {"ws", 0, 0, 'w'}, {"after", 0, 0, 'a'}, {0}};
    int o;
    optind = 2;
    while (argc > 1 && (o = getopt_long(argc, argv, "", names, NULL)) != -1)
        switch (o) {
        case 'p': opt.port = atoi(optarg); break;
        case 'c': opt.clients = atoi(optarg); break;
        case 's': opt.seconds = atof(optarg); break;
        case 'r': opt.rate = atof(optarg); break;
        case 'z': opt.size = atoi(optarg); break;
        case 'f': opt.from = optarg; break;
        case 'x': opt.prefix = optarg; break;
        case 't': opt.tls = true; break;
        case 'w': opt.websocket = true; break;
        case 'a': opt.after = true; break;
        default: return usage();
        }
    if (argc < 2 || opt.port < 1 || opt.port > 65535 || opt.clients < 0 || opt.seconds <= 0 || opt.rate <= 0 || opt.size < 64 || opt.size > 2000000)
        return usage();
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run();
    return usage();
}
