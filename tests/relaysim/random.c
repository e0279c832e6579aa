/* Chance, repeatable.
 *
 * A relay's state is one 64-bit number (splitmix64: Steele, Lea and Flood 2014), seeded from the simulation's seed and the relay's name, so
 * that a run with the same seed and the same order of requests has the same delays and failures. Normal values by Box and Muller. */
#include "tests/relaysim/random.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "shared/json.h"

#define DELAY_MAX_MS 3600000.0

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

double random_unit(uint64_t *state)
{
    return (double)(random_next(state) >> 11) * 0x1p-53;
}

static double random_normal(uint64_t *state)
{
    double u = 1 - random_unit(state), v = random_unit(state);
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

static const char *const spread_names[] = {"constant", "uniform", "normal", "lognormal"};

int spread_from_json(const cJSON *json, struct spread *ret, struct err *err)
{
    static const char usage[] =
        "a delay is milliseconds, or {\"uniform\":[LOW,HIGH]}, {\"normal\":[MEAN,SD]}, {\"lognormal\":[MEDIAN,SIGMA]}";
    struct spread spread = {.kind = SPREAD_CONSTANT};
    const cJSON *value = json;
    if (cJSON_IsObject(json)) {
        value = json->child;
        size_t kind = 0;
        while (value && kind < ARRAY_LEN(spread_names) && strcmp(value->string, spread_names[kind]) != 0)
            kind++;
        if (!value || value->next || kind == ARRAY_LEN(spread_names))
            return err_set(err, -EINVAL, "%s", usage);
        spread.kind = (enum spread_kind)kind;
    }
    if (spread.kind == SPREAD_CONSTANT) {
        if (!cJSON_IsNumber(value))
            return err_set(err, -EINVAL, "%s", usage);
        spread.a = value->valuedouble;
    } else if (cJSON_GetArraySize(value) != 2 || !json_number(value, "0", &spread.a) || !json_number(value, "1", &spread.b)) {
        return err_set(err, -EINVAL, "%s", usage);
    }
    if (!(spread.a >= 0 && spread.a <= DELAY_MAX_MS && spread.b >= 0 && spread.b <= DELAY_MAX_MS))
        return err_set(err, -EINVAL, "a delay is between 0 and %.0f ms", DELAY_MAX_MS);
    *ret = spread;
    return 0;
}

cJSON *spread_to_json(const struct spread *spread)
{
    if (spread->kind == SPREAD_CONSTANT)
        return cJSON_CreateNumber(spread->a);
    cJSON *json = cJSON_CreateObject();
    cJSON *pair = json_add_array(json, spread_names[spread->kind]);
    json_add_number(pair, NULL, spread->a);
    json_add_number(pair, NULL, spread->b);
    return json;
}

usec_t spread_draw(const struct spread *spread, uint64_t *state)
{
    double ms = spread->a;
    switch (spread->kind) {
    case SPREAD_CONSTANT:
        break;
    case SPREAD_UNIFORM:
        ms += random_unit(state) * (spread->b - spread->a);
        break;
    case SPREAD_NORMAL:
        ms += random_normal(state) * spread->b;
        break;
    case SPREAD_LOGNORMAL:
        ms *= exp(random_normal(state) * spread->b);
        break;
    }
    if (!(ms > 0))
        return 0;
    return (usec_t)((ms < DELAY_MAX_MS ? ms : DELAY_MAX_MS) * 1000);
}
