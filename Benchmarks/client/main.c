// Options in, JSON out.
#define _GNU_SOURCE
#include "load.h"
#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static const char usage[] =
    "usage: tlsload --mode MODE --port PORT [options]\n"
    "\n"
    "  --mode full|resume|keepalive|bulk|idle\n"
    "      full       new connection, full handshake, one GET, close\n"
    "      resume     the same with a resumed session\n"
    "      keepalive  GETs in a row on connections that stay open\n"
    "      bulk       keepalive with 1 MiB answers on 4 connections\n"
    "      idle       open the connections with one GET each, then hold them (use --steps), and count\n"
    "                 those that are still there\n"
    "  --host HOST         default 127.0.0.1\n"
    "  --port PORT\n"
    "  --path PATH         default /hello (bulk: /bytes/1048576), whose body must have 14 (1048576) bytes\n"
    "  --name NAME         for SNI, verification and Host; default localhost\n"
    "  --connections N     in flight at once; default 32 (bulk: 4)\n"
    "  --duration SECONDS  default 1\n"
    "  --count N           operations, instead of a duration\n"
    "  --rate N            N arrivals a second, whether answers come or not; latency counts from when each was due\n"
    "  --poisson           random arrivals instead of even ones\n"
    "  --tls 1.3|1.2|off   default 1.3\n"
    "  --raw               our own TLS 1.3 client, four times cheaper than libssl's; verifies nothing\n"
    "  --fast              do not verify certificates\n"
    "  --ca FILE           authorities to verify with; default the system's\n"
    "  --src N|A,B,...     connect from these IPv4 addresses in turn, or from N in distinct /24s of 127/8;\n"
    "                      default 32 when the host is 127.0.0.1, otherwise the system's choice\n"
    "  --steps             print `ready` and wait for a line before the measured part; wait for another after it\n";

static void die(const char *message, const char *what) {
    fprintf(stderr, "tlsload: %s%s%s\n", message, what ? ": " : "", what ? what : "");
    exit(2);
}

static double number(const char *text, double least, double most) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= least && value <= most)) die("not a good number", text);
    return value;
}

static void set_sources(struct options *o, char *list) {
    o->source_count = 0;
    if (!strpbrk(list, ".,")) {
        o->source_count = (int)number(list, 1, 250);
        for (int i = 0; i < o->source_count; i++) o->sources[i] = htonl(0x7f000001u + ((uint32_t)(i + 1) << 8));
        return;
    }
    for (char *each = strtok(list, ","); each; each = strtok(NULL, ",")) {
        if (o->source_count == MAX_SOURCES) die("too many source addresses", NULL);
        if (inet_pton(AF_INET, each, &o->sources[o->source_count++]) != 1) die("not an IPv4 address", each);
    }
    if (o->source_count == 0) die("no source address", NULL);
}

static void set_mode(struct options *o, const char *name) {
    static const char *const names[] = {"full", "resume", "keepalive", "idle"};
    if (strcmp(name, "bulk") == 0) {
        o->mode = MODE_KEEPALIVE;
        o->path = "/bytes/1048576";
        o->connections = 4;
        o->length = 1 << 20;
        return;
    }
    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0) {
            o->mode = (enum mode)i;
            return;
        }
    die("no such mode", name);
}

