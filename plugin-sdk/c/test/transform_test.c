#include <ctype.h>
#include <stdio.h>

#include "tidemill_testing.h"

static const tidemill_bytes K = {(const uint8_t *)"k", 1};
static const char *const ports[] = {"first", "second"};

struct settings {
    int64_t repeat;
    tidemill_bytes bad;
    double ratio;
    bool is_loud;
};

static const tidemill_parameter parameters[] = {
    TIDEMILL_INTEGER(struct settings, repeat, 1, "How often."),
    TIDEMILL_TEXT(struct settings, bad, "bad", "What is rejected."),
    TIDEMILL_REQUIRED(struct settings, ratio, NUMBER, "A number."),
    TIDEMILL_BOOLEAN(struct settings, is_loud, true, "Upper case."),
};

static const char *prepare(void *given) {
    struct settings *settings = given;
    return settings->repeat > 9 ? "too often" : NULL;
}

/* Each word becomes a record; what it does is said by the word. */
static tidemill_status words(const void *given, tidemill_records *records, tidemill_emitter *out) {
    const struct settings *settings = given;
    tidemill_record record;
    while (tidemill_next(records, &record)) {
        tidemill_bytes rest = tidemill_value(&record), word;
        if (!tidemill_is_utf8(rest)) tidemill_reject(out, "record %u is no text", record.index);
        while (tidemill_next_word(&rest, &word)) {
            if (tidemill_equal(word, settings->bad)) tidemill_reject(out, "a bad word");
            if (tidemill_equal(word, tidemill_text("key"))) tidemill_set_key(out, K);
            if (tidemill_equal(word, tidemill_text("nokey"))) tidemill_set_no_key(out);
            if (tidemill_equal(word, tidemill_text("novalue"))) tidemill_set_no_value(out);
            if (tidemill_equal(word, tidemill_text("changed"))) {
                tidemill_set_no_value(out);
                memcpy(tidemill_reserve_value(out, 4), "mind", 4);
            }
            if (tidemill_equal(word, tidemill_text("time"))) tidemill_set_timestamp(out, 99);
            if (tidemill_equal(word, tidemill_text("port"))) tidemill_set_port(out, 1);
            if (tidemill_equal(word, tidemill_text("noport"))) tidemill_set_port(out, 2);
            if (tidemill_equal(word, tidemill_text("fail"))) return tidemill_retryable("again, %d", 5);
            if (tidemill_equal(word, tidemill_text("long"))) tidemill_print_value(out, "%0200d", 7);
            if (tidemill_equal(word, tidemill_text("upper"))) {
                uint8_t *to = tidemill_reserve_value(out, word.length);
                for (size_t i = 0; i < word.length; i++) to[i] = (uint8_t)toupper(word.data[i]);
            }
            if (tidemill_equal(word, tidemill_text("header"))) {
                const tidemill_header headers[] = {{tidemill_text("h"), tidemill_text("v")}, {tidemill_text("n"), {NULL, 0}}};
                tidemill_set_headers(out, headers, 2);
            }
            for (int64_t i = 0; i < settings->repeat; i++) tidemill_emit(out);
        }
        tidemill_set_key(out, tidemill_text("never emitted"));
    }
    return TIDEMILL_OK;
}

static const tidemill_transform plugin = {
    .about = {
        .summary = "A test",
        .reads = TIDEMILL_KEYS | TIDEMILL_VALUES | TIDEMILL_HEADERS | TIDEMILL_TIMESTAMPS,
        .ports = ports, .port_count = 2,
        .parameters = parameters, .parameter_count = 4,
        .settings_bytes = sizeof(struct settings),
        .prepare = prepare,
    },
    .process = words,
};

static tidemill_ran run(const char *value) {
    const tidemill_header header = {tidemill_text("given"), tidemill_text("1")};
    const tidemill_record_given records[] = {
        {.key = "a", .value = "plain", .timestamp = 1},
        {.key = "b", .value = value, .timestamp = 2, .headers = &header, .header_count = 1},
        {.value = "plain", .timestamp = 3},
    };
    const tidemill_param params[] = {tidemill_param_integer("ratio", 2)};
    return tidemill_run(&plugin, params, 1, records, 3);
}

