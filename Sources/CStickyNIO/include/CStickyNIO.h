// What Swift cannot import from Linux: epoll(7) and eventfd(2). Each function does one system call.
#ifndef CSTICKYNIO_H
#define CSTICKYNIO_H

#include <stdint.h>

// struct epoll_event, with its data as two halves. The kernel packs it on x86-64.
typedef struct {
    uint32_t events;
#if !defined(__x86_64__)
    uint32_t padding;
#endif
    uint32_t low;
    uint32_t high;
} sticky_epoll_event;

// EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP and EPOLLET.
#define STICKY_EPOLL_IN 0x1u
#define STICKY_EPOLL_OUT 0x4u
#define STICKY_EPOLL_ERR 0x8u
#define STICKY_EPOLL_HUP 0x10u
#define STICKY_EPOLL_RDHUP 0x2000u
#define STICKY_EPOLL_EDGE 0x80000000u

// epoll_create1(2), close-on-exec. The descriptor, or -errno.
int sticky_epoll_create(void);

// epoll_ctl(2). 0 or -errno.
int sticky_epoll_add(int epoll, int descriptor, uint32_t events, uint32_t low, uint32_t high);
int sticky_epoll_modify(int epoll, int descriptor, uint32_t events, uint32_t low, uint32_t high);
int sticky_epoll_delete(int epoll, int descriptor);

// epoll_wait(2). The number of events, or -errno.
int sticky_epoll_wait(int epoll, sticky_epoll_event *events, int capacity, int milliseconds);

// eventfd(2), non-blocking and close-on-exec. The descriptor, or -errno.
int sticky_eventfd(void);

// Adds 1 to an eventfd. 0 or -errno.
int sticky_eventfd_ring(int descriptor);

#endif
