/* Names of what can be asked. */
#include "probed/core/history.h"

#include <string.h>

#include "shared/compiler.h"

static const struct {
    const char *name, *unit;
} metric_table[] = {
#define X(id, name, unit) {name, unit},
    HISTORY_METRIC_TABLE(X)
#undef X
};

const char *history_metric_name(enum history_metric metric) { return metric_table[metric].name; }
const char *history_metric_unit(enum history_metric metric) { return metric_table[metric].unit; }

int history_metric_from_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(metric_table); i++)
        if (strcmp(metric_table[i].name, name) == 0)
            return (int)i;
    return -1;
}
