/*
 * The same without the emitter, on the columns themselves: what `tests/bench/sdks` compares with. There it takes the
 * place of the SDK's own exports.
 */
#include "../abi.h"

extern const tidemill_transform transform_plugin;

const tidemill_about *abi_about(void) { return &transform_plugin.about; }

typedef struct {
    uint32_t is_err;
    tidemill_outcome outcome;
} abi_result;

EXPORT("tidemill:plugin/transformer@0.1.0#process") abi_result *process(const tidemill_batch *batch) {
    static abi_result result;
    static tidemill_buffer data, offsets;
    const tidemill_column *values = &batch->values;
    data.length = offsets.length = 0;
    tidemill_make_room(&data, values->data_length);
    tidemill_make_room(&offsets, (values->offsets_length + 1) * sizeof(uint32_t));
    uint32_t *to_offsets = AS(uint32_t, offsets), at = 0;
    to_offsets[0] = 0;
    for (size_t item = 0; item + 1 < values->offsets_length; item++) {
        const uint8_t *from = values->data + values->offsets[item];
        size_t length = values->offsets[item + 1] - values->offsets[item];
        uint8_t *restrict to = data.data + at;
        for (size_t i = 0; i < length; i++) {
            uint8_t letter = from[i];
            to[i] = letter >= 'a' && letter <= 'z' ? letter - 32 : letter;
        }
        at += length;
        to_offsets[item + 1] = at;
    }
    abi_done();
    tidemill_column made = {
        .data = data.data, .data_length = at, .offsets = to_offsets, .offsets_length = values->offsets_length};
    result.outcome.emitted.values = made;
    return &result;
}
