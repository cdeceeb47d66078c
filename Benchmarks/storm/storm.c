// A storm of connections: each is made, read to its end and closed, `width` at a time, from many addresses of 127/8.
// Meanwhile one probe after the other does the same, alone, and its times are what a client would see.
//
//   storm PORT CONNECTIONS [WIDTH]
//
// Prints one line: connections a second, failures, and the probes' number, median and maximum in milliseconds.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int port;
static atomic_int is_done;
static double probes[1 << 16];
static int probe_count, probe_failures;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

// From 127.1.0.1 and on, so that every slot has clients and no address runs out of ports.
static int start(unsigned number, int flags) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0) return -1;
    int on = 1;
    setsockopt(fd, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(0x7f010001u + number % 4000);
    bind(fd, (struct sockaddr *)&address, sizeof address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((unsigned short)port);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

static void *probe(void *unused) {
    (void)unused;
    for (unsigned number = 0; !is_done && probe_count < 1 << 16; number++) {
        double began = now();
        int fd = start(number * 7919, 0), length = 0;
        char buffer[64];
        ssize_t count;
        while (fd >= 0 && (count = read(fd, buffer, sizeof buffer)) > 0) length += (int)count;
        if (fd >= 0) close(fd);
        if (length == 0) probe_failures++;
        probes[probe_count++] = now() - began;
        usleep(5000);
    }
    return NULL;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: %s PORT CONNECTIONS [WIDTH]\n", argv[0]);
        return 2;
    }
    port = atoi(argv[1]);
    int total = atoi(argv[2]), width = argc > 3 ? atoi(argv[3]) : 64;
    int started = 0, ended = 0, failed = 0, open = 0;
    static unsigned char answered[1 << 20];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    pthread_t thread;
    pthread_create(&thread, NULL, probe, NULL);
    double began = now();
    struct epoll_event events[256];
    while (ended < total) {
        while (open < width && started < total) {
            int fd = start((unsigned)started, SOCK_NONBLOCK);
            started++;
            if (fd < 0) {
                failed++;
                ended++;
                continue;
            }
            answered[fd] = 0;
            struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
            open++;
        }
        int count = epoll_wait(epoll, events, 256, 10000);
        if (count == 0) {
            fprintf(stderr, "%d connections hang\n", open);
            return 1;
        }
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            char buffer[64];
            ssize_t length = read(fd, buffer, sizeof buffer);
            if (length > 0) {
                answered[fd] = 1;
                length = read(fd, buffer, sizeof buffer);
            }
            if (length < 0 && errno == EAGAIN) continue;
            if (!answered[fd]) failed++;
            close(fd);
            open--;
            ended++;
        }
    }
    double seconds = (now() - began) / 1e3;
    is_done = 1;
    pthread_join(thread, NULL);
    qsort(probes, (size_t)probe_count, sizeof probes[0], ascending);
    printf("%.0f/s, %d of %d failed; %d probes, %d failed, median %.2f ms, maximum %.2f ms\n", total / seconds, failed,
           total, probe_count, probe_failures, probe_count ? probes[probe_count / 2] : 0,
           probe_count ? probes[probe_count - 1] : 0);
    return failed + probe_failures ? 1 : 0;
}
