#include "plugin.h"

void tidemill_run_filter(const tidemill_filter *plugin, const tidemill_batch *batch, const uint8_t **bits,
                         size_t *bytes) {
    static tidemill_buffer bitmap;
    const void *settings = tidemill_settings();
    size_t length = tidemill_batch_length(batch);
    bitmap.length = 0;
    tidemill_make_room(&bitmap, (length + 7) / 8);
    tidemill_record record = {batch, 0};
    for (size_t start = 0; start < length; start += 8) {
        unsigned byte = 0;
        size_t end = length - start < 8 ? length - start : 8;
        for (size_t bit = 0; bit < end; bit++) {
            record.index = (uint32_t)(start + bit);
            byte |= (unsigned)plugin->keep(settings, &record) << bit;
        }
        bitmap.data[bitmap.length++] = (uint8_t)byte;
    }
    *bits = bitmap.data;
    *bytes = bitmap.length;
}
