// Just enough HTTP/1.1 to know where a response ends. Chunked bodies are not understood: the measured paths have none.
#define _GNU_SOURCE
#include "load.h"
#include <stdlib.h>
#include <string.h>

int64_t response_length = -1;

void response_reset(struct response *r) {
    r->head_length = 0;
    r->in_body = r->until_end = false;
    r->remaining = 0;
}

static int parse_head(struct response *r) {
    if (strncmp(r->head, "HTTP/1.1 200", 12) != 0 || strcasestr(r->head, "\r\ntransfer-encoding:")) return -1;
    const char *length = strcasestr(r->head, "\r\ncontent-length:");
    if (length) r->remaining = strtoull(length + 17, NULL, 10);
    else r->until_end = true;
    r->in_body = true;
    if (response_length >= 0 && (r->until_end || r->remaining != (uint64_t)response_length)) return -1;
    return 0;
}

int response_feed(struct response *r, const char *bytes, size_t count) {
    if (!r->in_body) {
        size_t before = r->head_length, room = sizeof r->head - 1 - before;
        size_t taken = count < room ? count : room;
        memcpy(r->head + before, bytes, taken);
        r->head[before + taken] = 0;
        r->head_length += taken;
        char *end = strstr(r->head, "\r\n\r\n");
        if (!end) return r->head_length == sizeof r->head - 1 ? -1 : 0;
        end[2] = 0; // what follows is body and must not be searched
        size_t used = (size_t)(end + 4 - r->head) - before;
        if (parse_head(r) < 0) return -1;
        bytes += used;
        count -= used;
    }
    if (r->until_end) return 0;
    if (count > r->remaining) return -1; // nothing was asked for that could follow
    r->remaining -= count;
    return r->remaining == 0;
}
