#include <stdio.h>
#include <stdlib.h>

#include "testing.h"

enum { ALL = TIDEMILL_KEYS | TIDEMILL_VALUES | TIDEMILL_HEADERS | TIDEMILL_TIMESTAMPS };

/* A part of a record that came out: its own, or what it inherits. */
static const char *part(const tidemill_column *emitted, const tidemill_column *input, size_t index, size_t source,
                        size_t *length) {
    if (tidemill_items(emitted) != 0) return tidemill_test_item(emitted, index, length);
    return tidemill_test_item(input, source, length);
}

static tidemill_record_made made_of(const tidemill_outcome *outcome, const tidemill_batch *input, size_t index,
                                    size_t source) {
    const tidemill_batch *emitted = &outcome->emitted;
    tidemill_record_made made = {.source = source, .timestamp = input->timestamps[source]};
    made.key = part(&emitted->keys, &input->keys, index, source, &made.key_length);
    made.value = part(&emitted->values, &input->values, index, source, &made.value_length);
    made.headers = part(&emitted->headers, &input->headers, index, source, &made.headers_length);
    if (emitted->timestamps_length != 0) made.timestamp = emitted->timestamps[index];
    if (outcome->ports_length != 0) made.port = outcome->ports[index];
    return made;
}

tidemill_ran tidemill_run(const tidemill_transform *plugin, const tidemill_param *params, size_t param_count,
                          const tidemill_record_given *records, size_t count) {
    tidemill_test_configure(&plugin->about, params, param_count);
    tidemill_batch input = tidemill_test_batch(records, count, ALL);
    tidemill_batch read = tidemill_test_batch(records, count, plugin->about.reads);
    tidemill_outcome outcome;
    tidemill_ran ran = {.status = tidemill_run_transform(plugin, &read, &outcome)};
    ran.failure = tidemill_failure();
    if (ran.status != TIDEMILL_OK) return ran;
    size_t total = 0;
    for (size_t i = 0; i < count; i++) total += outcome.counts_length == 0 ? 1 : outcome.counts[i];
    ran.emitted = tidemill_test_memory(total * sizeof *ran.emitted);
    for (size_t source = 0; source < count; source++) {
        size_t here = outcome.counts_length == 0 ? 1 : outcome.counts[source];
        for (; here > 0; here--) {
            ran.emitted[ran.emitted_count] = made_of(&outcome, &input, ran.emitted_count, source);
            ran.emitted_count++;
        }
    }
    ran.rejected_count = outcome.rejected_length;
    ran.rejected = tidemill_test_memory(ran.rejected_count * sizeof *ran.rejected);
    for (size_t i = 0; i < ran.rejected_count; i++) {
        char *reason = tidemill_test_memory(outcome.rejected[i].reason_length + 1);
        memcpy(reason, outcome.rejected[i].reason, outcome.rejected[i].reason_length);
        ran.rejected[i].index = outcome.rejected[i].index;
        ran.rejected[i].reason = reason;
    }
    return ran;
}

const bool *tidemill_kept(const tidemill_filter *plugin, const tidemill_param *params, size_t param_count,
                          const tidemill_record_given *records, size_t count) {
    tidemill_test_configure(&plugin->about, params, param_count);
    tidemill_batch read = tidemill_test_batch(records, count, plugin->about.reads);
    const uint8_t *bits;
    size_t bytes;
    tidemill_run_filter(plugin, &read, &bits, &bytes);
    bool *kept = tidemill_test_memory(count * sizeof *kept);
    for (size_t i = 0; i < count; i++) kept[i] = bits[i >> 3] >> (i & 7) & 1;
    return kept;
}

/* ---- Reducers ---- */

typedef struct {
    const tidemill_reducer *plugin;
    const tidemill_record_given *records;
    /* Of each record. */
    uint32_t *groups;
    /* The first record of each group. */
    size_t *firsts;
    size_t group_count;
} grouped;

static tidemill_bytes key_of(const tidemill_record_given *record) {
    tidemill_bytes none = {NULL, 0};
    if (record->key == NULL) return none;
    tidemill_bytes key = tidemill_text(record->key);
    if (record->key_length != 0) key.length = record->key_length;
    return key;
}

static bool is_same_key(const tidemill_record_given *a, const tidemill_record_given *b) {
    return (a->key == NULL) == (b->key == NULL) && tidemill_equal(key_of(a), key_of(b));
}

static grouped group(const tidemill_reducer *plugin, const tidemill_record_given *records, size_t count) {
    grouped all = {.plugin = plugin, .records = records};
    all.groups = tidemill_test_memory(count * sizeof *all.groups);
    all.firsts = tidemill_test_memory(count * sizeof *all.firsts);
    for (size_t i = 0; i < count; i++) {
        size_t found = 0;
        while (found < all.group_count && !is_same_key(&records[all.firsts[found]], &records[i])) found++;
        if (found == all.group_count) all.firsts[all.group_count++] = i;
        all.groups[i] = (uint32_t)found;
    }
    return all;
}

