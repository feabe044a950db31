#include "bench.h"
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options opt = {.host = "127.0.0.1", .clients = 100, .size = 64, .count = 1000, .warm = 0.3, .seconds = 1, .settle = 0.5};

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static void usage(void)
{
    puts("load backend --port P [--ws-port P]                       broker that answers CONNECT, then echoes\n"
         "load relay --port P --backend P                           passes bytes between the two and knows nothing else\n"
         "load rt    --port P --pids A,B -c N --size BYTES --warm S --seconds S [--rate N]   round trips; N a second, or closed loop\n"
         "load conn  --port P --pids A,B -c CONCURRENCY --count N [--resume]                 new connections\n"
         "load idle  --port P --pids A,B -c N --settle S                                     memory of idle connections\n"
         "load start --port P [-c N --count MORE] -- COMMAND...                             from its start to the first CONNACK; memory with N, then MORE clients\n"
         "all but the first two: [--host ADDRESS] [--tls] [--tls12] [--ws PATH] [--ids FILE]; client ids are bench-%08x of a client's number,\n"
         "or of the numbers in FILE; results are one line of NAME=VALUE");
}

static void parse_pids(char *text)
{
    for (char *word = strtok(text, ","); word && opt.npids < MAX_PIDS; word = strtok(NULL, ","))
        opt.pids[opt.npids++] = atoi(word);
}

// Decimal numbers between white space.
static void read_ids(const char *path)
{
    FILE *file = fopen(path, "r");
    unsigned id;
    if (!file)
        die("%s: cannot be read", path);
    while (fscanf(file, "%u", &id) == 1) {
        opt.ids = realloc(opt.ids, (opt.nids + 1) * sizeof *opt.ids);
        opt.ids[opt.nids++] = id;
    }
    if (!feof(file) || !opt.nids)
        die("%s: holds something else than numbers, or nothing", path);
    fclose(file);
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"host", 1, 0, 'h'}, {"port", 1, 0, 'p'}, {"ws-port", 1, 0, 'W'}, {"clients", 1, 0, 'c'}, {"size", 1, 0, 's'},
        {"count", 1, 0, 'n'}, {"warm", 1, 0, 'w'}, {"seconds", 1, 0, 'd'}, {"rate", 1, 0, 'r'}, {"settle", 1, 0, 'S'},
        {"pids", 1, 0, 'P'}, {"tls", 0, 0, 't'}, {"tls12", 0, 0, '2'}, {"resume", 0, 0, 'R'}, {"ids", 1, 0, 'I'}, {"ws", 1, 0, 'u'},
        {"backend", 1, 0, 'b'}, {0}};
    const char *command = argc > 1 ? argv[1] : "";
    int o;
    optind = 2;
    while (argc > 1 && (o = getopt_long(argc, argv, "h:p:c:n:", names, NULL)) != -1)
        switch (o) {
        case 'h': opt.host = optarg; break;
        case 'p': opt.port = atoi(optarg); break;
        case 'W': opt.ws_port = atoi(optarg); break;
        case 'c': opt.clients = atoi(optarg); break;
        case 's': opt.size = atoi(optarg); break;
        case 'n': opt.count = atoi(optarg); break;
        case 'w': opt.warm = atof(optarg); break;
        case 'd': opt.seconds = atof(optarg); break;
        case 'r': opt.rate = atof(optarg); break;
        case 'S': opt.settle = atof(optarg); break;
        case 'P': parse_pids(optarg); break;
        case 't': opt.tls = true; break;
        case '2': opt.tls = opt.tls12 = true; break;
        case 'R': opt.resume = true; break;
        case 'I': read_ids(optarg); break;
        case 'b': opt.backend = atoi(optarg); break;
        case 'u': opt.ws_path = optarg; break;
        default: usage(); return 2;
        }
    if (opt.port < 1 || opt.port > 65535 || opt.clients < 1 || opt.count < 1 || opt.size < 1)
        return usage(), 2;
    signal(SIGPIPE, SIG_IGN);
    if (strcmp(command, "backend") == 0)
        return run_backend();
    if (strcmp(command, "relay") == 0)
        return run_relay();
    client_setup();
    if (strcmp(command, "rt") == 0)
        return run_round_trips();
    if (strcmp(command, "conn") == 0)
        return run_connections();
    if (strcmp(command, "idle") == 0)
        return run_idle();
    if (strcmp(command, "start") == 0 && argv[optind])
        return run_start(argv + optind);
    usage();
    return 2;
}
