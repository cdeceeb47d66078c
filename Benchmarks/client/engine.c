// The event loop: starts operations when they are due, moves connections forward, counts.
#define _GNU_SOURCE
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 256, OPENING_AT_ONCE = 64 };
static const uint64_t SECOND = 1000000000, PATIENCE = 10 * SECOND;

static const struct options *options;
static const struct transport *transport;
static struct sockaddr_storage target;
static socklen_t target_length;
static char request[1024];
static size_t request_length;
static int poller;
static struct connection *connections;
static struct connection **waiting; // ring of connections that are free for an operation, first in first out
static size_t first_waiting, waiting_count;
static uint64_t next_source;
static struct result *result;
static uint64_t ended; // operations of this phase that are over, well or not

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static bool closes(void) { return options->mode == MODE_FULL || options->mode == MODE_RESUME; }

void engine_open(const struct options *given, const struct transport *chosen) {
    options = given;
    transport = chosen;
    response_length = given->length;
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM};
    int error = getaddrinfo(options->host, options->port, &hints, &found);
    if (error) {
        fprintf(stderr, "%s:%s: %s\n", options->host, options->port, gai_strerror(error));
        exit(1);
    }
    memcpy(&target, found->ai_addr, found->ai_addrlen);
    target_length = found->ai_addrlen;
    freeaddrinfo(found);

    request_length = (size_t)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", options->path,
                                      options->name, closes() ? "Connection: close\r\n" : "");
    if (request_length >= sizeof request) abort();
    poller = epoll_create1(EPOLL_CLOEXEC);
    size_t count = (size_t)options->connections;
    connections = calloc(count, sizeof *connections);
    waiting = calloc(count, sizeof *waiting);
    if (poller < 0 || !connections || !waiting) abort();
    for (size_t i = 0; i < count; i++) waiting[i] = &connections[i];
    waiting_count = count;
}

// ---- One operation --------------------------------------------------------------------------------------------------

static void disconnect(struct connection *c) {
    if (c->session) transport->close(c);
    c->session = NULL;
    close(c->fd);
    c->state = CLOSED;
}

static void end_operation(struct connection *c) {
    ended++;
    waiting[(first_waiting + waiting_count++) % (size_t)options->connections] = c;
}

static void fail(struct connection *c, uint64_t *counter) {
    ++*counter;
    disconnect(c);
    end_operation(c);
}

static void succeed(struct connection *c) {
    result->operations++;
    samples_add(&result->latency, now() - c->due);
    if (closes()) disconnect(c);
    else c->state = IDLE;
    end_operation(c);
}

static void send_request(struct connection *c) {
    response_reset(&c->response);
    c->state = WAITING;
    // A request is small and the socket empty, so that it is taken whole or never.
    if (transport->write(c, request, request_length) != (long)request_length) fail(c, &result->failed_response);
}

static void receive_response(struct connection *c) {
    static char buffer[256 << 10];
    for (;;) {
        long count = transport->read(c, buffer, sizeof buffer);
        if (count == AGAIN) return;
        if (count > 0) {
            result->bytes += (uint64_t)count;
            int fed = c->state == WAITING ? response_feed(&c->response, buffer, (size_t)count) : -1;
            if (fed < 0) return fail(c, &result->failed_response);
            if (fed == 0) continue;
            if (!closes()) return succeed(c);
            c->state = ENDING;
        } else if (count == 0 && (c->state == ENDING || (closes() && c->response.until_end))) {
            return succeed(c); // the server's close belongs to the operation
        } else {
            return fail(c, &result->failed_response);
        }
    }
}

static void start(struct connection *c, uint64_t due) {
    c->due = due;
    if (c->state == IDLE) return send_request(c);

    c->source = (int)(next_source++ % (uint64_t)options->source_count);
    c->heard = false;
    c->state = CONNECTING;
    c->fd = socket(target.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        perror("socket");
        exit(1);
    }
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (target.ss_family == AF_INET && options->sources[c->source]) {
        // The port is chosen at connect, where a pair of addresses and ports must be unique and not the port alone.
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = options->sources[c->source]};
        if (bind(c->fd, (struct sockaddr *)&source, sizeof source) < 0) return fail(c, &result->failed_connect);
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
    if (connect(c->fd, (struct sockaddr *)&target, target_length) < 0 && errno != EINPROGRESS)
        fail(c, &result->failed_connect);
}

