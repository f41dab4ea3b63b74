/*
 * Runs plugins natively, over records and without a host, as a host would run them. For tests: what goes wrong ends
 * the program with a message, what is made is freed when it ends.
 *
 *     const tidemill_record_given lines[] = {{.value = "to be or not"}};
 *     tidemill_param params[] = {tidemill_param_integer("length_min", 3)};
 *     tidemill_ran ran = tidemill_run(&plugin, params, 1, lines, 1);
 *     tidemill_expect(ran.emitted_count == 1 && strcmp(ran.emitted[0].key, "not") == 0);
 */
#ifndef TIDEMILL_TESTING_H
#define TIDEMILL_TESTING_H

#include "tidemill.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A record that goes in. A part that is NULL is absent; lengths of 0 mean up to the zero. */
typedef struct {
    const char *key;
    const char *value;
    size_t key_length, value_length;
    const tidemill_header *headers;
    size_t header_count;
    int64_t timestamp;
} tidemill_record_given;

/* A record that came out, with what it inherited. A part that is NULL is absent; a zero follows each. */
typedef struct {
    const char *key;
    const char *value;
    size_t key_length, value_length;
    /* In Kafka's encoding. */
    const char *headers;
    size_t headers_length;
    int64_t timestamp;
    /* Index of the output, and of the input record. */
    unsigned port;
    size_t source;
} tidemill_record_made;

typedef struct {
    size_t index;
    const char *reason;
} tidemill_refused;

typedef struct {
    tidemill_status status;
    /* Why the call failed. */
    const char *failure;
    tidemill_record_made *emitted;
    size_t emitted_count;
    tidemill_refused *rejected;
    size_t rejected_count;
} tidemill_ran;

typedef struct {
    const char *name;
    tidemill_kind kind;
    const char *text;
    int64_t integer;
    double number;
    bool boolean;
} tidemill_param;

static inline tidemill_param tidemill_param_text(const char *name, const char *text) {
    tidemill_param param = {name, TIDEMILL_KIND_TEXT, text, 0, 0, false};
    return param;
}
static inline tidemill_param tidemill_param_integer(const char *name, int64_t integer) {
    tidemill_param param = {name, TIDEMILL_KIND_INTEGER, NULL, integer, 0, false};
    return param;
}
static inline tidemill_param tidemill_param_number(const char *name, double number) {
    tidemill_param param = {name, TIDEMILL_KIND_NUMBER, NULL, 0, number, false};
    return param;
}
static inline tidemill_param tidemill_param_boolean(const char *name, bool boolean) {
    tidemill_param param = {name, TIDEMILL_KIND_BOOLEAN, NULL, 0, 0, boolean};
    return param;
}

/* NULL, or why these settings are refused. */
const char *tidemill_try_settings(const tidemill_about *about, const tidemill_param *params, size_t param_count);

/* Runs a transform over records in one call; its status may be a failure. */
tidemill_ran tidemill_run(const tidemill_transform *plugin, const tidemill_param *params, size_t param_count,
                          const tidemill_record_given *records, size_t count);
/* Whether a filter keeps each record: `count` entries. */
const bool *tidemill_kept(const tidemill_filter *plugin, const tidemill_param *params, size_t param_count,
                          const tidemill_record_given *records, size_t count);
/* The value of a key's record, running totals over all records; NULL where there is none. */
const char *tidemill_reduced(const tidemill_reducer *plugin, const tidemill_param *params, size_t param_count,
                             const tidemill_record_given *records, size_t count, const char *key);
/* Cuts the records at every place, folds the parts, merges them, and compares that with one fold; then tries both
 * orders of association. NULL, or what is not equal. */
const char *tidemill_check_reducer(const tidemill_reducer *plugin, const tidemill_param *params, size_t param_count,
                                   const tidemill_record_given *records, size_t count);

/* The accumulator that a reducer makes of one that an older version wrote; NULL where it fails. */
const void *tidemill_migrated(const tidemill_reducer *plugin, uint32_t from_version, const void *state, size_t length);

/* The last message that was logged, and what was counted in all. */
extern char tidemill_last_message[1024];
extern uint64_t tidemill_counted;

/* Ends the program where it is false. */
#define tidemill_expect(condition) tidemill_expected((condition), #condition, __FILE__, __LINE__)
void tidemill_expected(bool holds, const char *condition, const char *file, int line);

#ifdef __cplusplus
}
#endif

#endif
