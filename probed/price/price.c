/* The door of this room: the sources by name, and a whole list read in one go.
 *
 * What a reading is, and how it is done in slices: reading.c. What a list is afterwards: list.c. */
#include <errno.h>
#include <string.h>

#include "probed/price/prices_parts.h"

const char *price_source_name(enum price_source source)
{
    static const char *const names[] = {
#define X(id, name, text) [PRICE_SOURCE_##id] = name,
        PRICE_SOURCE_TABLE(X)
#undef X
    };
    return (size_t)source < ARRAY_LEN(names) ? names[source] : "?";
}

int price_source_from_name(const char *name)
{
    for (int i = 0; name && i < PRICE_SOURCE_COUNT; i++)
        if (strcmp(price_source_name((enum price_source)i), name) == 0)
            return i;
    return -1;
}

const char *price_source_path(enum price_source source)
{
    switch (source) {
    case PRICE_SOURCE_OPENROUTER:
        return "/models";
    case PRICE_SOURCE_OPENROUTER_ENDPOINTS:
        return "/models/{id}/endpoints";
    case PRICE_SOURCE_AUTO:
    case PRICE_SOURCE_NEWAPI:
    case PRICE_SOURCE_RIXAPI:
    case PRICE_SOURCE_SHELLAPI:
        return "/api/pricing";
    case PRICE_SOURCE_ONEHUB:
        return "/api/available_model";
    case PRICE_SOURCE_VOAPI:
        return "/api/models/price";
    case PRICE_SOURCE_AIHUBMIX:
        return "/api/v1/models";
    case PRICE_SOURCE_LITELLM:
    case PRICE_SOURCE_COUNT:
        break;
    }
    return "";
}

bool price_known(const struct price_figures *price)
{
    return price->input >= 0 ? price->output >= 0 : price->output < 0 && price->call >= 0;
}

int price_read(enum price_source source, const char *body, size_t len, const struct price_context *context, struct price_list *ret,
               struct err *err)
{
    *ret = (struct price_list){.rows = NULL};
    struct price_reading *reading = price_reading_new(source, body, len, context, err);
    if (!reading)
        return -EINVAL;
    int more;
    while ((more = price_reading_step(reading, SIZE_MAX, err)) > 0)
        ;
    if (more == 0)
        price_reading_take(reading, ret);
    price_reading_free(reading);
    return more;
}
