/* Keeps the lines with a text in them. */
#include <tidemill.h>

/* What a pipeline can set. */
struct settings {
    tidemill_bytes text;
};

static const tidemill_parameter parameters[] = {
    TIDEMILL_TEXT(struct settings, text, "error", "What a line must have in it."),
};

static bool has_text(const void *given, const tidemill_record *record) {
    const struct settings *settings = given;
    return tidemill_contains(tidemill_value(record), settings->text);
}

/* What the component exports. */
const tidemill_filter filter_plugin = {
    .about = {
        .summary = "Keeps the records whose value has a text in it",
        .reads = TIDEMILL_VALUES,
        .parameters = parameters,
        .parameter_count = sizeof parameters / sizeof *parameters,
        .settings_bytes = sizeof(struct settings),
    },
    .keep = has_text,
};
