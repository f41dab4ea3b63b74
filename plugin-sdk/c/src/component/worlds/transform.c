#include "../abi.h"

extern const tidemill_transform transform_plugin;

const tidemill_about *abi_about(void) { return &transform_plugin.about; }

typedef struct {
    uint32_t is_err;
    union {
        tidemill_outcome outcome;
        abi_failure failure;
    } of;
} abi_result;

EXPORT("tidemill:plugin/transformer@0.1.0#process") abi_result *process(const tidemill_batch *batch) {
    static abi_result result;
    tidemill_status status = tidemill_run_transform(&transform_plugin, batch, &result.of.outcome);
    abi_done();
    result.is_err = status != TIDEMILL_OK;
    if (result.is_err) result.of.failure = abi_failed(status);
    return &result;
}
