/* Lists of models: any bytes are a list or are classified, and what is listed is found. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probed/probe/models.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 256 * 1024)
        return 0;
    char *body = malloc(size + 1), name[64];
    if (size > 0)
        memcpy(body, data, size);
    struct models_list *list;
    struct classification c = models_list_parse(200, "application/json", body, size, &list);
    if ((list != NULL) != outcome_ok(c.outcome))
        abort();
    if (list) {
        size_t n = size < sizeof name - 1 ? size : sizeof name - 1;
        memcpy(name, body, n);
        name[n] = '\0';
        bool has = models_list_has(list, name), partial = models_list_partial(list);
        if (models_list_len(list) > MODELS_MAX || (has && !partial && models_list_len(list) == 0) || models_list_has(list, "") != partial)
            abort();
    }
    models_list_free(list);
    free(body);
    return 0;
}
