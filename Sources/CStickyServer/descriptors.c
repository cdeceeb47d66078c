#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CStickyServer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/filter.h>
_Static_assert(sizeof(struct sock_filter) == sizeof(struct sticky_bpf_instruction), "the kernel's own layout");
#endif

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif
#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0
#endif

intptr_t sticky_send(int socket, const void *bytes, size_t length, const int *descriptors, int count) {
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * STICKY_MAX_DESCRIPTORS)];
    } control;
    struct iovec io = {.iov_base = (void *)bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1};
    if (count > STICKY_MAX_DESCRIPTORS) return -EINVAL;
    if (count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
        memcpy(CMSG_DATA(header), descriptors, sizeof(int) * (size_t)count);
    }
    ssize_t sent;
    do sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

intptr_t sticky_receive(int socket, void *bytes, size_t capacity, int *descriptors, int *count, int blocking) {
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * STICKY_MAX_DESCRIPTORS)];
    } control;
    struct iovec io = {.iov_base = bytes, .iov_len = capacity};
    struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1};
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    int room = *count, got = 0, cut = 0;
    *count = 0;
    ssize_t received;
    do received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (blocking ? 0 : MSG_DONTWAIT));
    while (received < 0 && errno == EINTR);
    if (received < 0) return -errno;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < here; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
#ifndef __linux__ // MSG_CMSG_CLOEXEC is an enumerator there, which the preprocessor takes for 0.
            fcntl(descriptor, F_SETFD, FD_CLOEXEC);
#endif
            if (got < room) descriptors[got++] = descriptor;
            else { close(descriptor); cut = 1; }
        }
    }
    if (cut || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
        for (int i = 0; i < got; i++) close(descriptors[i]);
        if (message.msg_flags & MSG_TRUNC) return -EMSGSIZE;
        got = -1;
    }
    *count = got;
    return received;
}

int sticky_control_pair(int pair[2]) {
#ifdef __linux__
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return -errno;
#else
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) return -errno;
    for (int i = 0; i < 2; i++) {
        int on = 1;
        fcntl(pair[i], F_SETFD, FD_CLOEXEC);
        setsockopt(pair[i], SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
    }
#endif
    return 0;
}

int sticky_accept(int listener, void *address, uint32_t *length) {
    int descriptor;
#ifdef __linux__
    do descriptor = accept4(listener, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (descriptor < 0 && errno == EINTR);
    return descriptor < 0 ? -errno : descriptor;
#else
    do descriptor = accept(listener, address, length);
    while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0) return -errno;
    int on = 1;
    fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK);
    setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
    return descriptor;
#endif
}

int sticky_attach_steering(int listener, const struct sticky_bpf_instruction *program, uint16_t count) {
#ifdef __linux__
    struct sock_fprog whole = {.len = count, .filter = (struct sock_filter *)program};
    int status = setsockopt(listener, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &whole, sizeof whole);
    return status < 0 ? -errno : 0;
#else
    (void)listener, (void)program, (void)count;
    return -ENOSYS;
#endif
}

int sticky_set_nonblocking(int descriptor, int on) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0) return -errno;
    flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return fcntl(descriptor, F_SETFL, flags) < 0 ? -errno : 0;
}

int sticky_set_cloexec(int descriptor, int on) {
    return fcntl(descriptor, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}
