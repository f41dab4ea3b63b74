#include "../abi.h"

extern const tidemill_filter filter_plugin;

const tidemill_about *abi_about(void) { return &filter_plugin.about; }

/* Room for a failure, though a filter has none. */
typedef struct {
    uint32_t is_err;
    const uint8_t *bits;
    size_t bytes;
    size_t unused;
} abi_result;

EXPORT("tidemill:plugin/predicate@0.1.0#keep") abi_result *keep(const tidemill_batch *batch) {
    static abi_result result;
    tidemill_run_filter(&filter_plugin, batch, &result.bits, &result.bytes);
    abi_done();
    return &result;
}
