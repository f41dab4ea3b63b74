#include <stdio.h>
#include <stdlib.h>

#include "plugin.h"

static char message[512];
static void *settings;
/* The texts of settings, and zeros after them. */
static char **texts;
static size_t text_count;

const void *tidemill_settings(void) { return settings; }

static const char *refused(const char *what, const tidemill_parameter *parameter) {
    snprintf(message, sizeof message, "the parameter `%s` %s", parameter->name, what);
    return message;
}

static tidemill_bytes kept(tidemill_bytes text) {
    char *copy = malloc(text.length + 1);
    if (copy == NULL) abort();
    if (text.length != 0) memcpy(copy, text.data, text.length);
    copy[text.length] = 0;
    char **all = realloc(texts, (text_count + 1) * sizeof *texts);
    if (all == NULL) abort();
    texts = all;
    texts[text_count++] = copy;
    tidemill_bytes bytes = {(const uint8_t *)copy, text.length};
    return bytes;
}

static void forget(void) {
    for (size_t i = 0; i < text_count; i++) free(texts[i]);
    free(texts);
    free(settings);
    texts = NULL;
    text_count = 0;
    settings = NULL;
}

static const tidemill_value_given *find(const tidemill_parameter *parameter, const tidemill_setting *given,
                                        size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (tidemill_equal(given[i].name, tidemill_text(parameter->name))) return &given[i].value;
    }
    return NULL;
}

static tidemill_value_given fallback(const tidemill_parameter *parameter) {
    tidemill_value_given value = {
        .kind = parameter->kind,
        .integer = parameter->integer,
        .number = parameter->number,
        .boolean = parameter->boolean,
    };
    if (parameter->text != NULL) value.text = tidemill_text(parameter->text);
    return value;
}

static void set(const tidemill_parameter *parameter, const tidemill_value_given *value) {
    void *member = (uint8_t *)settings + parameter->offset;
    switch (parameter->kind) {
    case TIDEMILL_KIND_TEXT:
        *(tidemill_bytes *)member = kept(value->text);
        break;
    case TIDEMILL_KIND_INTEGER:
        *(int64_t *)member = value->integer;
        break;
    case TIDEMILL_KIND_NUMBER:
        *(double *)member = value->kind == TIDEMILL_KIND_INTEGER ? (double)value->integer : value->number;
        break;
    case TIDEMILL_KIND_BOOLEAN:
        *(bool *)member = value->boolean;
        break;
    }
}

const char *tidemill_configure(const tidemill_about *about, const tidemill_setting *given, size_t count) {
    forget();
    settings = calloc(1, tidemill_max(about->settings_bytes, 1));
    if (settings == NULL) abort();
    size_t known = 0;
    for (size_t i = 0; i < about->parameter_count; i++) {
        const tidemill_parameter *parameter = &about->parameters[i];
        const tidemill_value_given *found = find(parameter, given, count);
        if (found == NULL && parameter->is_required) return refused("is not set", parameter);
        bool is_whole_number = found != NULL && found->kind == TIDEMILL_KIND_INTEGER
            && parameter->kind == TIDEMILL_KIND_NUMBER;
        if (found != NULL && found->kind != parameter->kind && !is_whole_number) {
            return refused("has a value of another kind", parameter);
        }
        known += found != NULL;
        tidemill_value_given value = found != NULL ? *found : fallback(parameter);
        set(parameter, &value);
    }
    if (known < count) return "there is a parameter that the plugin does not know";
    return about->prepare != NULL ? about->prepare(settings) : NULL;
}
