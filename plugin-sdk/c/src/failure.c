#include <stdarg.h>
#include <stdio.h>

#include "plugin.h"

static char message[1024];

const char *tidemill_failure(void) { return message; }

tidemill_status tidemill_fatal(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return TIDEMILL_FATAL;
}

tidemill_status tidemill_retryable(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return TIDEMILL_RETRYABLE;
}

void tidemill_log(tidemill_level level, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0) return;
    /* What is longer is cut off. */
    size_t shown = (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
    tidemill_host_log(level, text, shown);
}

void tidemill_count(const char *name, const tidemill_label *labels, size_t label_count, uint64_t by) {
    tidemill_host_count(name, strlen(name), labels, label_count, by);
}

void tidemill_gauge(const char *name, const tidemill_label *labels, size_t label_count, double value) {
    tidemill_host_gauge(name, strlen(name), labels, label_count, value);
}
