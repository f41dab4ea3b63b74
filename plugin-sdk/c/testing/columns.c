#include <stdio.h>
#include <stdlib.h>

#include "testing.h"

static void **all;
static size_t all_count;

static void free_all(void) {
    for (size_t i = 0; i < all_count; i++) free(all[i]);
    free(all);
    all = NULL;
    all_count = 0;
}

void *tidemill_test_memory(size_t bytes) {
    if (all == NULL) atexit(free_all);
    void **more = realloc(all, (all_count + 1) * sizeof *all);
    void *memory = calloc(tidemill_max(bytes, 1), 1);
    if (more == NULL || memory == NULL) abort();
    all = more;
    all[all_count++] = memory;
    return memory;
}

static size_t length_of(const char *text, size_t length) { return text == NULL || length != 0 ? length : strlen(text); }

/* Copies of exactly their size: a plugin that reads beyond one is found by the sanitizer. */
tidemill_column tidemill_test_copy(tidemill_column column) {
    uint8_t *data = tidemill_test_memory(column.data_length);
    uint32_t *offsets = tidemill_test_memory(column.offsets_length * sizeof *offsets);
    uint8_t *validity = tidemill_test_memory(column.validity_length);
    if (column.data_length != 0) memcpy(data, column.data, column.data_length);
    if (column.offsets_length != 0) memcpy(offsets, column.offsets, column.offsets_length * sizeof *offsets);
    if (column.validity_length != 0) memcpy(validity, column.validity, column.validity_length);
    column.data = data;
    column.offsets = offsets;
    column.validity = validity;
    return column;
}

static void append_number(tidemill_buffer *to, int64_t number) {
    uint64_t rest = ((uint64_t)number << 1) ^ (uint64_t)(number >> 63);
    do {
        uint8_t byte = (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
        tidemill_append(to, &byte, 1);
        rest >>= 7;
    } while (rest != 0);
}

static void append_headers(tidemill_buffer *to, const tidemill_record_given *record) {
    append_number(to, (int64_t)record->header_count);
    for (size_t i = 0; i < record->header_count; i++) {
        tidemill_header header = record->headers[i];
        append_number(to, (int64_t)header.name.length);
        tidemill_append(to, header.name.data, header.name.length);
        append_number(to, header.value.data == NULL ? -1 : (int64_t)header.value.length);
        tidemill_append(to, header.value.data, header.value.length);
    }
}

/* Appends a part of a record; false where it is absent. */
typedef bool append_part(tidemill_buffer *to, const tidemill_record_given *record);

static bool append_key(tidemill_buffer *to, const tidemill_record_given *record) {
    tidemill_append(to, record->key, length_of(record->key, record->key_length));
    return record->key != NULL;
}

static bool append_value(tidemill_buffer *to, const tidemill_record_given *record) {
    tidemill_append(to, record->value, length_of(record->value, record->value_length));
    return record->value != NULL;
}

static bool append_all_headers(tidemill_buffer *to, const tidemill_record_given *record) {
    if (record->header_count != 0) append_headers(to, record);
    return record->header_count != 0;
}

/* Without items where no record has the part. */
static tidemill_column column_of(append_part *append, const tidemill_record_given *records, size_t count) {
    tidemill_builder builder = {0};
    bool has_any = false;
    tidemill_builder_begin(&builder, 0, count);
    for (size_t i = 0; i < count; i++) {
        if (append(&builder.data, &records[i])) {
            has_any = true;
            tidemill_builder_end(&builder);
        } else {
            tidemill_builder_absent(&builder);
        }
    }
    tidemill_column none = {0};
    tidemill_column column = tidemill_test_copy(has_any ? tidemill_builder_column(&builder) : none);
    free(builder.data.data);
    free(builder.offsets.data);
    free(builder.validity.data);
    return column;
}

tidemill_batch tidemill_test_batch(const tidemill_record_given *records, size_t count, unsigned reads) {
    tidemill_batch batch = {0};
    if (reads & TIDEMILL_KEYS) batch.keys = column_of(append_key, records, count);
    if (reads & TIDEMILL_VALUES) batch.values = column_of(append_value, records, count);
    if (reads & TIDEMILL_HEADERS) batch.headers = column_of(append_all_headers, records, count);
    int64_t *timestamps = tidemill_test_memory(count * sizeof *timestamps);
    for (size_t i = 0; i < count; i++) timestamps[i] = records[i].timestamp;
    batch.timestamps = timestamps;
    batch.timestamps_length = count;
    return batch;
}

const char *tidemill_test_item(const tidemill_column *column, size_t index, size_t *length) {
    *length = 0;
    if (!tidemill_has_item(column, index)) return NULL;
    tidemill_bytes item = tidemill_item(column, index);
    char *copy = tidemill_test_memory(item.length + 1);
    if (item.length != 0) memcpy(copy, item.data, item.length);
    *length = item.length;
    return copy;
}

const char *tidemill_try_settings(const tidemill_about *about, const tidemill_param *params, size_t param_count) {
    tidemill_setting *settings = tidemill_test_memory(param_count * sizeof *settings);
    for (size_t i = 0; i < param_count; i++) {
        settings[i].name = tidemill_text(params[i].name);
        settings[i].value.kind = params[i].kind;
        if (params[i].text != NULL) settings[i].value.text = tidemill_text(params[i].text);
        settings[i].value.integer = params[i].integer;
        settings[i].value.number = params[i].number;
        settings[i].value.boolean = params[i].boolean;
    }
    return tidemill_configure(about, settings, param_count);
}

void tidemill_test_configure(const tidemill_about *about, const tidemill_param *params, size_t param_count) {
    const char *refusal = tidemill_try_settings(about, params, param_count);
    if (refusal != NULL) {
        fprintf(stderr, "the settings are refused: %s\n", refusal);
        exit(1);
    }
}

void tidemill_expected(bool holds, const char *condition, const char *file, int line) {
    if (holds) return;
    fprintf(stderr, "%s:%d: expected: %s\n", file, line, condition);
    exit(1);
}

char tidemill_last_message[1024];
uint64_t tidemill_counted;

void tidemill_host_log(tidemill_level level, const char *message, size_t length) {
    (void)level;
    snprintf(tidemill_last_message, sizeof tidemill_last_message, "%.*s", (int)length, message);
}

void tidemill_host_count(const char *name, size_t length, const tidemill_label *labels, size_t label_count,
                         uint64_t by) {
    (void)name, (void)length, (void)labels, (void)label_count;
    tidemill_counted += by;
}

void tidemill_host_gauge(const char *name, size_t length, const tidemill_label *labels, size_t label_count,
                         double value) {
    (void)name, (void)length, (void)labels, (void)label_count, (void)value;
}
