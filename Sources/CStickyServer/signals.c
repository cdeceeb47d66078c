#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CStickyServer.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

static atomic_int signal_pipe = -1;

static void write_signal(int signal) {
    int saved = errno;
    unsigned char byte = (unsigned char)signal;
    // A full pipe drops the byte: signals of one kind merge anyway.
    if (write(atomic_load(&signal_pipe), &byte, 1) < 0) errno = saved;
    errno = saved;
}

int sticky_signal_to_pipe(int signal, int pipe) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    atomic_store(&signal_pipe, pipe);
    action.sa_handler = write_signal;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    return sigaction(signal, &action, NULL) < 0 ? -errno : 0;
}

// The crash notice. All state is set before the handlers are installed, except the highest descriptor.

static const int fatal_signals[] = {SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS};
#define FATAL_COUNT (sizeof fatal_signals / sizeof *fatal_signals)
#define NOTICE_CAPACITY 64

static struct sigaction previous[FATAL_COUNT];
static unsigned char notice[NOTICE_CAPACITY];
static size_t notice_length;
static int notice_socket = -1;
static atomic_int highest_descriptor = -1;
static atomic_flag notice_sent = ATOMIC_FLAG_INIT;

static void on_fatal(int signal, siginfo_t *info, void *context) {
    if (!atomic_flag_test_and_set(&notice_sent)) {
        notice[notice_length - 1] = (unsigned char)signal;
        (void)send(notice_socket, notice, notice_length, MSG_NOSIGNAL | MSG_DONTWAIT);
        // The clients of this process are freed now and not when the backtrace is written. Not the control socket:
        // its end of file tells the master that the process is gone.
        int last = atomic_load(&highest_descriptor);
        for (int descriptor = 3; descriptor <= last; descriptor++)
            if (descriptor != notice_socket) shutdown(descriptor, SHUT_RDWR);
    }
#ifdef __linux__
    // The backtracer is another process and reads this one's maps. Core files stay off by their size limit.
    prctl(PR_SET_DUMPABLE, 1);
#endif
    for (size_t i = 0; i < FATAL_COUNT; i++) {
        if (fatal_signals[i] != signal) continue;
        if (previous[i].sa_flags & SA_SIGINFO) {
            previous[i].sa_sigaction(signal, info, context);
        } else if (previous[i].sa_handler != SIG_DFL && previous[i].sa_handler != SIG_IGN) {
            previous[i].sa_handler(signal);
        } else {
            // Back to the default action, which the faulting instruction or raise(3) then meets.
            struct sigaction plain;
            memset(&plain, 0, sizeof plain);
            plain.sa_handler = SIG_DFL;
            sigaction(signal, &plain, NULL);
            raise(signal);
        }
        return;
    }
}

int sticky_crash_notice_install(int control, const void *frame, size_t length) {
    if (length == 0 || length > NOTICE_CAPACITY) return -EINVAL;
    memcpy(notice, frame, length);
    notice_length = length;
    notice_socket = control;
    for (size_t i = 0; i < FATAL_COUNT; i++) {
        struct sigaction action;
        if (sigaction(fatal_signals[i], NULL, &previous[i]) < 0) return -errno;
        memset(&action, 0, sizeof action);
        action.sa_sigaction = on_fatal;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | (previous[i].sa_flags & SA_NODEFER);
        action.sa_mask = previous[i].sa_mask;
        if (sigaction(fatal_signals[i], &action, NULL) < 0) return -errno;
    }
    return 0;
}

void sticky_crash_note_descriptor(int descriptor) {
    int highest = atomic_load_explicit(&highest_descriptor, memory_order_relaxed);
    while (descriptor > highest &&
           !atomic_compare_exchange_weak(&highest_descriptor, &highest, descriptor)) {
    }
}

void sticky_exit_after(unsigned seconds) {
    signal(SIGALRM, SIG_DFL);
    alarm(seconds);
}
