/*
 * Reducers over columns. Accumulators of one size lie one after the other in the result, and are changed there.
 */
#include <stdarg.h>

#include "plugin.h"

struct tidemill_summary {
    tidemill_buffer *data;
    bool is_set;
};

void tidemill_summary_set(tidemill_summary *out, tidemill_bytes value) {
    out->is_set = true;
    tidemill_append(out->data, value.data, value.length);
}

void tidemill_summary_print(tidemill_summary *out, const char *format, ...) {
    out->is_set = true;
    va_list arguments;
    va_start(arguments, format);
    tidemill_append_printed(out->data, format, arguments);
    va_end(arguments);
}

/* An aligned copy: items of a column lie anywhere. */
static void *aligned(tidemill_buffer *room, const tidemill_column *column, size_t index, size_t size) {
    tidemill_bytes item = tidemill_item(column, index);
    room->length = 0;
    tidemill_make_room(room, tidemill_max(size, 1));
    tidemill_copy(room->data, item.data, size);
    return room->data;
}

static tidemill_status is_of_size(const tidemill_column *column, size_t index, size_t size) {
    size_t length = tidemill_item(column, index).length;
    if (length == size) return TIDEMILL_OK;
    return tidemill_fatal("an accumulator has %zu bytes, not %zu: `state_version` has to rise with its form", size,
                          length);
}

/* A column of accumulators of one size, which authors' functions change where it lies. */
typedef struct {
    tidemill_buffer data, offsets;
} accumulators;

/* Makes room for so many, which the caller fills. */
static tidemill_status lay_out(accumulators *all, size_t items, size_t size) {
    if (size != 0 && items >= (size_t)INT32_MAX / size) return tidemill_fatal("the accumulators are too large");
    all->data.length = all->offsets.length = 0;
    tidemill_make_room(&all->data, tidemill_max(items * size, 1));
    tidemill_make_room(&all->offsets, (items + 1) * sizeof(uint32_t));
    for (size_t i = 0; i <= items; i++) AS(uint32_t, all->offsets)[i] = (uint32_t)(i * size);
    all->data.length = items * size;
    all->offsets.length = (items + 1) * sizeof(uint32_t);
    return TIDEMILL_OK;
}

static tidemill_status load(accumulators *all, const tidemill_reducer *plugin, const tidemill_column *given) {
    size_t items = tidemill_items(given), size = plugin->accumulator_bytes;
    if (lay_out(all, items, size) != TIDEMILL_OK) return TIDEMILL_FATAL;
    for (size_t i = 0; i < items; i++) {
        uint8_t *at = all->data.data + i * size;
        if (!tidemill_has_item(given, i)) {
            memset(at, 0, size);
            if (plugin->zero != NULL) plugin->zero(tidemill_settings(), at);
            continue;
        }
        if (is_of_size(given, i, size) != TIDEMILL_OK) return TIDEMILL_FATAL;
        tidemill_copy(at, tidemill_item(given, i).data, size);
    }
    return TIDEMILL_OK;
}

static tidemill_column view(const accumulators *all) {
    tidemill_column column = {
        .data = all->data.data,
        .data_length = all->data.length,
        .offsets = AS(uint32_t, all->offsets),
        .offsets_length = all->offsets.length / sizeof(uint32_t),
    };
    return column;
}

static accumulators folded_here;

tidemill_status tidemill_run_fold(const tidemill_reducer *plugin, const uint32_t *groups, size_t groups_length,
                                  const tidemill_batch *items, const tidemill_column *given,
                                  tidemill_column *folded) {
    const void *settings = tidemill_settings();
    size_t known = tidemill_items(given), size = plugin->accumulator_bytes;
    tidemill_status status = load(&folded_here, plugin, given);
    tidemill_record record = {items, 0};
    for (size_t i = 0; i < groups_length && status == TIDEMILL_OK; i++) {
        if (groups[i] >= known) return tidemill_fatal("a record belongs to a group that is not there");
        record.index = (uint32_t)i;
        status = plugin->fold(settings, folded_here.data.data + groups[i] * size, &record);
    }
    *folded = view(&folded_here);
    return status;
}

tidemill_status tidemill_run_merge(const tidemill_reducer *plugin, const tidemill_column *left,
                                   const tidemill_column *right, tidemill_column *merged) {
    static tidemill_buffer room;
    size_t items = tidemill_items(left), size = plugin->accumulator_bytes;
    if (tidemill_items(right) != items) return tidemill_fatal("accumulators are merged in pairs");
    tidemill_status status = load(&folded_here, plugin, left);
    for (size_t i = 0; i < items && status == TIDEMILL_OK; i++) {
        status = is_of_size(right, i, size);
        if (status != TIDEMILL_OK) break;
        const void *later = aligned(&room, right, i, size);
        status = plugin->merge(tidemill_settings(), folded_here.data.data + i * size, later);
    }
    *merged = view(&folded_here);
    return status;
}

tidemill_status tidemill_run_migrate(const tidemill_reducer *plugin, uint32_t from_version,
                                     const tidemill_column *states, tidemill_column *migrated) {
    static accumulators all;
    size_t items = tidemill_items(states), size = plugin->accumulator_bytes;
    if (plugin->migrate == NULL) {
        return tidemill_fatal("the reducer has no `migrate`, though tidemill-plugin.toml says `migrates = true`");
    }
    tidemill_status status = lay_out(&all, items, size);
    for (size_t i = 0; i < items && status == TIDEMILL_OK; i++) {
        uint8_t *at = all.data.data + i * size;
        memset(at, 0, size);
        status = plugin->migrate(from_version, tidemill_item(states, i), at);
    }
    *migrated = view(&all);
    return status;
}

tidemill_status tidemill_run_finish(const tidemill_reducer *plugin, const tidemill_column *keys,
                                    const tidemill_window *windows, size_t windows_length,
                                    const tidemill_column *given, tidemill_batch *finished) {
    static tidemill_builder values;
    static tidemill_buffer room;
    size_t items = tidemill_items(given), size = plugin->accumulator_bytes;
    tidemill_status status = TIDEMILL_OK;
    tidemill_builder_reset(&values);
    tidemill_builder_begin(&values, given->data_length, items);
    for (size_t i = 0; i < items && status == TIDEMILL_OK; i++) {
        status = is_of_size(given, i, size);
        if (status != TIDEMILL_OK) break;
        tidemill_group group = {.key = tidemill_item(keys, i), .has_key = tidemill_has_item(keys, i)};
        if (i < windows_length) {
            group.has_window = true;
            group.window_start = windows[i].start;
            group.window_end = windows[i].end;
        }
        tidemill_summary summary = {&values.data, false};
        status = plugin->finish(tidemill_settings(), &group, aligned(&room, given, i, size), &summary);
        if (summary.is_set) {
            tidemill_builder_end(&values);
        } else {
            tidemill_builder_absent(&values);
        }
    }
    tidemill_batch made = {.values = tidemill_builder_column(&values)};
    *finished = made;
    return status;
}
