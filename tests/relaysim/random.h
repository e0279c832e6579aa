/* Chance, repeatable: one 64-bit state, and the delays that are drawn from it. */
#ifndef RELAYSIM_RANDOM_H
#define RELAYSIM_RANDOM_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "shared/err.h"
#include "shared/units.h"

uint64_t random_next(uint64_t *state);
double random_unit(uint64_t *state); /* 0 <= x < 1 */

enum spread_kind { SPREAD_CONSTANT, SPREAD_UNIFORM, SPREAD_NORMAL, SPREAD_LOGNORMAL };

/* A distribution of delays, in milliseconds. */
struct spread {
    enum spread_kind kind;
    double a, b; /* constant a; uniform a..b; normal mean a, deviation b; lognormal median a, sigma b (of the logarithm) */
};
/* 12.5 | {"uniform":[10,20]} | {"normal":[200,30]} | {"lognormal":[200,0.5]} | {"constant":5} */
int spread_from_json(const cJSON *json, struct spread *ret, struct err *err) ATTR_UNUSED_RESULT;
cJSON *spread_to_json(const struct spread *spread);
usec_t spread_draw(const struct spread *spread, uint64_t *state); /* 0..1 hour */

#endif
