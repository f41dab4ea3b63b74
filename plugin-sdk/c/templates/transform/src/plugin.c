/* Emits the long words of each line. */
#include <tidemill.h>

/* What a pipeline can set. */
struct settings {
    int64_t length_min;
};

static const tidemill_parameter parameters[] = {
    TIDEMILL_INTEGER(struct settings, length_min, 5, "Leave out words with fewer letters."),
};

static tidemill_status long_words(const void *given, tidemill_records *records, tidemill_emitter *out) {
    const struct settings *settings = given;
    tidemill_record record;
    while (tidemill_next(records, &record)) {
        tidemill_bytes line = tidemill_value(&record), word;
        if (!tidemill_is_utf8(line)) {
            /* This line is refused, the others go on. */
            tidemill_reject(out, "the value is not UTF-8");
            continue;
        }
        while (tidemill_next_word(&line, &word)) {
            if ((int64_t)tidemill_letters(word) < settings->length_min) continue;
            tidemill_set_key(out, word);
            tidemill_set_value(out, tidemill_text(""));
            tidemill_emit(out);
        }
    }
    return TIDEMILL_OK;
}

/* What the component exports. */
const tidemill_transform transform_plugin = {
    .about = {
        .summary = "Emits the long words of each line, one record for each, with the word as the key",
        .reads = TIDEMILL_VALUES,
        .parameters = parameters,
        .parameter_count = sizeof parameters / sizeof *parameters,
        .settings_bytes = sizeof(struct settings),
    },
    .process = long_words,
};
