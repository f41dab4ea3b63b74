/* Beside reducer.c, where tidemill-plugin.toml says `migrates = true`. */
#include "../abi.h"

extern const tidemill_reducer reducer_plugin;

EXPORT("tidemill:plugin/migration@0.1.0#migrate")
abi_column_result *migrate(uint32_t from_version, COLUMN(given)) {
    static abi_column_result result;
    tidemill_column states = COLUMN_OF(given);
    tidemill_status status = tidemill_run_migrate(&reducer_plugin, from_version, &states, &result.of.column);
    abi_done();
    result.is_err = status != TIDEMILL_OK;
    if (result.is_err) result.of.failure = abi_failed(status);
    return &result;
}
