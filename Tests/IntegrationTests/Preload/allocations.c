// Preloaded into a server (ld.so(8), LD_PRELOAD): counts what each process asks of the allocator, in a file named by its
// pid in the directory ALLOCATION_COUNTS. The file is mapped, so that a test can read it while the process runs.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

// glibc's own, by names that nobody replaces: looking them up with dlsym would itself allocate.
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static _Atomic uint64_t before; // until the file is there
static _Atomic uint64_t *count = &before;

__attribute__((constructor)) static void open_file(void) {
    const char *directory = getenv("ALLOCATION_COUNTS");
    char path[4096];
    if (!directory || snprintf(path, sizeof path, "%s/%d", directory, getpid()) >= (int)sizeof path) return;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return;
    void *mapped = MAP_FAILED;
    if (ftruncate(fd, sizeof *count) == 0) mapped = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED) count = mapped;
}

static void add(void) { atomic_fetch_add_explicit(count, 1, memory_order_relaxed); }

void *malloc(size_t size) {
    add();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    add();
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) {
    add();
    return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
    add();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **result, size_t alignment, size_t size) {
    if (alignment % sizeof(void *) || alignment == 0 || (alignment & (alignment - 1))) return EINVAL;
    void *found = memalign(alignment, size);
    if (!found) return ENOMEM;
    *result = found;
    return 0;
}