static bool is(const char *text, const char *wanted) {
    return wanted == NULL ? text == NULL : text != NULL && strcmp(text, wanted) == 0;
}

static void parts_are_set_or_stay(void) {
    tidemill_ran ran = run("key plain nokey novalue time port upper long header");
    tidemill_expect(ran.status == TIDEMILL_OK && ran.emitted_count == 11 && ran.rejected_count == 0);
    const tidemill_record_made *made = ran.emitted;
    tidemill_expect(is(made[0].key, "a") && is(made[0].value, "plain") && made[0].timestamp == 1);
    tidemill_expect(is(made[1].key, "k") && made[1].source == 1 && made[1].timestamp == 2);
    tidemill_expect(is(made[2].key, "b") && is(made[3].key, NULL) && is(made[4].value, NULL));
    tidemill_expect(made[5].timestamp == 99 && made[6].timestamp == 2);
    tidemill_expect(made[5].port == 0 && made[6].port == 1 && made[7].port == 0);
    tidemill_expect(is(made[7].value, "UPPER") && made[8].value_length == 200 && made[8].value[199] == '7');
    tidemill_expect(made[8].headers_length == 9 && made[9].headers_length == 8 && made[9].headers[0] == 4);
    tidemill_expect(is(made[10].key, NULL) && is(made[10].value, "plain") && made[10].headers == NULL);
}

static void the_last_word_on_a_part_counts(void) {
    tidemill_ran ran = run("changed novalue changed");
    tidemill_expect(ran.emitted_count == 5 && is(ran.emitted[1].value, "mind"));
    tidemill_expect(is(ran.emitted[2].value, NULL) && is(ran.emitted[3].value, "mind"));
    tidemill_expect(is(ran.emitted[4].value, "plain"));
}

static void a_rejected_record_takes_back_what_it_has_emitted(void) {
    tidemill_ran ran = run("key time port header bad nokey");
    tidemill_expect(ran.emitted_count == 2 && ran.rejected_count == 1);
    tidemill_expect(ran.rejected[0].index == 1 && is(ran.rejected[0].reason, "a bad word"));
    tidemill_expect(is(ran.emitted[0].key, "a") && is(ran.emitted[1].key, NULL) && ran.emitted[1].timestamp == 3);
    ran = run("\xff");
    tidemill_expect(ran.rejected_count == 1 && is(ran.rejected[0].reason, "record 1 is no text"));
}

/* It leaves no trace: a plugin that does not read keys may set one in a record that it then rejects. */
static void a_rejected_record_begins_no_column(void) {
    tidemill_transform blind = plugin;
    blind.about.reads = TIDEMILL_VALUES;
    const tidemill_record_given lines[] = {{.key = "a", .value = "key bad"}, {.key = "b", .value = "plain"}};
    const tidemill_param params[] = {tidemill_param_number("ratio", 2)};
    tidemill_ran ran = tidemill_run(&blind, params, 1, lines, 2);
    tidemill_expect(ran.status == TIDEMILL_OK && ran.emitted_count == 1 && ran.rejected_count == 1);
    tidemill_expect(is(ran.emitted[0].key, "b") && is(ran.emitted[0].value, "plain"));
}

static void calls_fail_with_their_reason(void) {
    tidemill_ran ran = run("fail");
    tidemill_expect(ran.status == TIDEMILL_RETRYABLE && is(ran.failure, "again, 5"));
    ran = run("noport");
    tidemill_expect(ran.status == TIDEMILL_FATAL && strstr(ran.failure, "no port 2") != NULL);
    tidemill_transform blind = plugin;
    blind.about.reads = TIDEMILL_VALUES;
    const tidemill_record_given lines[] = {{.value = "plain key"}};
    const tidemill_param params[] = {tidemill_param_number("ratio", 2)};
    ran = tidemill_run(&blind, params, 1, lines, 1);
    tidemill_expect(ran.status == TIDEMILL_FATAL && strstr(ran.failure, "does not read them") != NULL);
}

