/* Folds the letters of ASCII in each value to upper case. */
#include <tidemill.h>

static tidemill_status upper(const void *settings, tidemill_records *records, tidemill_emitter *out) {
    (void)settings;
    tidemill_record record;
    while (tidemill_next(records, &record)) {
        tidemill_bytes value = tidemill_value(&record);
        uint8_t *restrict to = tidemill_reserve_value(out, value.length);
        for (size_t i = 0; i < value.length; i++) {
            uint8_t letter = value.data[i];
            to[i] = letter >= 'a' && letter <= 'z' ? letter - 32 : letter;
        }
        tidemill_emit(out);
    }
    return TIDEMILL_OK;
}

const tidemill_transform transform_plugin = {
    .about = {.summary = "Folds the letters of ASCII in each value to upper case", .reads = TIDEMILL_VALUES},
    .process = upper,
};
