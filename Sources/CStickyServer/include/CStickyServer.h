// What Swift cannot import from the platform: the CMSG macros, calls that only exist behind _GNU_SOURCE, variadic
// functions and the wait-status macros. Each function does one system call or expands one macro.
#ifndef CSTICKYSERVER_H
#define CSTICKYSERVER_H

// Only these: what the C library declares must stay the C library's module's in Swift.
#include <stddef.h>
#include <stdint.h>

// The most descriptors one hand-off message carries.
#define STICKY_MAX_DESCRIPTORS 16

// sendmsg(2) of one message with `count` descriptors as SCM_RIGHTS, without SIGPIPE and without blocking.
// Returns the bytes sent, or -errno.
intptr_t sticky_send(int socket, const void *bytes, size_t length, const int *descriptors, int count);

// recvmsg(2) of one message; every descriptor arrives close-on-exec. `*count` holds the room in `descriptors` and
// receives how many came, or -1 when some were lost because this process can have no more (those that came are closed).
// Returns the bytes received (0 at end of file), or -errno; -EMSGSIZE when the message is longer than `capacity`.
intptr_t sticky_receive(int socket, void *bytes, size_t capacity, int *descriptors, int *count, int blocking);

// A connected pair for the control socket: SOCK_SEQPACKET where it exists, SOCK_STREAM on Darwin; close-on-exec.
// Returns 0 or -errno.
int sticky_control_pair(int pair[2]);

// accept4(2) with SOCK_NONBLOCK | SOCK_CLOEXEC. Returns the descriptor, or -errno.
int sticky_accept(int listener, void *address, uint32_t *length);

// fcntl(2) is variadic. 0 or -errno.
int sticky_set_nonblocking(int descriptor, int on);
int sticky_set_cloexec(int descriptor, int on);

// posix_spawn(3) of `path` with `control` at descriptor 3 and nothing else open above 2, default signal dispositions,
// an empty mask and a process group of its own. `policy`: how it is scheduled (sched(7)); negative: as the caller is.
// Returns 0 or an errno value.
int sticky_spawn(int32_t *pid, const char *path, char *const argv[], char *const envp[], int control, int policy);

// A descriptor that becomes readable when `pid` ends (pidfd_open(2)), or -errno (-ENOSYS off Linux).
int sticky_pidfd(int32_t pid);

// A file without a name, for state that outlives execve(2) or is shared: memfd_create(2), or an unlinked temporary file.
// The descriptor, or -errno.
int sticky_memory_file(void);

// Nobody can make a file of sticky_memory_file longer or shorter any more (F_ADD_SEALS). 0 or -errno (-ENOSYS off Linux).
int sticky_seal_size(int descriptor);

// Blocks or unblocks these signals for the calling thread (pthread_sigmask(3)); the mask survives execve(2).
void sticky_block_signals(const int *signals, size_t count, int block);

// setrlimit(2): raises the soft limit of open descriptors to the hard one. Returns the limit, or -errno.
int64_t sticky_raise_descriptor_limit(void);

// The usable cores: sched_getaffinity(2) on Linux, the online processors elsewhere.
int sticky_affinity_count(void);

// One instruction of classic BPF, as struct sock_filter of linux/filter.h.
struct sticky_bpf_instruction {
    uint16_t code;
    uint8_t jt;
    uint8_t jf;
    uint32_t k;
};

// setsockopt(2) SO_ATTACH_REUSEPORT_CBPF: the program chooses the listener of each new connection. 0 or -errno (-ENOSYS off
// Linux).
int sticky_attach_steering(int listener, const struct sticky_bpf_instruction *program, uint16_t count);

// Wait-status macros (wait(2)).
int sticky_exited(int status);
int sticky_exit_code(int status);
int sticky_term_signal(int status);

// `stderr` and `environ` are mutable globals, which Swift 6 refuses.
char **sticky_environ(void);

// prctl(2): whether others may trace this process and read its files in /proc. Nothing off Linux.
void sticky_set_dumpable(int dumpable);

// Makes one thread of this process take over the user and groups that the calling thread has. 0 or -errno.
int sticky_follow_identity(int32_t thread);

// prctl(2): the calling thread's name in ps and debuggers, at most 15 bytes. Nothing off Linux.
void sticky_name_thread(const char *name);

// clock_gettime(2): `timespec` is not importable beside every C module.
uint64_t sticky_monotonic_microseconds(void);

// MARK: - Signal handlers. They run on an interrupted thread and may only make async-signal-safe calls
// (signal-safety(7)), which the Swift runtime does not promise for compiled Swift; so they are written here.

// Writes the number of each `signal` that arrives as one byte to `pipe`, which must be non-blocking. 0 or -errno.
int sticky_signal_to_pipe(int signal, int pipe);

// The crash notice: on SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV and SIGSYS sends `frame` (with the signal's
// number in its last byte) on `control`, shuts down every client socket noted with sticky_crash_note_descriptor, and
// then lets the handler that was installed before (Swift's backtracer) run. 0 or -errno.
int sticky_crash_notice_install(int control, const void *frame, size_t length);

// Tells the crash notice that client sockets reach up to `descriptor`.
void sticky_crash_note_descriptor(int descriptor);

// Ends the process at once after `seconds` (alarm(2) with its default action), whatever its threads are doing.
void sticky_exit_after(unsigned seconds);

#endif
