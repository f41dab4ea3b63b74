#include <tidemill_testing.h>

extern const tidemill_reducer reducer_plugin;

int main(void) {
    const tidemill_record_given lines[] = {
        {.key = "k", .value = "a"}, {.key = "k", .value = "bb"}, {.key = "k", .value = ""}};
    tidemill_expect(strcmp(tidemill_reduced(&reducer_plugin, NULL, 0, lines, 3, "k"), "3 records, 3 bytes") == 0);
    /* Any cut of the records gives the same. */
    tidemill_expect(tidemill_check_reducer(&reducer_plugin, NULL, 0, lines, 3) == NULL);
    return 0;
}
