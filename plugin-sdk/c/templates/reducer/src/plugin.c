/* Counts the records of each key, and the bytes of their values. */
#include <inttypes.h>
#include <tidemill.h>

/* What is kept for each key. If its form changes, raise the state version. */
struct seen {
    uint64_t records;
    uint64_t bytes;
};

static tidemill_status fold(const void *settings, void *accumulator, const tidemill_record *record) {
    (void)settings;
    struct seen *seen = accumulator;
    seen->records += 1;
    seen->bytes += tidemill_value(record).length;
    return TIDEMILL_OK;
}

/* The host folds parts of a batch on many cores and merges them in the records' order. */
static tidemill_status merge(const void *settings, void *accumulator, const void *later) {
    (void)settings;
    struct seen *seen = accumulator;
    const struct seen *after = later;
    seen->records += after->records;
    seen->bytes += after->bytes;
    return TIDEMILL_OK;
}

static tidemill_status finish(const void *settings, const tidemill_group *group, const void *accumulator,
                              tidemill_summary *out) {
    (void)settings, (void)group;
    const struct seen *seen = accumulator;
    tidemill_summary_print(out, "%" PRIu64 " records, %" PRIu64 " bytes", seen->records, seen->bytes);
    return TIDEMILL_OK;
}

/* What the component exports. */
const tidemill_reducer reducer_plugin = {
    .about = {
        .summary = "Counts the records of each key, and the bytes of their values",
        .reads = TIDEMILL_VALUES,
        .state_version = 1,
    },
    .accumulator_bytes = sizeof(struct seen),
    .fold = fold,
    .merge = merge,
    .finish = finish,
};
