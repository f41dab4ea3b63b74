#include <stdio.h>

#include "tidemill_testing.h"

struct seen {
    uint64_t records;
    uint32_t longest;
    uint32_t zeroed;
};

static void zero(const void *settings, void *accumulator) {
    (void)settings;
    ((struct seen *)accumulator)->zeroed = 7;
}

static tidemill_status fold(const void *settings, void *accumulator, const tidemill_record *record) {
    (void)settings;
    struct seen *seen = accumulator;
    size_t length = tidemill_value(record).length;
    if (length > 100) return tidemill_fatal("a value of %zu bytes", length);
    seen->records++;
    if (length > seen->longest) seen->longest = (uint32_t)length;
    return TIDEMILL_OK;
}

static tidemill_status merge(const void *settings, void *accumulator, const void *later) {
    (void)settings;
    struct seen *seen = accumulator;
    const struct seen *after = later;
    seen->records += after->records;
    if (after->longest > seen->longest) seen->longest = after->longest;
    return TIDEMILL_OK;
}

static tidemill_status forgets(const void *settings, void *accumulator, const void *later) {
    (void)settings, (void)accumulator, (void)later;
    return TIDEMILL_OK;
}

static tidemill_status finish(const void *settings, const tidemill_group *group, const void *accumulator,
                              tidemill_summary *out) {
    (void)settings;
    const struct seen *seen = accumulator;
    if (!group->has_key) return TIDEMILL_OK;
    tidemill_summary_set(out, group->key);
    tidemill_summary_print(out, ": %d records, longest %d, %d", (int)seen->records, (int)seen->longest, (int)seen->zeroed);
    return TIDEMILL_OK;
}

static tidemill_status from_older(uint32_t from_version, tidemill_bytes state, void *accumulator) {
    if (from_version != 1) return tidemill_fatal("no version %d", (int)from_version);
    uint32_t records;
    if (state.length != sizeof records) return tidemill_fatal("a state of %zu bytes", state.length);
    memcpy(&records, state.data, sizeof records);
    ((struct seen *)accumulator)->records = records;
    return TIDEMILL_OK;
}

int main(void) {
    tidemill_reducer plugin = {
        .about = {.summary = "A test", .reads = TIDEMILL_VALUES},
        .accumulator_bytes = sizeof(struct seen),
        .zero = zero, .fold = fold, .merge = merge, .finish = finish,
    };
    const tidemill_record_given lines[] = {{.key = "a", .value = "x"}, {.key = "b", .value = ""},
                                           {.key = "a", .value = "yyy"}, {.value = "zz"}, {.key = "a"}};
    tidemill_expect(strcmp(tidemill_reduced(&plugin, NULL, 0, lines, 5, "a"), "a: 3 records, longest 3, 7") == 0);
    tidemill_expect(strcmp(tidemill_reduced(&plugin, NULL, 0, lines, 5, "b"), "b: 1 records, longest 0, 7") == 0);
    tidemill_expect(tidemill_reduced(&plugin, NULL, 0, lines, 5, "c") == NULL);
    tidemill_expect(tidemill_check_reducer(&plugin, NULL, 0, lines, 5) == NULL);
    tidemill_expect(tidemill_check_reducer(&plugin, NULL, 0, lines, 0) == NULL);
    uint32_t older = 41;
    tidemill_expect(tidemill_migrated(&plugin, 1, &older, sizeof older) == NULL);
    plugin.migrate = from_older;
    const struct seen *migrated = tidemill_migrated(&plugin, 1, &older, sizeof older);
    tidemill_expect(migrated->records == 41 && migrated->longest == 0 && migrated->zeroed == 0);
    tidemill_expect(tidemill_migrated(&plugin, 1, &older, 3) == NULL);
    tidemill_expect(tidemill_migrated(&plugin, 3, &older, sizeof older) == NULL);
    plugin.merge = forgets;
    tidemill_expect(strstr(tidemill_check_reducer(&plugin, NULL, 0, lines, 5), "is not the fold") != NULL);
    puts("reducer: passed");
    return 0;
}