static struct options parse(int count, char **arguments) {
    struct options o = {.host = "127.0.0.1", .name = "localhost", .duration = 1, .tls = 13};
    static const struct option known[] = {
        {"mode", 1, 0, 'm'},     {"host", 1, 0, 'h'}, {"port", 1, 0, 'p'},  {"path", 1, 0, 'P'},
        {"name", 1, 0, 'n'},     {"ca", 1, 0, 'a'},   {"count", 1, 0, 'N'}, {"connections", 1, 0, 'c'},
        {"duration", 1, 0, 'd'}, {"rate", 1, 0, 'r'}, {"tls", 1, 0, 't'},   {"poisson", 0, 0, 'o'},
        {"raw", 0, 0, 'w'},      {"fast", 0, 0, 'f'}, {"steps", 0, 0, 's'}, {"src", 1, 0, 'S'},
        {"help", 0, 0, '?'},     {0}};
    const char *mode = NULL, *path = NULL;
    char *sources = NULL;
    int connections = 0;
    for (int option; (option = getopt_long(count, arguments, "", known, NULL)) != -1;) switch (option) {
        case 'm': mode = optarg; break;
        case 'h': o.host = optarg; break;
        case 'p': o.port = optarg; break;
        case 'P': path = optarg; break;
        case 'n': o.name = optarg; break;
        case 'a': o.ca = optarg; break;
        case 'N': o.count = (uint64_t)number(optarg, 1, 1e12); break;
        case 'c': connections = (int)number(optarg, 1, 1e6); break;
        case 'd': o.duration = number(optarg, 0, 1e6); break;
        case 'r': o.rate = number(optarg, 1e-3, 1e7); break;
        case 't': o.tls = strcmp(optarg, "off") == 0 ? 0 : (int)(10 * number(optarg, 1.2, 1.3) + 0.5); break;
        case 'o': o.poisson = true; break;
        case 'w': o.raw = true; break;
        case 'f': o.fast = true; break;
        case 's': o.steps = true; break;
        case 'S': sources = optarg; break;
        default: fputs(usage, stderr); exit(2);
        }
    if (!mode || !o.port || optind != count) {
        fputs(usage, stderr);
        exit(2);
    }
    o.path = "/hello";
    o.length = 14;
    o.connections = 32;
    set_mode(&o, mode);
    if (path) o.path = path, o.length = -1;
    if (connections) o.connections = connections;
    if (o.raw && o.tls != 13) die("--raw speaks TLS 1.3 only", NULL);
    if (o.mode == MODE_RESUME && o.tls == 0) die("nothing to resume without TLS", NULL);

    char standard[] = "32";
    o.source_count = 1; // 0.0.0.0: not bound
    if (sources) set_sources(&o, sources);
    else if (strcmp(o.host, "127.0.0.1") == 0) set_sources(&o, standard);
    return o;
}

static uint64_t failures(const struct result *r) {
    return r->failed_connect + r->failed_handshake + r->failed_response + r->stalled + r->lost;
}

static void print_failures(FILE *file, const struct result *r) {
    fprintf(file, "{\"connect\": %lu, \"handshake\": %lu, \"response\": %lu, \"stalled\": %lu, \"lost\": %lu}",
            r->failed_connect, r->failed_handshake, r->failed_response, r->stalled, r->lost);
}

static void wait_for_line(void) {
    char line[64];
    if (!fgets(line, sizeof line, stdin)) exit(1);
}

int main(int count, char **arguments) {
    struct options options = parse(count, arguments);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1L);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    const struct transport *transport = options.tls == 0 ? &tcp_transport
                                        : options.raw    ? &raw_transport
                                                         : &libssl_transport;
    transport->prepare(&options);
    engine_open(&options, transport);
    struct result warm_up = {0}, measured = {0};
    engine_warm_up(&warm_up);
    if (failures(&warm_up)) {
        fputs("tlsload: cannot warm up, failures: ", stderr);
        print_failures(stderr, &warm_up);
        fputs("\n", stderr);
        return 1;
    }
    if (options.steps) {
        puts("ready");
        fflush(stdout);
        wait_for_line();
    }
    engine_measure(&measured);

    printf("{\"operations\": %lu, \"failed\": ", measured.operations);
    print_failures(stdout, &measured);
    printf(", \"resumed\": %lu, \"bytes\": %lu, \"seconds\": %.6f, \"client_cpu\": %.6f, \"tls\": \"%s\", ",
           measured.resumed, measured.bytes, measured.seconds, measured.client_cpu, transport->describe());
    samples_print(&measured.latency, "latency_us");
    printf(", ");
    samples_print(&measured.hello, "hello_us");
    puts("}");
    fflush(stdout);
    if (options.steps) wait_for_line();
    return failures(&measured) > 0;
}
