#ifndef TIDEMILL_RECORD_H
#define TIDEMILL_RECORD_H

#include "columns.h"

struct tidemill_records {
    const tidemill_batch *batch;
    tidemill_emitter *emitter;
    uint32_t next, length;
};

/* Of emitter.c: what follows belongs to record `index`. */
void tidemill_begin_record(tidemill_emitter *emitter, uint32_t index);

#endif
