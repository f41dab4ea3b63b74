/* What a pipeline can grant. The linker leaves out what is never called, so that a plugin imports what it uses. */
#include "abi.h"

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))

IMPORT("tidemill:plugin/logging@0.1.0", "log")
void abi_log(uint32_t level, const char *message, size_t length);
IMPORT("tidemill:plugin/metrics@0.1.0", "count")
void abi_count(const char *name, size_t length, const tidemill_label *labels, size_t label_count, uint64_t by);
IMPORT("tidemill:plugin/metrics@0.1.0", "gauge")
void abi_gauge(const char *name, size_t length, const tidemill_label *labels, size_t label_count, double value);

void tidemill_host_log(tidemill_level level, const char *message, size_t length) { abi_log(level, message, length); }

void tidemill_host_count(const char *name, size_t length, const tidemill_label *labels, size_t label_count,
                         uint64_t by) {
    abi_count(name, length, labels, label_count, by);
}

void tidemill_host_gauge(const char *name, size_t length, const tidemill_label *labels, size_t label_count,
                         double value) {
    abi_gauge(name, length, labels, label_count, value);
}
