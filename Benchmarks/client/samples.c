// Latencies are kept one by one and sorted at the end: exact, and 4 bytes each.
#include "load.h"
#include <stdio.h>
#include <stdlib.h>

void samples_add(struct samples *s, uint64_t nanoseconds) {
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 1 << 16;
        s->values = realloc(s->values, s->capacity * sizeof *s->values);
        if (!s->values) abort();
    }
    uint64_t tenths = nanoseconds / 100;
    s->values[s->count++] = tenths > UINT32_MAX ? UINT32_MAX : (uint32_t)tenths;
}

static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static double quantile(const struct samples *s, double q) {
    size_t index = (size_t)(q * (double)s->count);
    return s->values[index < s->count ? index : s->count - 1] / 10.0;
}

void samples_print(struct samples *s, const char *name) {
    if (s->count == 0) {
        printf("\"%s\": null", name);
        return;
    }
    qsort(s->values, s->count, sizeof *s->values, compare);
    printf("\"%s\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p99.9\": %.1f, \"max\": %.1f}", name,
           quantile(s, 0.5), quantile(s, 0.9), quantile(s, 0.99), quantile(s, 0.999), quantile(s, 1));
}