static void check(tidemill_status status) {
    if (status == TIDEMILL_OK) return;
    fprintf(stderr, "the call failed: %s\n", tidemill_failure());
    exit(1);
}

static tidemill_column none(const grouped *all) {
    size_t count = all->group_count;
    tidemill_column column = {
        .data = tidemill_test_memory(0),
        .offsets = tidemill_test_memory((count + 1) * sizeof(uint32_t)),
        .offsets_length = count + 1,
        .validity = tidemill_test_memory((count + 7) / 8),
        .validity_length = (count + 7) / 8,
    };
    return column;
}

static tidemill_column fold(const grouped *all, size_t from, size_t to, tidemill_column accumulators) {
    unsigned reads = all->plugin->about.reads;
    tidemill_batch items = tidemill_test_batch(all->records + from, to - from, reads & TIDEMILL_VALUES);
    if ((reads & TIDEMILL_TIMESTAMPS) == 0) items.timestamps_length = 0;
    uint32_t *groups = tidemill_test_memory((to - from) * sizeof *groups);
    if (to > from) memcpy(groups, all->groups + from, (to - from) * sizeof *groups);
    tidemill_column folded;
    check(tidemill_run_fold(all->plugin, groups, to - from, &items, &accumulators, &folded));
    return tidemill_test_copy(folded);
}

static tidemill_column merge(const grouped *all, tidemill_column left, tidemill_column right) {
    tidemill_column merged;
    check(tidemill_run_merge(all->plugin, &left, &right, &merged));
    return tidemill_test_copy(merged);
}

static bool equal(tidemill_column a, tidemill_column b) {
    tidemill_bytes left = {a.data, a.data_length}, right = {b.data, b.data_length};
    return a.offsets_length == b.offsets_length && tidemill_equal(left, right);
}

const char *tidemill_reduced(const tidemill_reducer *plugin, const tidemill_param *params, size_t param_count,
                             const tidemill_record_given *records, size_t count, const char *key) {
    tidemill_test_configure(&plugin->about, params, param_count);
    grouped all = group(plugin, records, count);
    tidemill_column accumulators = fold(&all, 0, count, none(&all));
    tidemill_record_given *firsts = tidemill_test_memory(all.group_count * sizeof *firsts);
    for (size_t i = 0; i < all.group_count; i++) firsts[i] = records[all.firsts[i]];
    tidemill_batch keys = tidemill_test_batch(firsts, all.group_count, TIDEMILL_KEYS);
    tidemill_batch finished;
    check(tidemill_run_finish(plugin, &keys.keys, NULL, 0, &accumulators, &finished));
    for (size_t i = 0; i < all.group_count; i++) {
        size_t length;
        bool is_it = tidemill_equal(key_of(&firsts[i]), tidemill_text(key));
        if (is_it) return tidemill_test_item(&finished.values, i, &length);
    }
    return NULL;
}

const char *tidemill_check_reducer(const tidemill_reducer *plugin, const tidemill_param *params, size_t param_count,
                                   const tidemill_record_given *records, size_t count) {
    tidemill_test_configure(&plugin->about, params, param_count);
    grouped all = group(plugin, records, count);
    tidemill_column whole = fold(&all, 0, count, none(&all));
    for (size_t cut = 0; cut <= count; cut++) {
        tidemill_column early = fold(&all, 0, cut, none(&all)), late = fold(&all, cut, count, none(&all));
        if (!equal(merge(&all, early, late), whole)) return "merging the folds of a cut is not the fold of all records";
        if (!equal(fold(&all, cut, count, early), whole)) return "going on with a fold is not the fold of all records";
        size_t a = cut / 2, c = (cut + count) / 2;
        tidemill_column parts[] = {fold(&all, 0, a, none(&all)), fold(&all, a, cut, none(&all)),
                                   fold(&all, cut, c, none(&all))};
        tidemill_column left = merge(&all, merge(&all, parts[0], parts[1]), parts[2]);
        if (!equal(left, merge(&all, parts[0], merge(&all, parts[1], parts[2])))) return "merging is not associative";
    }
    return NULL;
}

const void *tidemill_migrated(const tidemill_reducer *plugin, uint32_t from_version, const void *state, size_t length) {
    uint32_t offsets[] = {0, (uint32_t)length};
    tidemill_column states = {.data = state, .data_length = length, .offsets = offsets, .offsets_length = 2};
    tidemill_column migrated;
    if (tidemill_run_migrate(plugin, from_version, &states, &migrated) != TIDEMILL_OK) return NULL;
    return tidemill_test_copy(migrated).data;
}
