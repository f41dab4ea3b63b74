/* Records as columns, for tests. */
#ifndef TIDEMILL_TESTING_COLUMNS_H
#define TIDEMILL_TESTING_COLUMNS_H

#include "plugin.h"
#include "tidemill_testing.h"

/* Memory that is freed when the test ends. */
void *tidemill_test_memory(size_t bytes);
/* Columns of records, of the parts that are read; timestamps always, for they show how many records there are. */
tidemill_batch tidemill_test_batch(const tidemill_record_given *records, size_t count, unsigned reads);
/* A column that outlives the plugin's next call. */
tidemill_column tidemill_test_copy(tidemill_column column);
/* A copy with a zero after it, or NULL for an absent item. */
const char *tidemill_test_item(const tidemill_column *column, size_t index, size_t *length);
/* Ends the program where the settings are refused. */
void tidemill_test_configure(const tidemill_about *about, const tidemill_param *params, size_t param_count);

#endif
