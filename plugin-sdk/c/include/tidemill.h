/*
 * Write Tidemill plugins in C: a function over records.
 *
 *     static tidemill_status upper(const void *settings, tidemill_records *records, tidemill_emitter *out) {
 *         tidemill_record record;
 *         while (tidemill_next(records, &record)) {
 *             tidemill_bytes value = tidemill_value(&record);
 *             uint8_t *to = tidemill_reserve_value(out, value.length);
 *             for (size_t i = 0; i < value.length; i++) to[i] = toupper(value.data[i]);
 *             tidemill_emit(out);
 *         }
 *         return TIDEMILL_OK;
 *     }
 *
 *     const tidemill_transform transform_plugin = {
 *         .about = {.summary = "Folds each value to upper case", .reads = TIDEMILL_VALUES},
 *         .process = upper,
 *     };
 *
 * The plugin is a variable of the project: `const tidemill_transform transform_plugin` (any number of records for
 * each), `const tidemill_filter filter_plugin` (keeps or drops each) or `const tidemill_reducer reducer_plugin` (one
 * record for each key, or key and window); `tidemill plugin build` makes a component of it.
 *
 * Records lie in columns: what a record hands out are views of the call's own buffers, and what is emitted is
 * written into those of the result. NOTHING OF A RECORD MAY BE USED AFTER THE CALL, nothing is freed by the author,
 * and the same batch must give the same bytes.
 */
#ifndef TIDEMILL_H
#define TIDEMILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of something else's; no zero ends them. `data` may be NULL where `length` is 0. */
typedef struct {
    const uint8_t *data;
    size_t length;
} tidemill_bytes;

/* The bytes of a C string. */
static inline tidemill_bytes tidemill_text(const char *text) {
    tidemill_bytes bytes = {(const uint8_t *)text, strlen(text)};
    return bytes;
}

/* How a call ended. */
typedef enum {
    TIDEMILL_OK,
    /* Trying the same records again may help. */
    TIDEMILL_RETRYABLE,
    /* It would not. */
    TIDEMILL_FATAL,
} tidemill_status;

#if defined(__GNUC__)
#define TIDEMILL_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define TIDEMILL_PRINTF(text, first)
#endif

/* Say why a call fails: `return tidemill_fatal("%zu records are too many", count);` */
tidemill_status tidemill_fatal(const char *format, ...) TIDEMILL_PRINTF(1, 2);
tidemill_status tidemill_retryable(const char *format, ...) TIDEMILL_PRINTF(1, 2);

/* ---- What a plugin says of itself ---- */

/* The parts of a record, to be joined with `|`. */
enum {
    TIDEMILL_KEYS = 1,
    TIDEMILL_VALUES = 2,
    TIDEMILL_HEADERS = 4,
    TIDEMILL_TIMESTAMPS = 8,
};

typedef enum { TIDEMILL_KIND_TEXT, TIDEMILL_KIND_INTEGER, TIDEMILL_KIND_NUMBER, TIDEMILL_KIND_BOOLEAN } tidemill_kind;

/* A parameter that a pipeline can set: a member of the plugin's settings. Made by the macros below. */
typedef struct {
    /* The member's name: lower case, words joined by `_`. */
    const char *name;
    const char *doc;
    tidemill_kind kind;
    /* Where the member is in the settings. */
    size_t offset;
    bool is_required;
    const char *text;
    int64_t integer;
    double number;
    bool boolean;
} tidemill_parameter;

/* Type of the settings, member (of type `tidemill_bytes`, `int64_t`, `double` or `bool`), default, and what people
 * read about it. The text of a setting is followed by a zero, so that its data is a C string as well. */
