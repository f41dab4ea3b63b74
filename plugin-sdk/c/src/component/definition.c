/* Who the plugin is, and what a pipeline sets. Its name and version come from the build. */
#include <stdlib.h>

#include "abi.h"

#if !defined(TIDEMILL_NAME) || !defined(TIDEMILL_VERSION)
#error "`tidemill plugin build` sets TIDEMILL_NAME and TIDEMILL_VERSION"
#endif

/* The contract's variant of a parameter's value. */
typedef struct {
    uint32_t kind;
    union {
        abi_list text;
        int64_t integer;
        double number;
        bool boolean;
    } of;
} abi_value;

/* An option's and a variant's contents are aligned for 64 bits. */
typedef struct {
    abi_list name;
    uint8_t kind;
    _Alignas(8) uint8_t has_default;
    _Alignas(8) abi_value fallback;
    abi_list doc;
} abi_parameter;

typedef struct {
    abi_list name;
    _Alignas(8) abi_value value;
} abi_setting;

typedef struct {
    abi_list name, version, summary, parameters;
    uint32_t reads;
    abi_list ports;
    uint32_t state_version;
} abi_description;

_Static_assert(sizeof(abi_parameter) == 48 && offsetof(abi_parameter, doc) == 40, "as in the contract");
_Static_assert(sizeof(abi_setting) == 24 && sizeof(abi_description) == 48, "as in the contract");

static abi_list text(const char *text) {
    abi_list list = {text, text == NULL ? 0 : strlen(text)};
    return list;
}

static abi_value value_of(const tidemill_parameter *parameter) {
    abi_value value = {.kind = parameter->kind};
    switch (parameter->kind) {
    case TIDEMILL_KIND_TEXT:
        value.of.text = text(parameter->text);
        break;
    case TIDEMILL_KIND_INTEGER:
        value.of.integer = parameter->integer;
        break;
    case TIDEMILL_KIND_NUMBER:
        value.of.number = parameter->number;
        break;
    case TIDEMILL_KIND_BOOLEAN:
        value.of.boolean = parameter->boolean;
        break;
    }
    return value;
}

static void *array(size_t count, size_t size) {
    void *made = calloc(tidemill_max(count, 1), size);
    if (made == NULL) abort();
    return made;
}

EXPORT("tidemill:plugin/definition@0.1.0#describe") abi_description *describe(void) {
    static abi_description description;
    const tidemill_about *about = abi_about();
    abi_done();
    if (description.name.at != NULL) return &description;
    abi_parameter *parameters = array(about->parameter_count, sizeof *parameters);
    for (size_t i = 0; i < about->parameter_count; i++) {
        const tidemill_parameter *parameter = &about->parameters[i];
        parameters[i].name = text(parameter->name);
        parameters[i].kind = (uint8_t)parameter->kind;
        parameters[i].has_default = !parameter->is_required;
        parameters[i].fallback = value_of(parameter);
        parameters[i].doc = text(parameter->doc);
    }
    abi_list *ports = array(about->port_count, sizeof *ports);
    for (size_t i = 0; i < about->port_count; i++) ports[i] = text(about->ports[i]);
    abi_description made = {
        .name = text(TIDEMILL_NAME),
        .version = text(TIDEMILL_VERSION),
        .summary = text(about->summary),
        .parameters = {parameters, about->parameter_count},
        .reads = about->reads,
        .ports = {ports, about->port_count},
        .state_version = about->state_version,
    };
    description = made;
    return &description;
}

EXPORT("tidemill:plugin/definition@0.1.0#configure") uint32_t *configure(const abi_setting *given, size_t count) {
    static uint32_t result[3];
    tidemill_setting *settings = array(count, sizeof *settings);
    for (size_t i = 0; i < count; i++) {
        const abi_value *value = &given[i].value;
        settings[i].name = (tidemill_bytes){given[i].name.at, given[i].name.length};
        /* What a variant's case does not use is not written: only its own bytes may be looked at. */
        tidemill_value_given *read = &settings[i].value;
        read->kind = (tidemill_kind)(uint8_t)value->kind;
        switch (read->kind) {
        case TIDEMILL_KIND_TEXT:
            read->text = (tidemill_bytes){value->of.text.at, value->of.text.length};
            break;
        case TIDEMILL_KIND_INTEGER:
            read->integer = value->of.integer;
            break;
        case TIDEMILL_KIND_NUMBER:
            read->number = value->of.number;
            break;
        case TIDEMILL_KIND_BOOLEAN:
            read->boolean = *(const uint8_t *)&value->of != 0;
            break;
        }
    }
    const char *refusal = tidemill_configure(abi_about(), settings, count);
    free(settings);
    abi_done();
    result[0] = refusal != NULL;
    result[1] = (uint32_t)refusal;
    result[2] = refusal == NULL ? 0 : strlen(refusal);
    return result;
}

abi_failure abi_failed(tidemill_status status) {
    const char *message = tidemill_failure();
    abi_failure failure = {status == TIDEMILL_FATAL, message, strlen(message)};
    return failure;
}
