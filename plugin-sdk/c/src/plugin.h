/* What runs plugins over columns: between the authors' functions and the exports of a component, or a test. */
#ifndef TIDEMILL_PLUGIN_H
#define TIDEMILL_PLUGIN_H

#include "columns.h"

/* A value that a pipeline sets. */
typedef struct {
    tidemill_kind kind;
    tidemill_bytes text;
    int64_t integer;
    double number;
    bool boolean;
} tidemill_value_given;

typedef struct {
    tidemill_bytes name;
    tidemill_value_given value;
} tidemill_setting;

/* The settings of this instance; NULL before tidemill_configure. */
const void *tidemill_settings(void);
/* Fills the settings from what a pipeline sets, and defaults. Gives back NULL, or what is wrong. */
const char *tidemill_configure(const tidemill_about *about, const tidemill_setting *settings, size_t count);

/* The results are good until the next call of the same kind. */
tidemill_status tidemill_run_transform(const tidemill_transform *plugin, const tidemill_batch *batch,
                                       tidemill_outcome *outcome);
/* Bit i of `bits`, least significant first, is set where record i is kept. */
void tidemill_run_filter(const tidemill_filter *plugin, const tidemill_batch *batch, const uint8_t **bits,
                         size_t *bytes);
tidemill_status tidemill_run_fold(const tidemill_reducer *plugin, const uint32_t *groups, size_t groups_length,
                                  const tidemill_batch *items, const tidemill_column *accumulators,
                                  tidemill_column *folded);
tidemill_status tidemill_run_merge(const tidemill_reducer *plugin, const tidemill_column *left,
                                   const tidemill_column *right, tidemill_column *merged);
tidemill_status tidemill_run_finish(const tidemill_reducer *plugin, const tidemill_column *keys,
                                    const tidemill_window *windows, size_t windows_length,
                                    const tidemill_column *accumulators, tidemill_batch *finished);

tidemill_status tidemill_run_migrate(const tidemill_reducer *plugin, uint32_t from_version,
                                     const tidemill_column *states, tidemill_column *migrated);

/* Why the last call failed. */
const char *tidemill_failure(void);

/* What the host does, or a test in its place. */
void tidemill_host_log(tidemill_level level, const char *message, size_t length);
void tidemill_host_count(const char *name, size_t length, const tidemill_label *labels, size_t label_count,
                         uint64_t by);
void tidemill_host_gauge(const char *name, size_t length, const tidemill_label *labels, size_t label_count,
                         double value);

#endif
