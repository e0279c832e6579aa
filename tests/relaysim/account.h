/* The money of a relay's one customer: what was put in, what is charged, what of that shows already. */
#ifndef RELAYSIM_ACCOUNT_H
#define RELAYSIM_ACCOUNT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/err.h"
#include "shared/units.h"

#define CHARGES_KEPT 4096 /* newest requests that /generation and /api/log/self know of */

struct relay;
struct behaviour;

/* Money is in pico-units of whatever the relay's own unit is. */
struct charge {
    uint64_t number; /* of the answer: its id without the prefix */
    char model[64];
    usec_t made, due;                                                           /* steady clock: when it was made, when it shows */
    int64_t made_at;                                                            /* Unix seconds */
    int64_t amount;                                                             /* what is taken */
    unsigned prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens; /* as told */
    bool stream, posted;
};

struct account {
    usec_t began;
    int64_t put_in;          /* everything that was ever paid in, given and corrected */
    int64_t charged, posted; /* by us; posted is the part that shows */
    int64_t foreign;         /* by others who share it */
    int64_t foreign_rate;    /* an hour */
    usec_t foreign_at;       /* reckoned up to here */
    int64_t gift;            /* the newest one; it is used first */
    int64_t gift_used_from;  /* posted + foreign when it was given */
    usec_t gift_expires;     /* 0 = never */
    int64_t expired;         /* gifts that went unused */
    int64_t topped_up, gifts;
    int64_t advertised, fair; /* told tokens, and true tokens, at the listed prices */
    uint64_t requests, prompt_tokens, completion_tokens, reasoning_tokens, told_prompt_tokens, told_completion_tokens;
    struct charge *charges; /* a ring of CHARGES_KEPT, in the order in which they were made */
    size_t charges_len, charges_size, charges_next;
    struct charge *late; /* made and not shown yet: all of them, also those that the ring has dropped */
    size_t late_len, late_size;
};

/* What was said and what is taken for it. */
struct bill {
    uint64_t number;
    const char *model;
    bool stream;
    unsigned prompt_tokens, completion_tokens, reasoning_tokens; /* true */
    unsigned told_prompt, told_completion, told_reasoning, cached;
    double advertised, fair, charged;
};

int64_t account_pico(double money);
double account_money(int64_t pico);

void account_free(struct account *account); /* NULL is fine */
/* The relay's, made when it is first asked for and brought up to now. */
struct account *account_of(struct relay *relay);
/* What `set` has just laid over the behaviour: balance, gift and foreign change the account at once. */
void account_apply(struct relay *relay, const cJSON *json);
void account_charge(struct relay *relay, const struct behaviour *b, const struct bill *bill);
/* A kind of "topup", "gift" (that expires after so many ms; < 0 = never) or "correction". */
int account_put(struct relay *relay, double amount, const char *kind, double expires_ms, struct err *err) ATTR_UNUSED_RESULT;

int64_t account_left(const struct account *account);      /* as it shows */
int64_t account_left_true(const struct account *account); /* with what has not been posted */
int64_t account_gift_left(const struct account *account);
/* The i-th newest charge that shows; NULL at the end. */
const struct charge *account_posted(const struct account *account, size_t i);
/* Of that number; NULL = not there, or it does not show yet. */
const struct charge *account_find(const struct account *account, uint64_t number);
/* The truth, for tests. */
void account_to_json(struct relay *relay, cJSON *json);

#endif