#define TIDEMILL_TEXT(type, member, fallback, about) \
    {.name = #member, .doc = about, .kind = TIDEMILL_KIND_TEXT, .offset = offsetof(type, member), .text = fallback}
#define TIDEMILL_INTEGER(type, member, fallback, about) \
    {.name = #member, .doc = about, .kind = TIDEMILL_KIND_INTEGER, .offset = offsetof(type, member), .integer = fallback}
#define TIDEMILL_NUMBER(type, member, fallback, about) \
    {.name = #member, .doc = about, .kind = TIDEMILL_KIND_NUMBER, .offset = offsetof(type, member), .number = fallback}
#define TIDEMILL_BOOLEAN(type, member, fallback, about) \
    {.name = #member, .doc = about, .kind = TIDEMILL_KIND_BOOLEAN, .offset = offsetof(type, member), .boolean = fallback}
/* One that the pipeline has to set: TIDEMILL_REQUIRED(struct settings, topic, TEXT, "Where to."). */
#define TIDEMILL_REQUIRED(type, member, of_kind, about) \
    {.name = #member, .doc = about, .kind = TIDEMILL_KIND_##of_kind, .offset = offsetof(type, member), .is_required = true}

/* Name and version of a plugin are those of tidemill-plugin.toml. */
typedef struct {
    /* What the plugin does, in one line: people choose it by that. */
    const char *summary;
    /* The parts of a record that the plugin looks at; the host leaves the others out, and so do the tests. */
    unsigned reads;
    /* Rises when a reducer's accumulators get another form than before. */
    uint32_t state_version;
    /* Names of a transform's outputs; one, called `out`, by default. */
    const char *const *ports;
    size_t port_count;
    const tidemill_parameter *parameters;
    size_t parameter_count;
    /* Size of the settings, which begin as zeros. */
    size_t settings_bytes;
    /* Called once with the settings, before any record; may be NULL. Gives back NULL, or why they are refused, which
     * is shown to the person who applies the pipeline. */
    const char *(*prepare)(void *settings);
} tidemill_about;

/* ---- Records ---- */

/* The records of a call. */
typedef struct tidemill_records tidemill_records;

/* An input record. Parts that the plugin does not read are absent. */
typedef struct {
    const struct tidemill_batch *batch;
    uint32_t index;
} tidemill_record;

/* The next record, in order; false after the last one. What is emitted belongs to it. */
bool tidemill_next(tidemill_records *records, tidemill_record *record);
/* How many records the call has. */
size_t tidemill_record_count(const tidemill_records *records);

/* Views of a record's parts, empty where it has none. */
tidemill_bytes tidemill_value(const tidemill_record *record);
tidemill_bytes tidemill_key(const tidemill_record *record);
/* Tell an empty part from none. */
bool tidemill_has_value(const tidemill_record *record);
bool tidemill_has_key(const tidemill_record *record);
/* Event time, milliseconds since 1970-01-01 UTC. */
int64_t tidemill_timestamp(const tidemill_record *record);

/* A header; the data of its value is NULL where it has none. */
typedef struct {
    tidemill_bytes name;
    tidemill_bytes value;
} tidemill_header;

/* Goes over the headers of a record: begins at {0}, false after the last one. */
typedef struct {
    tidemill_bytes rest;
    uint64_t left;
    bool has_begun;
} tidemill_header_cursor;
bool tidemill_next_header(const tidemill_record *record, tidemill_header_cursor *cursor, tidemill_header *header);

/* ---- Emitting ---- */

/* Writes records into the result. A part that is not set stays what it is in the input record. What is set without
 * an emit is dropped with the next record. */
typedef struct tidemill_emitter tidemill_emitter;

void tidemill_set_value(tidemill_emitter *out, tidemill_bytes value);
void tidemill_set_key(tidemill_emitter *out, tidemill_bytes key);
void tidemill_set_no_value(tidemill_emitter *out);
void tidemill_set_no_key(tidemill_emitter *out);
/* Sets the part to `length` bytes of the result's own buffer, for the author to fill before anything else is done
 * with the emitter. Further calls for the same record add to it. */
uint8_t *tidemill_reserve_value(tidemill_emitter *out, size_t length);
uint8_t *tidemill_reserve_key(tidemill_emitter *out, size_t length);
/* Sets the value, or adds to it where something was reserved, as printf writes it. */
void tidemill_print_value(tidemill_emitter *out, const char *format, ...) TIDEMILL_PRINTF(2, 3);
void tidemill_set_headers(tidemill_emitter *out, const tidemill_header *headers, size_t count);
void tidemill_set_timestamp(tidemill_emitter *out, int64_t timestamp);
/* Chooses the output, by its index in the plugin's ports; 0 is the default. */
void tidemill_set_port(tidemill_emitter *out, uint16_t port);
/* Ends a record. */
void tidemill_emit(tidemill_emitter *out);

/* Refuses the record at hand: what it has emitted is taken back, the operator's policy says what becomes of it, and
 * the other records go on. */
void tidemill_reject(tidemill_emitter *out, const char *format, ...) TIDEMILL_PRINTF(2, 3);

/* Any number of records from each. Anything but TIDEMILL_OK fails the whole call. */
typedef struct {
    tidemill_about about;
    tidemill_status (*process)(const void *settings, tidemill_records *records, tidemill_emitter *out);
} tidemill_transform;

/* Keeps or drops each record; none is copied. */
typedef struct {
    tidemill_about about;
    bool (*keep)(const void *settings, const tidemill_record *record);
} tidemill_filter;

/* ---- Reducing ---- */

/* What a finished accumulator belongs to. */
typedef struct {
    /* The key, empty where there is none. */
    tidemill_bytes key;
    bool has_key;
    /* False for running totals. The window is half open, in milliseconds since 1970-01-01 UTC. */
    bool has_window;
    int64_t window_start, window_end;
} tidemill_group;

/* A group's record; without a value it has none. Its key is the group's. */
typedef struct tidemill_summary tidemill_summary;

void tidemill_summary_set(tidemill_summary *out, tidemill_bytes value);
void tidemill_summary_print(tidemill_summary *out, const char *format, ...) TIDEMILL_PRINTF(2, 3);

/* One record for each key, or key and window.
 *
 * THE HOST FOLDS PARTS OF A BATCH ON MANY CORES AND MERGES THEM IN THE ORDER OF THE RECORDS: `merge` has to be
 * associative, and folding records has to equal merging the folds of any cut of them. tidemill_check_reducer tries it.
 *
 * An accumulator is a struct of numbers without gaps, kept as it lies in memory: no pointers. If its form changes,
 * raise `about.state_version`. A record's key is not seen by `fold`; its value and timestamp are. */
typedef struct {
    tidemill_about about;
    size_t accumulator_bytes;
    /* Makes what a key without records has; zeros where it is NULL. */
    void (*zero)(const void *settings, void *accumulator);
    tidemill_status (*fold)(const void *settings, void *accumulator, const tidemill_record *record);
    /* Adds what was folded from the records that come after those of `accumulator`. */
    tidemill_status (*merge)(const void *settings, void *accumulator, const void *later);
    tidemill_status (*finish)(const void *settings, const tidemill_group *group, const void *accumulator,
                              tidemill_summary *out);
    /* Makes an accumulator, which begins as zeros, of one that was written under an older `about.state_version`; may be
     * NULL. With it, tidemill-plugin.toml has to say `migrates = true`. A failure leaves the older version running. */
    tidemill_status (*migrate)(uint32_t from_version, tidemill_bytes state, void *accumulator);
} tidemill_reducer;

/* ---- Text ---- */

bool tidemill_is_utf8(tidemill_bytes text);
/* How many letters (code points) there are in text that is UTF-8. */
size_t tidemill_letters(tidemill_bytes text);
/* Cuts the next word off; white space of ASCII ends it. False where there is none left. */
bool tidemill_next_word(tidemill_bytes *rest, tidemill_bytes *word);
bool tidemill_contains(tidemill_bytes text, tidemill_bytes wanted);
bool tidemill_equal(tidemill_bytes a, tidemill_bytes b);

/* ---- What a pipeline can grant ---- */

typedef enum { TIDEMILL_TRACE, TIDEMILL_DEBUG, TIDEMILL_INFO, TIDEMILL_WARN, TIDEMILL_ERROR } tidemill_level;

/* A message that the host shows. A plugin that uses it imports `logging`, which the pipeline has to grant. */
void tidemill_log(tidemill_level level, const char *format, ...) TIDEMILL_PRINTF(2, 3);

/* Of a metric; its values should be few. */
typedef struct {
    tidemill_bytes name;
    tidemill_bytes value;
} tidemill_label;

/* The plugin's own metrics. A plugin that uses them imports `metrics`, which the pipeline has to grant. */
void tidemill_count(const char *name, const tidemill_label *labels, size_t label_count, uint64_t by);
void tidemill_gauge(const char *name, const tidemill_label *labels, size_t label_count, double value);

#ifdef __cplusplus
}
#endif

#endif
