#include "../abi.h"

extern const tidemill_reducer reducer_plugin;

const tidemill_about *abi_about(void) { return &reducer_plugin.about; }

typedef struct {
    uint32_t is_err;
    union {
        tidemill_column column;
        tidemill_batch batch;
        abi_failure failure;
    } of;
} abi_result;

static abi_result result;

static abi_result *ended(tidemill_status status) {
    abi_done();
    result.is_err = status != TIDEMILL_OK;
    if (result.is_err) result.of.failure = abi_failed(status);
    return &result;
}

EXPORT("tidemill:plugin/reduction@0.1.0#fold")
abi_result *fold(const uint32_t *groups, size_t groups_length, COLUMN(values), const int64_t *timestamps,
                 size_t timestamps_length, COLUMN(given)) {
    tidemill_batch items = {
        .values = COLUMN_OF(values), .timestamps = timestamps, .timestamps_length = timestamps_length};
    tidemill_column accumulators = COLUMN_OF(given);
    return ended(tidemill_run_fold(&reducer_plugin, groups, groups_length, &items, &accumulators, &result.of.column));
}

EXPORT("tidemill:plugin/reduction@0.1.0#merge") abi_result *merge(COLUMN(left), COLUMN(right)) {
    tidemill_column earlier = COLUMN_OF(left), later = COLUMN_OF(right);
    return ended(tidemill_run_merge(&reducer_plugin, &earlier, &later, &result.of.column));
}

EXPORT("tidemill:plugin/reduction@0.1.0#finish")
abi_result *finish(COLUMN(keys), const tidemill_window *windows, size_t windows_length, COLUMN(given)) {
    tidemill_column of = COLUMN_OF(keys), accumulators = COLUMN_OF(given);
    return ended(tidemill_run_finish(&reducer_plugin, &of, windows, windows_length, &accumulators, &result.of.batch));
}
