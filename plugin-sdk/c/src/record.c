#include "record.h"

bool tidemill_next(tidemill_records *records, tidemill_record *record) {
    if (records->next == records->length) return false;
    record->batch = records->batch;
    record->index = records->next++;
    tidemill_begin_record(records->emitter, record->index);
    return true;
}

size_t tidemill_record_count(const tidemill_records *records) { return records->length; }

tidemill_bytes tidemill_value(const tidemill_record *record) {
    return tidemill_item(&record->batch->values, record->index);
}

tidemill_bytes tidemill_key(const tidemill_record *record) {
    return tidemill_item(&record->batch->keys, record->index);
}

bool tidemill_has_value(const tidemill_record *record) {
    return tidemill_has_item(&record->batch->values, record->index);
}

bool tidemill_has_key(const tidemill_record *record) {
    return tidemill_has_item(&record->batch->keys, record->index);
}

int64_t tidemill_timestamp(const tidemill_record *record) {
    return record->index < record->batch->timestamps_length ? record->batch->timestamps[record->index] : 0;
}

/* A zig-zag varint. False for bytes that are none. */
static bool number(tidemill_bytes *rest, int64_t *number) {
    uint64_t value = 0;
    for (size_t i = 0; i < rest->length && i < 10; i++) {
        value |= (uint64_t)(rest->data[i] & 0x7f) << (7 * i);
        if (rest->data[i] < 0x80) {
            rest->data += i + 1;
            rest->length -= i + 1;
            *number = (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
            return true;
        }
    }
    return false;
}

/* Bytes with their length before them; a negative length is none. */
static bool piece(tidemill_bytes *rest, tidemill_bytes *piece) {
    int64_t length;
    piece->data = NULL;
    piece->length = 0;
    if (!number(rest, &length)) return false;
    if (length < 0) return true;
    if ((uint64_t)length > rest->length) return false;
    piece->data = rest->data;
    piece->length = (size_t)length;
    rest->data += length;
    rest->length -= (size_t)length;
    return true;
}

bool tidemill_next_header(const tidemill_record *record, tidemill_header_cursor *cursor, tidemill_header *header) {
    if (!cursor->has_begun) {
        int64_t count;
        cursor->has_begun = true;
        cursor->rest = tidemill_item(&record->batch->headers, record->index);
        cursor->left = number(&cursor->rest, &count) && count > 0 ? (uint64_t)count : 0;
    }
    if (cursor->left == 0) return false;
    cursor->left--;
    /* Bytes that are no headers end it: a count is no reason to go on. */
    bool is_whole = piece(&cursor->rest, &header->name) && header->name.data != NULL
        && piece(&cursor->rest, &header->value);
    if (!is_whole) cursor->left = 0;
    return is_whole;
}