static void advance(struct connection *c, uint32_t events) {
    if (c->state == CONNECTING) {
        int error = 0;
        socklen_t length = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error || !transport->open(c)) return fail(c, &result->failed_connect);
        c->state = HANDSHAKE;
    }
    if (!c->heard && (events & EPOLLIN)) {
        c->heard = true;
        samples_add(&result->hello, now() - c->due);
    }
    if (c->state == HANDSHAKE) {
        int done = transport->handshake(c);
        if (done == AGAIN) return;
        if (done < 0) return fail(c, &result->failed_handshake);
        result->resumed += transport->resumed(c);
        return send_request(c); // what comes next comes with an event of its own
    }
    if (c->state == WAITING || c->state == ENDING) {
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive_response(c);
    } else if (c->state == IDLE && (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))) {
        result->lost++; // the server has given it up; the next operation on it connects again
        disconnect(c);
    }
}

// ---- A phase --------------------------------------------------------------------------------------------------------

static void wait_for_events(uint64_t until) {
    struct epoll_event events[BATCH];
    uint64_t time = now(), left = until > time ? until - time : 0;
    struct timespec timeout = {.tv_sec = (time_t)(left / SECOND), .tv_nsec = (long)(left % SECOND)};
    int count = epoll_pwait2(poller, events, BATCH, &timeout, NULL);
    for (int i = 0; i < count; i++) advance(events[i].data.ptr, events[i].events);
}

// Runs operations until `count` of them (0: without limit) have been started or the time is up, and all have ended.
static void run(struct result *into, uint64_t count, uint64_t until, double rate, size_t at_once) {
    result = into;
    ended = 0;
    uint64_t started = 0, begin = now(), due = begin, progress = begin, ended_before = 0;
    for (;;) {
        uint64_t time = now();
        bool more = time < until && (count == 0 || started < count);
        while (more && waiting_count > 0 && started - ended < at_once && (rate == 0 || due <= time)) {
            struct connection *c = waiting[first_waiting];
            first_waiting = (first_waiting + 1) % (size_t)options->connections;
            waiting_count--;
            start(c, rate == 0 ? now() : due);
            if (rate > 0) due += (uint64_t)((options->poisson ? -log1p(-drand48()) : 1) / rate * 1e9);
            started++;
            more = count == 0 || started < count;
        }
        if (!more && ended == started) break;
        if (ended != ended_before) {
            ended_before = ended;
            progress = time;
        } else if (started > ended && time > progress + PATIENCE) {
            for (int i = 0; i < options->connections; i++)
                if (connections[i].state > CLOSED && connections[i].state < IDLE) fail(&connections[i], &into->stalled);
            break;
        }
        bool paced = rate > 0 && more && waiting_count > 0;
        wait_for_events(paced ? due : time + SECOND / 10);
    }
    into->seconds = (double)(now() - begin) / 1e9;
}

void engine_warm_up(struct result *into) {
    if (options->mode == MODE_RESUME) run(into, (uint64_t)options->source_count, UINT64_MAX, 0, OPENING_AT_ONCE);
    if (!closes()) run(into, (uint64_t)options->connections, UINT64_MAX, 0, OPENING_AT_ONCE);
}

static double cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// Counts the connections that are still there: an operation each, the others are lost.
static void look_at_idle(struct result *into) {
    for (int i = 0; i < options->connections; i++) {
        char byte;
        bool quiet = connections[i].state == IDLE &&
                     recv(connections[i].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
        ++*(quiet ? &into->operations : &into->lost);
    }
}

void engine_measure(struct result *into) {
    if (options->mode == MODE_IDLE) return look_at_idle(into);
    double before = cpu();
    uint64_t until = options->count ? UINT64_MAX : now() + (uint64_t)(options->duration * 1e9);
    run(into, options->count, until, options->rate, (size_t)options->connections);
    into->client_cpu = cpu() - before;
}
