/*
 * What a transform makes of records. A column of the result begins with the first record that sets that part; what
 * was emitted before it, and what does not set it later, gets a copy of the input record's.
 */
#include <stdarg.h>

#include "plugin.h"
#include "record.h"

enum {
    /* Beside the parts of a record, of which these three are columns. */
    PORTS = 16,
    NO_DRAFT = 32,
    COLUMNS = TIDEMILL_KEYS | TIDEMILL_VALUES | TIDEMILL_HEADERS,
};

/* A part of the records under construction. */
typedef struct {
    tidemill_builder column;
    const tidemill_column *input;
    unsigned bit;
    const char *name;
} part;

struct tidemill_emitter {
    const tidemill_about *about;
    const tidemill_batch *input;
    part keys, values, headers;
    /* Of int64_t, uint16_t, uint32_t and tidemill_rejection. */
    tidemill_buffer timestamps, ports, counts, rejected;
    /* The reasons, one after the other: their places are known when the last one is written. */
    tidemill_buffer reasons;
    /* The parts that have a column, those that were set since the last emit, and which of these are absent, or have a
     * column only since then. */
    unsigned begun, draft, absent, opened;
    /* The draft that an emit has nothing to ask about: columns alone, all that have begun, none absent, none new.
     * NO_DRAFT is none at all. */
    unsigned plain;
    int64_t timestamp;
    uint16_t port;
    /* Of the input record at hand; it is open until it is rejected. */
    uint32_t current;
    size_t before;
    bool is_open;
    size_t emitted;
    tidemill_status status;
};

static void fail_unread(tidemill_emitter *out, const char *name) {
    if (out->status != TIDEMILL_OK) return;
    out->status = tidemill_fatal(
        "some records set their %s and others keep them, but the plugin does not read them: set them for all, or "
        "add them to `reads`", name);
}

/* Copies that part of the input records of all that was emitted. */
static void backfill(tidemill_emitter *out, part *part) {
    const uint32_t *counts = AS(uint32_t, out->counts);
    for (uint32_t source = 0; source <= out->current; source++) {
        for (uint32_t i = 0; i < counts[source]; i++) tidemill_builder_copy(&part->column, part->input, source);
    }
}

/* Gets a column ready for its first item of this call. */
static __attribute__((noinline)) void open_part(tidemill_emitter *out, part *part) {
    size_t bytes = part->input->data_length;
    tidemill_builder_begin(&part->column, bytes + bytes / 8 + 64, out->counts.length / sizeof(uint32_t));
    out->begun |= part->bit;
    out->opened |= part->bit;
    out->plain = NO_DRAFT;
    if (out->is_open) backfill(out, part);
}

static inline uint8_t *reserve(tidemill_emitter *out, part *part, unsigned bit, size_t length) {
    if ((out->begun & bit) == 0) open_part(out, part);
    out->draft |= bit;
    if (out->absent != 0) out->absent &= ~bit;
    tidemill_buffer *data = &part->column.data;
    if (data->capacity - data->length < length) tidemill_make_room(data, length);
    uint8_t *at = data->data + data->length;
    data->length += length;
    return at;
}

static inline void set_bytes(tidemill_emitter *out, part *part, unsigned bit, tidemill_bytes bytes) {
    if ((out->draft & bit) != 0) tidemill_builder_drop(&part->column);
    tidemill_copy(reserve(out, part, bit, bytes.length), bytes.data, bytes.length);
}

static void set_none(tidemill_emitter *out, part *part) {
    reserve(out, part, part->bit, 0);
    tidemill_builder_drop(&part->column);
    out->absent |= part->bit;
    out->plain = NO_DRAFT;
}

void tidemill_set_value(tidemill_emitter *out, tidemill_bytes value) { set_bytes(out, &out->values, TIDEMILL_VALUES, value); }
void tidemill_set_key(tidemill_emitter *out, tidemill_bytes key) { set_bytes(out, &out->keys, TIDEMILL_KEYS, key); }
void tidemill_set_no_value(tidemill_emitter *out) { set_none(out, &out->values); }
void tidemill_set_no_key(tidemill_emitter *out) { set_none(out, &out->keys); }

