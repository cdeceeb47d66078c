// Plain TCP: what remains of the cost when there is no TLS.
#include "load.h"
#include <errno.h>
#include <sys/socket.h>

static void prepare(const struct options *options) { (void)options; }

static bool open_session(struct connection *c) {
    (void)c;
    return true;
}

static int handshake(struct connection *c) {
    (void)c;
    return 1;
}

static long read_bytes(struct connection *c, void *bytes, size_t size) {
    ssize_t count = recv(c->fd, bytes, size, 0);
    return count >= 0 ? count : errno == EAGAIN ? AGAIN : BROKEN;
}

static long write_bytes(struct connection *c, const void *bytes, size_t count) {
    ssize_t sent = send(c->fd, bytes, count, MSG_NOSIGNAL);
    return sent >= 0 ? sent : BROKEN;
}

static bool resumed(struct connection *c) {
    (void)c;
    return false;
}

static void close_session(struct connection *c) { (void)c; }

static const char *describe(void) { return "TCP"; }

const struct transport tcp_transport = {prepare, open_session, handshake,     read_bytes,
                                        write_bytes, resumed,  close_session, describe};
