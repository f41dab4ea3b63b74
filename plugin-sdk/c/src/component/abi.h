/* The canonical ABI of the contract, by hand. Only for wasm32, where the structs of columns.h are its records. */
#ifndef TIDEMILL_ABI_H
#define TIDEMILL_ABI_H

#include "plugin.h"

_Static_assert(sizeof(void *) == 4, "the layouts below are those of wasm32");
_Static_assert(sizeof(tidemill_column) == 24 && sizeof(tidemill_batch) == 80, "as in the contract");
_Static_assert(sizeof(tidemill_outcome) == 104 && sizeof(tidemill_rejection) == 12, "as in the contract");

#define EXPORT(name) __attribute__((export_name(name)))

/* A list or a text. */
typedef struct {
    const void *at;
    size_t length;
} abi_list;

/* The contract's `failure`. */
typedef struct {
    uint32_t is_fatal;
    const char *message;
    size_t message_length;
} abi_failure;

/* The contract's `result<column, failure>`. */
typedef struct {
    uint32_t is_err;
    union {
        tidemill_column column;
        abi_failure failure;
    } of;
} abi_column_result;

/* A column taken apart: up to 16 words of parameters are handed over as they are. */
#define COLUMN(name)                                                                                         \
    const uint8_t *name##_data, size_t name##_data_length, const uint32_t *name##_offsets,                   \
        size_t name##_offsets_length, const uint8_t *name##_validity, size_t name##_validity_length
#define COLUMN_OF(name)                                                                                      \
    {                                                                                                        \
        name##_data, name##_data_length, name##_offsets, name##_offsets_length, name##_validity,             \
            name##_validity_length                                                                           \
    }

/* What this component is; of the world's file. */
const tidemill_about *abi_about(void);
/* The parameters of the call are not needed any more. */
void abi_done(void);
/* The contract's `failure` of a call that ended so. */
abi_failure abi_failed(tidemill_status status);

#endif