uint8_t *tidemill_reserve_value(tidemill_emitter *out, size_t length) {
    return reserve(out, &out->values, TIDEMILL_VALUES, length);
}
uint8_t *tidemill_reserve_key(tidemill_emitter *out, size_t length) {
    return reserve(out, &out->keys, TIDEMILL_KEYS, length);
}

void tidemill_print_value(tidemill_emitter *out, const char *format, ...) {
    reserve(out, &out->values, TIDEMILL_VALUES, 0);
    va_list arguments;
    va_start(arguments, format);
    tidemill_append_printed(&out->values.column.data, format, arguments);
    va_end(arguments);
}

static void append_number(tidemill_buffer *to, int64_t number) {
    uint64_t rest = ((uint64_t)number << 1) ^ (uint64_t)(number >> 63);
    for (;;) {
        uint8_t byte = (uint8_t)(rest & 0x7f);
        rest >>= 7;
        if (rest != 0) byte |= 0x80;
        tidemill_append(to, &byte, 1);
        if (rest == 0) return;
    }
}

void tidemill_set_headers(tidemill_emitter *out, const tidemill_header *headers, size_t count) {
    tidemill_bytes nothing = {NULL, 0};
    set_bytes(out, &out->headers, TIDEMILL_HEADERS, nothing);
    tidemill_buffer *to = &out->headers.column.data;
    append_number(to, (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        append_number(to, (int64_t)headers[i].name.length);
        tidemill_append(to, headers[i].name.data, headers[i].name.length);
        append_number(to, headers[i].value.data == NULL ? -1 : (int64_t)headers[i].value.length);
        tidemill_append(to, headers[i].value.data, headers[i].value.length);
    }
}

void tidemill_set_timestamp(tidemill_emitter *out, int64_t timestamp) {
    out->timestamp = timestamp;
    out->draft |= TIDEMILL_TIMESTAMPS;
}

void tidemill_set_port(tidemill_emitter *out, uint16_t port) {
    size_t ports = tidemill_max(out->about->port_count, 1);
    if (port >= ports) {
        if (out->status == TIDEMILL_OK) {
            out->status = tidemill_fatal("there is no port %d; the plugin has %zu", port, ports);
        }
        return;
    }
    out->port = port;
    if (port != 0) out->draft |= PORTS;
}

static __attribute__((noinline)) void drop_draft(tidemill_emitter *out) {
    part *parts[] = {&out->keys, &out->values, &out->headers};
    for (size_t i = 0; i < 3; i++) {
        if ((out->opened & parts[i]->bit) != 0) {
            tidemill_builder_reset(&parts[i]->column);
        } else if (parts[i]->column.has_begun) {
            tidemill_builder_drop(&parts[i]->column);
        }
    }
    out->begun &= ~out->opened;
    out->draft = out->absent = out->opened = 0;
    out->plain = NO_DRAFT;
    out->port = 0;
}

static void close_part(tidemill_emitter *out, part *part) {
    if (!part->column.has_begun) return;
    bool is_unread = (out->about->reads & part->bit) == 0;
    if ((out->opened & part->bit) != 0 && out->emitted > 0 && is_unread) fail_unread(out, part->name);
    if ((out->absent & part->bit) != 0) {
        tidemill_builder_absent(&part->column);
    } else if ((out->draft & part->bit) != 0) {
        tidemill_builder_end(&part->column);
    } else {
        if (is_unread) fail_unread(out, part->name);
        tidemill_builder_copy(&part->column, part->input, out->current);
    }
}

static int64_t input_timestamp(const tidemill_emitter *out, uint32_t source) {
    tidemill_record record = {out->input, source};
    return tidemill_timestamp(&record);
}

static void close_timestamp(tidemill_emitter *out) {
    bool was_read = (out->about->reads & TIDEMILL_TIMESTAMPS) != 0;
    if (out->timestamps.length == 0 && out->emitted > 0) {
        if (!was_read) fail_unread(out, "timestamps");
        for (uint32_t source = 0; source <= out->current; source++) {
            int64_t timestamp = input_timestamp(out, source);
            uint32_t count = AS(uint32_t, out->counts)[source];
            for (uint32_t i = 0; i < count; i++) tidemill_append(&out->timestamps, &timestamp, sizeof timestamp);
        }
    }
    bool is_set = (out->draft & TIDEMILL_TIMESTAMPS) != 0;
    if (!is_set && !was_read) fail_unread(out, "timestamps");
    int64_t timestamp = is_set ? out->timestamp : input_timestamp(out, out->current);
    tidemill_append(&out->timestamps, &timestamp, sizeof timestamp);
    out->begun |= TIDEMILL_TIMESTAMPS;
}

static void close_port(tidemill_emitter *out) {
    uint16_t first = 0;
    while (out->ports.length < out->emitted * sizeof first) tidemill_append(&out->ports, &first, sizeof first);
    tidemill_append(&out->ports, &out->port, sizeof out->port);
    out->begun |= PORTS;
    out->port = 0;
}

/* Some part is kept, absent, or no column. */
static __attribute__((noinline)) void close_all(tidemill_emitter *out) {
    close_part(out, &out->keys);
    close_part(out, &out->values);
    close_part(out, &out->headers);
    if (((out->draft | out->begun) & TIDEMILL_TIMESTAMPS) != 0) close_timestamp(out);
    if (((out->draft | out->begun) & PORTS) != 0) close_port(out);
}

static __attribute__((noinline)) void emit_asking(tidemill_emitter *out) {
    if (!out->is_open) {
        drop_draft(out);
        return;
    }
    close_all(out);
    out->draft = out->absent = out->opened = 0;
    out->plain = (out->begun & ~(unsigned)COLUMNS) == 0 ? out->begun : NO_DRAFT;
    AS(uint32_t, out->counts)[out->current]++;
    out->emitted++;
}

void tidemill_emit(tidemill_emitter *out) {
    unsigned draft = out->draft;
    /* Most plugins set the same columns in every record. */
    if (draft != out->plain) {
        emit_asking(out);
        return;
    }
    if ((draft & TIDEMILL_VALUES) != 0) tidemill_builder_end_fast(&out->values.column);
    if ((draft & TIDEMILL_KEYS) != 0) tidemill_builder_end_fast(&out->keys.column);
    if ((draft & TIDEMILL_HEADERS) != 0) tidemill_builder_end_fast(&out->headers.column);
    out->draft = 0;
    AS(uint32_t, out->counts)[out->current]++;
    out->emitted++;
}

/* Nothing has been emitted: no part needs a column yet. */
static void forget_columns(tidemill_emitter *out) {
    tidemill_builder_reset(&out->keys.column);
    tidemill_builder_reset(&out->values.column);
    tidemill_builder_reset(&out->headers.column);
    out->timestamps.length = out->ports.length = 0;
    out->begun = 0;
}

static void truncate_to(tidemill_buffer *buffer, size_t length) {
    if (buffer->length > length) buffer->length = length;
}

void tidemill_reject(tidemill_emitter *out, const char *format, ...) {
    if (!out->is_open) return;
    drop_draft(out);
    part *parts[] = {&out->keys, &out->values, &out->headers};
    for (size_t i = 0; i < 3; i++) {
        tidemill_builder *column = &parts[i]->column;
        if (tidemill_builder_items(column) > out->before) tidemill_builder_truncate(column, out->before);
    }
    truncate_to(&out->timestamps, out->before * sizeof(int64_t));
    truncate_to(&out->ports, out->before * sizeof(uint16_t));
    out->emitted = out->before;
    if (out->emitted == 0) forget_columns(out);
    AS(uint32_t, out->counts)[out->current] = 0;
    out->is_open = false;
    out->plain = NO_DRAFT;

    tidemill_rejection rejection = {.index = out->current};
    size_t start = out->reasons.length;
    va_list arguments;
    va_start(arguments, format);
    tidemill_append_printed(&out->reasons, format, arguments);
    va_end(arguments);
    rejection.reason_length = out->reasons.length - start;
    tidemill_append(&out->rejected, &rejection, sizeof rejection);
}

void tidemill_begin_record(tidemill_emitter *out, uint32_t index) {
    if (out->draft != 0) drop_draft(out);
    out->current = index;
    out->before = out->emitted;
    out->is_open = true;
}

static void begin_part(part *part, const tidemill_column *input, unsigned bit, const char *name) {
    tidemill_builder_reset(&part->column);
    part->input = input;
    part->bit = bit;
    part->name = name;
}

static void begin(tidemill_emitter *out, const tidemill_about *about, const tidemill_batch *batch, size_t length) {
    out->about = about;
    out->input = batch;
    begin_part(&out->keys, &batch->keys, TIDEMILL_KEYS, "keys");
    begin_part(&out->values, &batch->values, TIDEMILL_VALUES, "values");
    begin_part(&out->headers, &batch->headers, TIDEMILL_HEADERS, "headers");
    out->timestamps.length = out->ports.length = out->rejected.length = out->reasons.length = 0;
    out->counts.length = 0;
    tidemill_make_room(&out->counts, length * sizeof(uint32_t));
    out->counts.length = length * sizeof(uint32_t);
    if (length != 0) memset(out->counts.data, 0, out->counts.length);
    out->begun = out->draft = out->absent = out->opened = 0;
    out->plain = NO_DRAFT;
    out->is_open = false;
    out->port = 0;
    out->current = 0;
    out->before = out->emitted = 0;
    out->status = TIDEMILL_OK;
}

static bool is_one_each(const tidemill_emitter *out, size_t length) {
    if (out->emitted != length) return false;
    for (size_t i = 0; i < length; i++) {
        if (AS(uint32_t, out->counts)[i] != 1) return false;
    }
    return true;
}

static void finish(tidemill_emitter *out, size_t length, tidemill_outcome *outcome) {
    drop_draft(out);
    tidemill_rejection *rejected = AS(tidemill_rejection, out->rejected);
    size_t rejections = out->rejected.length / sizeof *rejected, start = 0;
    for (size_t i = 0; i < rejections; i++) {
        rejected[i].reason = (const char *)out->reasons.data + start;
        start += rejected[i].reason_length;
    }
    bool has_counts = !is_one_each(out, length);
    tidemill_outcome made = {
        .emitted = {
            .keys = tidemill_builder_column(&out->keys.column),
            .values = tidemill_builder_column(&out->values.column),
            .headers = tidemill_builder_column(&out->headers.column),
            .timestamps = AS(int64_t, out->timestamps),
            .timestamps_length = out->timestamps.length / sizeof(int64_t),
        },
        .counts = AS(uint32_t, out->counts),
        .counts_length = has_counts ? length : 0,
        .ports = AS(uint16_t, out->ports),
        .ports_length = out->ports.length / sizeof(uint16_t),
        .rejected = rejected,
        .rejected_length = rejections,
    };
    *outcome = made;
}

tidemill_status tidemill_run_transform(const tidemill_transform *plugin, const tidemill_batch *batch,
                                       tidemill_outcome *outcome) {
    static tidemill_emitter emitter;
    size_t length = tidemill_batch_length(batch);
    begin(&emitter, &plugin->about, batch, length);
    tidemill_records records = {.batch = batch, .emitter = &emitter, .length = (uint32_t)length};
    tidemill_status status = plugin->process(tidemill_settings(), &records, &emitter);
    finish(&emitter, length, outcome);
    return status != TIDEMILL_OK ? status : emitter.status;
}
