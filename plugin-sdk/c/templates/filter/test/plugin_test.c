#include <tidemill_testing.h>

extern const tidemill_filter filter_plugin;

int main(void) {
    const tidemill_record_given lines[] = {{.value = "an error"}, {.value = "all is well"}, {.value = "error"}};
    const bool *kept = tidemill_kept(&filter_plugin, NULL, 0, lines, 3);
    tidemill_expect(kept[0] && !kept[1] && kept[2]);

    const tidemill_param params[] = {tidemill_param_text("text", "well")};
    kept = tidemill_kept(&filter_plugin, params, 1, lines, 3);
    tidemill_expect(!kept[0] && kept[1] && !kept[2]);
    return 0;
}
