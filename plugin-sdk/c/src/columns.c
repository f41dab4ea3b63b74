#include "columns.h"

#include <stdio.h>
#include <stdlib.h>

void tidemill_make_room(tidemill_buffer *buffer, size_t more) {
    if (more > SIZE_MAX / 4 || buffer->length > SIZE_MAX / 4) abort();
    size_t needed = buffer->length + more;
    if (needed <= buffer->capacity) return;
    size_t capacity = tidemill_max(needed, tidemill_max(2 * buffer->capacity, 64));
    uint8_t *data = realloc(buffer->data, capacity);
    /* The host tells this trap from others: it knows that it has refused memory. */
    if (data == NULL) abort();
    buffer->data = data;
    buffer->capacity = capacity;
}

static uint32_t *offsets_of(const tidemill_builder *builder) { return (uint32_t *)(void *)builder->offsets.data; }

static void push_offset(tidemill_builder *builder, size_t offset) {
    /* The contract's columns end below 2^31. */
    if (offset >= (size_t)INT32_MAX) abort();
    uint32_t word = (uint32_t)offset;
    tidemill_append(&builder->offsets, &word, sizeof word);
}

void tidemill_builder_reset(tidemill_builder *builder) {
    builder->data.length = builder->offsets.length = builder->validity.length = 0;
    builder->has_begun = false;
}

void tidemill_builder_begin(tidemill_builder *builder, size_t bytes, size_t items) {
    tidemill_make_room(&builder->data, bytes);
    tidemill_make_room(&builder->offsets, (items + 1) * sizeof(uint32_t));
    builder->has_begun = true;
    push_offset(builder, 0);
}

static void mark(tidemill_builder *builder, size_t item, bool is_present) {
    if (item >> 3 == builder->validity.length) tidemill_append(&builder->validity, "", 1);
    uint8_t bit = (uint8_t)(1u << (item & 7));
    if (is_present) {
        builder->validity.data[item >> 3] |= bit;
    } else {
        builder->validity.data[item >> 3] &= (uint8_t)~bit;
    }
}

void tidemill_builder_end(tidemill_builder *builder) {
    if (builder->validity.length != 0) mark(builder, tidemill_builder_items(builder), true);
    push_offset(builder, builder->data.length);
}

void tidemill_builder_absent(tidemill_builder *builder) {
    size_t item = tidemill_builder_items(builder);
    tidemill_builder_drop(builder);
    if (builder->validity.length == 0) {
        for (size_t before = 0; before < item; before++) mark(builder, before, true);
    }
    mark(builder, item, false);
    push_offset(builder, builder->data.length);
}

void tidemill_builder_copy(tidemill_builder *builder, const tidemill_column *from, size_t index) {
    if (!tidemill_has_item(from, index)) {
        tidemill_builder_absent(builder);
        return;
    }
    tidemill_bytes item = tidemill_item(from, index);
    tidemill_append(&builder->data, item.data, item.length);
    tidemill_builder_end(builder);
}

void tidemill_builder_drop(tidemill_builder *builder) {
    builder->data.length = offsets_of(builder)[tidemill_builder_items(builder)];
}

void tidemill_builder_truncate(tidemill_builder *builder, size_t items) {
    builder->offsets.length = (items + 1) * sizeof(uint32_t);
    builder->data.length = offsets_of(builder)[items];
    if (builder->validity.length != 0) builder->validity.length = (items + 7) / 8;
}

tidemill_column tidemill_builder_column(const tidemill_builder *builder) {
    tidemill_column column = {
        .data = builder->data.data,
        .data_length = builder->data.length,
        .offsets = offsets_of(builder),
        .offsets_length = builder->offsets.length / sizeof(uint32_t),
        .validity = builder->validity.data,
        .validity_length = builder->validity.length,
    };
    return column;
}

void tidemill_append_printed(tidemill_buffer *to, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) return;
    tidemill_make_room(to, (size_t)length + 1);
    vsnprintf((char *)to->data + to->length, (size_t)length + 1, format, arguments);
    to->length += (size_t)length;
}
