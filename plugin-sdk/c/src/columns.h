/*
 * Columns of byte strings, as they cross the boundary: one buffer, and where each item ends. On wasm32 these structs
 * are the contract's records as they lie in memory: a list is a pointer and a length.
 */
#ifndef TIDEMILL_COLUMNS_H
#define TIDEMILL_COLUMNS_H

#include <stdarg.h>

#include "tidemill.h"

/* Item i is data[offsets[i]..offsets[i + 1]]; bit i of validity, least significant first, is set where it is
 * present, and all are where there is no validity. */
typedef struct {
    const uint8_t *data;
    size_t data_length;
    const uint32_t *offsets;
    size_t offsets_length;
    const uint8_t *validity;
    size_t validity_length;
} tidemill_column;

/* A column without items: no record has that part, or it is not read. */
struct tidemill_batch {
    tidemill_column keys, values, headers;
    const int64_t *timestamps;
    size_t timestamps_length;
};
typedef struct tidemill_batch tidemill_batch;

typedef struct {
    int64_t start, end;
} tidemill_window;

typedef struct {
    uint32_t index;
    const char *reason;
    size_t reason_length;
} tidemill_rejection;

typedef struct {
    tidemill_batch emitted;
    const uint32_t *counts;
    size_t counts_length;
    const uint16_t *ports;
    size_t ports_length;
    const tidemill_rejection *rejected;
    size_t rejected_length;
} tidemill_outcome;

static inline size_t tidemill_items(const tidemill_column *column) {
    return column->offsets_length > 0 ? column->offsets_length - 1 : 0;
}

static inline bool tidemill_has_item(const tidemill_column *column, size_t index) {
    if (index >= tidemill_items(column)) return false;
    return column->validity_length == 0 || (column->validity[index >> 3] >> (index & 7) & 1) != 0;
}

static inline tidemill_bytes tidemill_item(const tidemill_column *column, size_t index) {
    tidemill_bytes item = {NULL, 0};
    if (index < tidemill_items(column)) {
        uint32_t start = column->offsets[index];
        item.data = column->data + start;
        item.length = column->offsets[index + 1] - start;
    }
    return item;
}

static inline size_t tidemill_max(size_t a, size_t b) { return a > b ? a : b; }

/* That of the longest column, for what is not read has no items. */
static inline size_t tidemill_batch_length(const tidemill_batch *batch) {
    size_t columns = tidemill_max(tidemill_items(&batch->keys), tidemill_items(&batch->values));
    return tidemill_max(columns, tidemill_max(tidemill_items(&batch->headers), batch->timestamps_length));
}

/* ---- Buffers that stay from call to call, so that a plugin that runs for days allocates nothing ---- */

typedef struct {
    uint8_t *data;
    size_t length, capacity;
} tidemill_buffer;

/* Room for `more` bytes beyond the length. Without memory it ends the instance. */
void tidemill_make_room(tidemill_buffer *buffer, size_t more);

/* A small copy must not be a call: one `memory.copy` costs more than the bytes. */
static inline void tidemill_copy(uint8_t *to, const uint8_t *from, size_t length) {
    if (length > 32) {
        memcpy(to, from, length);
    } else if (length >= 16) {
        /* The two ends overlap where they must. Both are loaded before one is stored. */
        uint8_t first[16], last[16];
        memcpy(first, from, 16);
        memcpy(last, from + length - 16, 16);
        memcpy(to, first, 16);
        memcpy(to + length - 16, last, 16);
    } else if (length >= 8) {
        uint64_t first, last;
        memcpy(&first, from, 8);
        memcpy(&last, from + length - 8, 8);
        memcpy(to, &first, 8);
        memcpy(to + length - 8, &last, 8);
    } else if (length >= 4) {
        uint32_t first, last;
        memcpy(&first, from, 4);
        memcpy(&last, from + length - 4, 4);
        memcpy(to, &first, 4);
        memcpy(to + length - 4, &last, 4);
    } else if (length > 0) {
        to[0] = from[0];
        to[length / 2] = from[length / 2];
        to[length - 1] = from[length - 1];
    }
}

static inline void tidemill_append(tidemill_buffer *buffer, const void *from, size_t length) {
    if (buffer->capacity - buffer->length < length) tidemill_make_room(buffer, length);
    tidemill_copy(buffer->data + buffer->length, from, length);
    buffer->length += length;
}

/* Appends what printf writes. */
void tidemill_append_printed(tidemill_buffer *buffer, const char *format, va_list arguments);

/* A buffer as an array: realloc aligns it for any type. */
#define AS(type, buffer) ((type *)(void *)(buffer).data)

/* ---- A column in the making ---- */

typedef struct {
    tidemill_buffer data;
    /* Of uint32_t. */
    tidemill_buffer offsets;
    tidemill_buffer validity;
    bool has_begun;
} tidemill_builder;

void tidemill_builder_reset(tidemill_builder *builder);
/* Makes it a column that has items, though none yet. */
void tidemill_builder_begin(tidemill_builder *builder, size_t bytes, size_t items);
/* Ends the item at hand. */
void tidemill_builder_end(tidemill_builder *builder);
void tidemill_builder_absent(tidemill_builder *builder);
void tidemill_builder_copy(tidemill_builder *builder, const tidemill_column *from, size_t index);
/* Forgets what was added to the item at hand. */
void tidemill_builder_drop(tidemill_builder *builder);
void tidemill_builder_truncate(tidemill_builder *builder, size_t items);
tidemill_column tidemill_builder_column(const tidemill_builder *builder);

/* tidemill_builder_end where there is nothing to do but to note where the item ends. */
static inline void tidemill_builder_end_fast(tidemill_builder *builder) {
    tidemill_buffer *offsets = &builder->offsets;
    bool is_plain = builder->validity.length == 0 && offsets->capacity - offsets->length >= sizeof(uint32_t);
    if (is_plain && builder->data.length < (size_t)INT32_MAX) {
        *(uint32_t *)(void *)(offsets->data + offsets->length) = (uint32_t)builder->data.length;
        offsets->length += sizeof(uint32_t);
    } else {
        tidemill_builder_end(builder);
    }
}

static inline size_t tidemill_builder_items(const tidemill_builder *builder) {
    return builder->has_begun ? builder->offsets.length / sizeof(uint32_t) - 1 : 0;
}

#endif