static void settings_are_checked(void) {
    const tidemill_param ratio = tidemill_param_number("ratio", 1);
    const tidemill_param good[] = {ratio, tidemill_param_text("bad", "x"), tidemill_param_boolean("is_loud", false)};
    tidemill_expect(tidemill_try_settings(&plugin.about, good, 3) == NULL);
    const tidemill_param often[] = {ratio, tidemill_param_integer("repeat", 10)};
    tidemill_expect(is(tidemill_try_settings(&plugin.about, often, 2), "too often"));
    const tidemill_param wrong[] = {ratio, tidemill_param_text("repeat", "1")};
    tidemill_expect(strstr(tidemill_try_settings(&plugin.about, wrong, 2), "`repeat`") != NULL);
    const tidemill_param unknown[] = {ratio, tidemill_param_text("other", "1")};
    tidemill_expect(tidemill_try_settings(&plugin.about, unknown, 2) != NULL);
    tidemill_expect(strstr(tidemill_try_settings(&plugin.about, NULL, 0), "`ratio` is not set") != NULL);
}

static bool keeps_keyed(const void *settings, const tidemill_record *record) {
    (void)settings;
    tidemill_header_cursor cursor = {0};
    tidemill_header header;
    size_t headers = 0;
    while (tidemill_next_header(record, &cursor, &header)) headers++;
    return tidemill_has_key(record) || headers == 2;
}

static void filters_keep(void) {
    const tidemill_filter filter = {
        .about = {.summary = "A test", .reads = TIDEMILL_KEYS | TIDEMILL_HEADERS}, .keep = keeps_keyed};
    const tidemill_header two[] = {{tidemill_text("a"), {NULL, 0}}, {tidemill_text("b"), tidemill_text("")}};
    tidemill_record_given records[20] = {{0}};
    for (size_t i = 0; i < 20; i += 3) records[i].key = "";
    records[1].headers = two;
    records[1].header_count = 2;
    const bool *kept = tidemill_kept(&filter, NULL, 0, records, 20);
    for (size_t i = 0; i < 20; i++) tidemill_expect(kept[i] == (i % 3 == 0 || i == 1));
}

static void text_is_what_unicode_says(void) {
    const char *good[] = {"", "plain ascii of some length", "ß", "€uro", "😀", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) tidemill_expect(tidemill_is_utf8(tidemill_text(good[i])));
    const char *bad[] = {"\x80", "\xc0\x80", "\xc3", "abcdefgh\xff", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xe0\x80\x80",
                         "\xf0\x80\x80\x80", "\xf8\x88\x80\x80\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) tidemill_expect(!tidemill_is_utf8(tidemill_text(bad[i])));
    tidemill_expect(tidemill_letters(tidemill_text("ß€😀x")) == 4);
    tidemill_bytes text = tidemill_text("one error less");
    tidemill_expect(tidemill_contains(text, tidemill_text("error")) && tidemill_contains(text, tidemill_text("")));
    tidemill_expect(tidemill_contains(text, tidemill_text("less")) && !tidemill_contains(text, tidemill_text("lesser")));
}

static void logging_is_remembered(void) {
    tidemill_log(TIDEMILL_WARN, "%d lines", 7);
    const tidemill_label label = {tidemill_text("kind"), tidemill_text("a")};
    tidemill_count("lines", &label, 1, 3);
    tidemill_gauge("depth", NULL, 0, 1.5);
    tidemill_expect(is(tidemill_last_message, "7 lines") && tidemill_counted == 3);
}

int main(void) {
    parts_are_set_or_stay();
    the_last_word_on_a_part_counts();
    a_rejected_record_takes_back_what_it_has_emitted();
    a_rejected_record_begins_no_column();
    calls_fail_with_their_reason();
    settings_are_checked();
    filters_keep();
    text_is_what_unicode_says();
    logging_is_remembered();
    puts("transform: passed");
    return 0;
}
