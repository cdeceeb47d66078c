#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CStickyServer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sched.h>
#include <sys/syscall.h>
#endif

extern char **environ;

#define CONTROL_DESCRIPTOR 3

int sticky_spawn(int32_t *pid, const char *path, char *const argv[], char *const envp[], int control, int policy) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int error = posix_spawn_file_actions_init(&actions);
    if (error) return error;
    error = posix_spawnattr_init(&attributes);
    if (error) {
        posix_spawn_file_actions_destroy(&actions);
        return error;
    }
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP;
    // dup2 onto the same number clears close-on-exec (POSIX issue 8), so this also holds when `control` is 3.
    error = posix_spawn_file_actions_adddup2(&actions, control, CONTROL_DESCRIPTOR);
#ifdef __linux__
    if (!error) error = posix_spawn_file_actions_addclosefrom_np(&actions, CONTROL_DESCRIPTOR + 1);
    if (policy >= 0) flags |= POSIX_SPAWN_SETSCHEDULER;
    if (!error && policy >= 0) error = posix_spawnattr_setschedpolicy(&attributes, policy);
#else
    (void)policy;
    flags |= POSIX_SPAWN_CLOEXEC_DEFAULT;
    for (int i = 0; !error && i <= 2; i++) error = posix_spawn_file_actions_addinherit_np(&actions, i);
#endif
    if (!error) error = posix_spawnattr_setsigmask(&attributes, &none);
    if (!error) error = posix_spawnattr_setsigdefault(&attributes, &all);
    if (!error) error = posix_spawnattr_setpgroup(&attributes, 0);
    if (!error) error = posix_spawnattr_setflags(&attributes, flags);
    if (!error) error = posix_spawn(pid, path, &actions, &attributes, argv, envp);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

int sticky_pidfd(int32_t pid) {
#if defined(__linux__) && defined(SYS_pidfd_open)
    int descriptor = (int)syscall(SYS_pidfd_open, pid, 0); // close-on-exec by definition
    return descriptor < 0 ? -errno : descriptor;
#else
    (void)pid;
    return -ENOSYS;
#endif
}

int sticky_affinity_count(void) {
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

int sticky_exited(int status) { return WIFEXITED(status); }
int sticky_exit_code(int status) { return WEXITSTATUS(status); }
int sticky_term_signal(int status) { return WIFSIGNALED(status) ? WTERMSIG(status) : 0; }

char **sticky_environ(void) { return environ; }

int sticky_memory_file(void) {
#ifdef __linux__
    int descriptor = memfd_create("sticky", MFD_CLOEXEC | MFD_ALLOW_SEALING);
#else
    char path[] = "/tmp/sticky-upgrade-XXXXXX";
    int descriptor = mkstemp(path);
    if (descriptor >= 0) unlink(path);
#endif
    return descriptor < 0 ? -errno : descriptor;
}

int sticky_seal_size(int descriptor) {
#ifdef __linux__
    return fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 ? -errno : 0;
#else
    (void)descriptor;
    return -ENOSYS;
#endif
}

void sticky_block_signals(const int *signals, size_t count, int block) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++) sigaddset(&set, signals[i]);
    pthread_sigmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

uint64_t sticky_monotonic_microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

int64_t sticky_raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    }
    return limit.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)limit.rlim_cur;
}
