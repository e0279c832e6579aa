/* A row of /v1/prices read: what is sorted by it and what is said of it. */
#ifndef ROUTECTL_PRICES_ROW_H
#define ROUTECTL_PRICES_ROW_H

#include <stddef.h>

#include "routectl/writer.h"
#include "shared/json.h"

/* The request that rows are sorted by. */
#define PRICES_INPUT  1000
#define PRICES_OUTPUT 300

struct priced {
    const cJSON *json;
    double cost;  /* of a thousand such requests, as charged; NAN = unknown */
    int standing; /* 0 = to be believed, 1 = implausible, 2 = unknown */
    size_t at;    /* where it came */
};

/* The rows of a model, best first. Caller frees. */
struct priced *prices_sort(const cJSON *rows, size_t *ret_len);

/* "1.02 ±0.05", "1.50x dearer", "insufficient data"; programs: the state. */
struct cell prices_verified(const cJSON *verified);
/* "1.5 of the advertised price (1.44 to 1.56), 41 comparisons, by token_delta, last 60 s ago". */
void prices_add_verified(struct buf *ret, const cJSON *verified, double now);
/* "1.30 times the known number, 96 samples". */
void prices_add_inflation(struct buf *ret, const cJSON *inflation);
/* What is out of the ordinary with it, in a few words; nothing if nothing is. */
void prices_add_notes(struct buf *ret, const struct priced *row);

#endif
