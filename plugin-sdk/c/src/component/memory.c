/*
 * Where the host puts a call's parameters: an arena that is emptied as a whole with the first allocation after the
 * call, so that a plugin that runs for days allocates nothing for them.
 */
#include <stdlib.h>

#include "abi.h"

enum { CHUNK_BYTES_MIN = 64 << 10 };

/* The chunks of one call; one of them, once it is known how much a call needs. */
typedef struct chunk {
    struct chunk *before;
    size_t capacity;
    /* What follows is aligned for any type. */
    _Alignas(16) uint8_t data[];
} chunk;

static chunk *last;
static size_t used;
static size_t total;
static bool is_done;

void abi_done(void) { is_done = true; }

static void add_chunk(size_t capacity) {
    chunk *added = malloc(sizeof *added + capacity);
    if (added == NULL) abort();
    added->before = last;
    added->capacity = capacity;
    last = added;
    used = 0;
}

static void empty(void) {
    is_done = false;
    used = 0;
    if (last == NULL || last->before == NULL) return;
    while (last != NULL) {
        chunk *before = last->before;
        free(last);
        last = before;
    }
    add_chunk(total);
}

EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_bytes, size_t align, size_t bytes) {
    if (bytes == 0) return (void *)align;
    if (is_done) empty();
    size_t start = (used + align - 1) & ~(align - 1);
    if (last == NULL || start > last->capacity || last->capacity - start < bytes) {
        size_t capacity = tidemill_max(tidemill_max(bytes, CHUNK_BYTES_MIN), total);
        add_chunk(capacity);
        total += capacity;
        start = 0;
    }
    used = start + bytes;
    uint8_t *at = last->data + start;
    if (old_bytes != 0) memcpy(at, old, old_bytes < bytes ? old_bytes : bytes);
    return at;
}
