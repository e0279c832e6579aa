/* What a history says that no configuration does, kept so that it outlives the reading of another configuration.
 *
 * A new configuration makes a new ranker, which knows what the configuration says and takes over what was observed. Prices that a feed told
 * and keys that were missing are in neither: they are kept here as they were told, in USD and by name, and are told again. Routes are
 * numbers of the ranker in force; nothing here outlives the replay. */
#include "probed/replay_told.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

struct told_price { /* pico-USD; at = 0: none was told */
    int64_t input, output, call;
    usec_t at;
};

struct told_platform {
    char name[sizeof(((struct record *)0)->platform)];
    bool usable;
};

void told_done(struct told *told)
{
    free(told->prices);
    free(told->platforms);
    *told = (struct told){0};
}

static int tell_price(struct ranker *ranker, const struct config *config, int route, const struct told_price *told, usec_t now,
                      struct err *err)
{
    struct price price = {.known = true, .at = told->at, .source = "history"};
    if (config_convert(config, 0, "USD") < 0)
        return err_set(err, -EINVAL, "the price is in USD, and the configuration has no rate for it");
    price.input = told->input < 0 ? 0 : config_convert(config, told->input, "USD");
    price.output = told->output < 0 ? 0 : config_convert(config, told->output, "USD");
    price.call = told->call < 0 ? 0 : config_convert(config, told->call, "USD");
    ranker_set_price(ranker, route, &price, now);
    return 0;
}

static void tell_usable(struct ranker *ranker, const struct told_platform *told, usec_t now)
{
    int platform = ranker_find_platform(ranker, told->name);
    if (platform >= 0)
        ranker_set_usable(ranker, platform, told->usable, "there was no key for it", now);
}

int told_price(struct told *told, struct ranker *ranker, const struct config *config, int route, const struct record *record, usec_t now,
               struct err *err)
{
    size_t len = 2 * ranker_routes(ranker);
    if ((size_t)route >= told->prices_len) {
        told->prices = alloc_resize(told->prices, len, sizeof *told->prices);
        memset(told->prices + told->prices_len, 0, (len - told->prices_len) * sizeof *told->prices);
        told->prices_len = len;
    }
    told->prices[route] = (struct told_price){record->price.input, record->price.output, record->price.call, now};
    return tell_price(ranker, config, route, &told->prices[route], now, err);
}

void told_usable(struct told *told, struct ranker *ranker, const struct record *record, usec_t now)
{
    size_t i = 0;
    while (i < told->platforms_len && strcmp(told->platforms[i].name, record->platform) != 0)
        i++;
    if (i == told->platforms_len) {
        told->platforms = alloc_resize(told->platforms, ++told->platforms_len, sizeof *told->platforms);
        memcpy(told->platforms[i].name, record->platform, sizeof told->platforms[i].name);
    }
    told->platforms[i].usable = record->ok;
    tell_usable(ranker, &told->platforms[i], now);
}

void told_again(struct told *told, struct ranker *ranker, const struct config *config, const struct ranker *old, usec_t now)
{
    struct told_price *prices = alloc_zero(ranker_routes(ranker) + 1, sizeof *prices);
    for (size_t i = 0; i < ranker_routes(old) && i < told->prices_len; i++) {
        const struct table_facts *facts = ranker_facts(old, (int)i);
        int route = told->prices[i].at ? ranker_find(ranker, facts->platform, facts->model) : -1;
        if (route >= 0 && tell_price(ranker, config, route, &told->prices[i], now, NULL) == 0)
            prices[route] = told->prices[i];
    }
    free(told->prices);
    told->prices = prices;
    told->prices_len = ranker_routes(ranker);
    for (size_t i = 0; i < told->platforms_len; i++)
        tell_usable(ranker, &told->platforms[i], now);
}
