#include <tidemill_testing.h>

extern const tidemill_transform transform_plugin;

static void short_words_are_left_out(void) {
    const tidemill_param params[] = {tidemill_param_integer("length_min", 3)};
    const tidemill_record_given lines[] = {{.value = "to be or not"}};
    tidemill_ran ran = tidemill_run(&transform_plugin, params, 1, lines, 1);
    tidemill_expect(ran.emitted_count == 1 && strcmp(ran.emitted[0].key, "not") == 0);
}

static void a_line_that_is_no_text_is_rejected(void) {
    const tidemill_record_given lines[] = {{.value = "\xff"}, {.value = "longer"}};
    tidemill_ran ran = tidemill_run(&transform_plugin, NULL, 0, lines, 2);
    tidemill_expect(ran.emitted_count == 1 && ran.rejected_count == 1 && ran.rejected[0].index == 0);
}

int main(void) {
    short_words_are_left_out();
    a_line_that_is_no_text_is_rejected();
    return 0;
}
