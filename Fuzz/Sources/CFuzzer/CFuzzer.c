#define _GNU_SOURCE
#include "CFuzzer.h"
#include <dlfcn.h>
#include <netdb.h>

// In front of the C library's: random names must not be asked of anybody's name server.
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result) {
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    struct addrinfo numeric = {0};
    if (hints) numeric = *hints;
    numeric.ai_flags |= AI_NUMERICHOST;
    return next(name, service, &numeric, result);
}
