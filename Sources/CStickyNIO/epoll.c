#include "CStickyNIO.h"

#if defined(__linux__)
#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

_Static_assert(sizeof(sticky_epoll_event) == sizeof(struct epoll_event), "size of epoll_event");
_Static_assert(offsetof(sticky_epoll_event, low) == offsetof(struct epoll_event, data), "layout of epoll_event");
_Static_assert(STICKY_EPOLL_RDHUP == EPOLLRDHUP && STICKY_EPOLL_EDGE == (uint32_t)EPOLLET, "flags of epoll");

int sticky_epoll_create(void) {
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    return epoll < 0 ? -errno : epoll;
}

static int control(int epoll, int operation, int descriptor, uint32_t events, uint32_t low, uint32_t high) {
    struct epoll_event event = {.events = events, .data = {.u64 = (uint64_t)high << 32 | low}};
    return epoll_ctl(epoll, operation, descriptor, &event) == 0 ? 0 : -errno;
}

int sticky_epoll_add(int epoll, int descriptor, uint32_t events, uint32_t low, uint32_t high) {
    return control(epoll, EPOLL_CTL_ADD, descriptor, events, low, high);
}

int sticky_epoll_modify(int epoll, int descriptor, uint32_t events, uint32_t low, uint32_t high) {
    return control(epoll, EPOLL_CTL_MOD, descriptor, events, low, high);
}

int sticky_epoll_delete(int epoll, int descriptor) {
    return control(epoll, EPOLL_CTL_DEL, descriptor, 0, 0, 0);
}

int sticky_epoll_wait(int epoll, sticky_epoll_event *events, int capacity, int milliseconds) {
    int count = epoll_wait(epoll, (struct epoll_event *)events, capacity, milliseconds);
    return count < 0 ? -errno : count;
}

int sticky_eventfd(void) {
    int descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

int sticky_eventfd_ring(int descriptor) {
    uint64_t one = 1;
    return write(descriptor, &one, sizeof one) == sizeof one ? 0 : -errno;
}
#endif
