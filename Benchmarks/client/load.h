// A load client on epoll: one thread, non-blocking, many connections. See ../README.md for how it is used.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_SOURCES = 256 };

enum mode {
    MODE_FULL,      // an operation is: connect, full handshake, one GET, close
    MODE_RESUME,    // the same with a resumed session
    MODE_KEEPALIVE, // an operation is one GET on a connection that stays open
    MODE_IDLE,      // open all connections with one GET each, then hold them
};

struct options {
    enum mode mode;
    const char *host, *port, *path, *name, *ca; // `name` is for SNI, verification and Host
    int connections;                            // operations in flight at once (MODE_IDLE: connections to hold)
    uint64_t count;                             // operations; 0: until the duration is over
    double duration;                            // seconds
    double rate;                                // arrivals a second; 0: as fast as answers come
    bool poisson;                               // random arrivals instead of even ones
    int tls;                                    // 0: plain TCP, 12, 13
    bool raw;                                   // our own TLS 1.3 client instead of libssl's
    bool fast;                                  // do not verify certificates
    int64_t length;                             // of the body that a good answer has; -1: any
    bool steps;                                 // wait for a line on stdin before and after the measured part
    uint32_t sources[MAX_SOURCES];              // IPv4 addresses to connect from, network byte order
    int source_count;
};

// ---- A response, as far as the load needs it ------------------------------------------------------------------------

struct response {
    char head[2048];
    size_t head_length;
    bool in_body, until_end;
    uint64_t remaining;
};

extern int64_t response_length; // of the body that is expected; -1: any
void response_reset(struct response *r);
// 1 when the response is complete, 0 when more is needed, -1 when it is not a good 200 response.
int response_feed(struct response *r, const char *bytes, size_t count);

// ---- Latencies ------------------------------------------------------------------------------------------------------

struct samples {
    uint32_t *values; // tenths of a microsecond
    size_t count, capacity;
};

void samples_add(struct samples *s, uint64_t nanoseconds);
void samples_print(struct samples *s, const char *name); // as a JSON member

// ---- Connections and what carries their bytes -----------------------------------------------------------------------

enum state { CLOSED, CONNECTING, HANDSHAKE, WAITING, ENDING, IDLE };

struct connection {
    int fd, source;
    enum state state;
    void *session; // the transport's
    uint64_t due;
    bool heard; // something has arrived on this connection
    struct response response;
};

enum { AGAIN = -1, BROKEN = -2 }; // besides a number of bytes, or 1 for a finished handshake

struct transport {
    void (*prepare)(const struct options *options);
    bool (*open)(struct connection *c);
    int (*handshake)(struct connection *c);
    long (*read)(struct connection *c, void *bytes, size_t size); // 0: the peer has closed
    long (*write)(struct connection *c, const void *bytes, size_t count);
    bool (*resumed)(struct connection *c);
    void (*close)(struct connection *c); // does not close the descriptor
    const char *(*describe)(void);       // version and cipher of the last handshake
};

extern const struct transport tcp_transport, libssl_transport, raw_transport;

// ---- The engine -----------------------------------------------------------------------------------------------------

struct result {
    uint64_t operations, failed_connect, failed_handshake, failed_response, stalled, resumed, bytes;
    uint64_t lost; // connections that the server gave up while they were idle
    double seconds, client_cpu;
    struct samples latency, hello; // from the due time to the end, and to the first byte from the server
};

void engine_open(const struct options *options, const struct transport *transport);
void engine_warm_up(struct result *result); // sessions to resume, or connections to keep
void engine_measure(struct result *result);
