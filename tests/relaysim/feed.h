/* Price feeds: which there are, and how they are sent. */
#ifndef RELAYSIM_FEED_H
#define RELAYSIM_FEED_H

#include "tests/relaysim/asked.h"
#include "tests/relaysim/prices.h"

enum feed_id {
    FEED_OPENROUTER,
    FEED_OPENROUTER_ENDPOINTS,
    FEED_NEWAPI,
    FEED_STATUS,
    FEED_ONEHUB,
    FEED_ONEHUB_GROUPS,
    FEED_ONEHUB_OLD,
    FEED_VOAPI,
    FEED_RIXAPI,
    FEED_SHELLAPI,
    FEED_AIHUBMIX,
    FEED_REFERENCE,
    FEED_RATES
};

/* Is the path one of this relay's feeds? Says which in a->feed. */
bool feed_find(struct asked *a);
void feed_answer(struct asked *a);
/* A body, packed if the client takes that (or if `pack` says always). */
void feed_put(struct asked *a, int status, const char *type, const struct buf *body, const char *more, bool pack);

/* --- for the writers of the bodies --- */

struct feed {
    const struct relay *relay;
    const struct behaviour *b;
    enum feed_fault fault;
    bool old;
    bool only_calls;   /* rows that are charged by the call */
    const char *group; /* of our key */
    double ratio;      /* of that group */
    const char *model; /* the one that is asked for; NULL = all */
};

struct feed_row {
    const char *model;
    struct prices p;
    const struct behaviour *b;
    bool told;    /* its price is */
    bool by_call; /* it is charged by the call, not by tokens */
};
/* Calls fn for each model that the feed lists, with a comma between two; a duplicate comes dearer. */
typedef void (*feed_row_fn)(const struct feed *f, const struct feed_row *row, struct buf *ret);
void feed_rows(const struct feed *f, feed_row_fn fn, struct buf *ret);
void feed_add_number(double value, struct buf *ret);
/* "0.00000015": in full, in quotes. */
void feed_add_decimal(double value, struct buf *ret);
/* {"default":1,"vip":0.8}, without ours if it is to be missing. */
void feed_add_groups(const struct feed *f, struct buf *ret);
/* ["default","vip"]: those that the model is sold to. */
void feed_add_sold(const struct feed *f, const struct feed_row *row, struct buf *ret);
/* The model's ratio and price a call in the one-api family's numbers, for our group. */
double feed_ratio(const struct feed *f, double price);
double feed_call(const struct feed *f, double price);

/* feed_openrouter.c: OpenRouter, AIHubMix, LiteLLM's map, the rates */
void feed_write_openrouter(const struct feed *f, struct buf *ret);
bool feed_write_endpoints(const struct feed *f, struct buf *ret); /* false: there is no such model */
void feed_write_aihubmix(const struct feed *f, struct buf *ret);
void feed_write_reference(const struct feed *f, struct buf *ret);
void feed_write_rates(const struct feed *f, struct buf *ret);
/* feed_oneapi.c: what descends from one-api */
void feed_write_newapi(const struct feed *f, struct buf *ret);
void feed_write_status(const struct feed *f, struct buf *ret);
void feed_write_onehub(const struct feed *f, struct buf *ret);
void feed_write_onehub_groups(const struct feed *f, struct buf *ret);
void feed_write_onehub_old(const struct feed *f, struct buf *ret);
void feed_write_voapi(const struct feed *f, struct buf *ret);
void feed_write_rixapi(const struct feed *f, struct buf *ret);
void feed_write_shellapi(const struct feed *f, struct buf *ret);

#endif
