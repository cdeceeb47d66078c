#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CStickyServer.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>

// In a worker, before main and so before there is a second thread: the attribute is one of threads, and inherited.
__attribute__((constructor)) static void no_new_privileges(void) {
    if (getenv("STICKY_CONTROL")) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

// setuid(2) of the C library tells all threads, except those that it believes to be ending. The main thread of a Swift
// program with an asynchronous main is such a one: it sleeps for ever, still root, and would run signal handlers. What
// follows makes one such thread follow the others; only system calls, since it runs in a signal handler.

#define GROUP_CAPACITY 256

static gid_t groups[GROUP_CAPACITY];
static size_t group_count;
static gid_t wanted_group;
static uid_t wanted_user;
static atomic_int followed;

static void follow(int signal) {
    (void)signal;
    int saved = errno;
    if (syscall(SYS_setgroups, group_count, groups) == 0 &&
        syscall(SYS_setresgid, wanted_group, wanted_group, wanted_group) == 0 &&
        syscall(SYS_setresuid, wanted_user, wanted_user, wanted_user) == 0)
        atomic_fetch_add(&followed, 1);
    errno = saved;
}

int sticky_follow_identity(int32_t thread) {
    struct sigaction action, previous;
    int signal = SIGRTMAX - 1;
    int count = getgroups(GROUP_CAPACITY, groups);
    if (count < 0) return -errno;
    group_count = (size_t)count;
    wanted_group = getegid();
    wanted_user = geteuid();
    int before = atomic_load(&followed);
    memset(&action, 0, sizeof action);
    action.sa_handler = follow;
    if (sigaction(signal, &action, &previous) < 0) return -errno;
    int error = 0;
    if (syscall(SYS_tgkill, getpid(), thread, signal) < 0) error = -errno;
    // It has nothing else to do; a second is more than enough.
    for (int i = 0; !error && atomic_load(&followed) == before; i++) {
        if (i == 1000) error = -ETIMEDOUT;
        usleep(1000);
    }
    sigaction(signal, &previous, NULL);
    return error;
}

void sticky_set_dumpable(int dumpable) { prctl(PR_SET_DUMPABLE, dumpable); }

void sticky_name_thread(const char *name) { prctl(PR_SET_NAME, name); }
#else
int sticky_follow_identity(int32_t thread) {
    (void)thread;
    return 0;
}

void sticky_set_dumpable(int dumpable) { (void)dumpable; }

void sticky_name_thread(const char *name) { (void)name; }
#endif
