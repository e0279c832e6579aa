/* Charged against advertised, of one platform: what its balance fell by against what our use should have cost.
 *
 * What makes this hard: charges post late, by up to hours, one by one or in a lump; balances are coarse; top-ups and gifts come in between;
 * and others may use the account. So nothing is concluded from a single probe. Between two readings there is a slot (some ten minutes), of
 * slots a block is made (two and a half hours or more, up to a charge, so that what posts in lumps falls in whole): what was charged, and
 * the least and the most that our use should have cost.
 *
 * A stretch of blocks bounds the ratio without any assumption about when charges post, but that none is later than BILLING_LATENESS: what
 * was charged in it stands for no more than the use in it and just before it, and for no less than the use in it but for the end. All
 * stretches together must agree, or something else moves the balance: then the oldest blocks are left out until they do (the ratio
 * changed), and if too few are left there is no verdict. Beside these bounds stands the median over windows with its spread, which does not
 * mind single odd windows. The interval told holds both.
 *
 * Others' use only ever adds. It cannot make a relay look cheaper, but a steady one looks exactly like an overcharge, so "dearer" needs
 * more than a ratio. Use that comes now and then leaves hours alone, and they are as advertised then (billing_quiet.c). For use that does
 * not, one of these is needed: the readings are of a key of our own; or the operator's word that all use is ours; or charges follow the ups
 * and downs of our own probes: the slope of charges over use, which others' use leaves alone, is above 1 for certain (billing_slope.c). */
#ifndef PROBED_CORE_BILLING_H
#define PROBED_CORE_BILLING_H

#include "probed/core/accounts.h"

#define BILLING_LATENESS    (150 * USEC_PER_MINUTE)
#define BILLING_SLOT        (9 * USEC_PER_MINUTE)   /* at least; readings are usually 10 min apart */
#define BILLING_SLOT_MAX    (6 * USEC_PER_HOUR)     /* what happened in longer ones is not known well enough */
#define BILLING_BLOCK       (150 * USEC_PER_MINUTE) /* at least: it ends with a charge, if one comes in BILLING_BLOCK_MOST */
#define BILLING_BLOCK_MOST  (270 * USEC_PER_MINUTE)
#define BILLING_SLOTS       160
#define BILLING_BLOCKS      64 /* 6.7 days and more */
#define BILLING_ENOUGH      4  /* blocks for a verdict, and that they last together: one more until it is said */
#define BILLING_LONG_ENOUGH (12 * USEC_PER_HOUR)
#define BILLING_TOLERANCE   0.1     /* as advertised: within this of 1 */
#define BILLING_STEP        2000000 /* a quota point: 1/500000 of a unit of money */

/* Money in pico as float: a slot's is small against its own error. Seconds since the epoch. */
struct billing_slot {
    uint32_t end, length;
    float charged, low, high; /* low, high: what our use in it should have cost */
    float traffic;            /* the part of high that is reported traffic */
    bool broken;              /* what was charged in it is not known */
};

struct billing_block {
    uint32_t begin, end;
    float charged, low, high, traffic;
    float before; /* high of the BILLING_LATENESS before it: that may post in it */
    float tail;   /* low of its last BILLING_LATENESS: that may post after it */
    bool joined;  /* it begins where the one before it ended */
};

/* What the blocks say; worked out when one is added. -1 = not known. */
struct billing_verdict {
    uint8_t state, why; /* enum account_state, account_why */
    uint8_t windows;
    float ratio, low, high;
    uint32_t newest;
};

struct billing {
    usec_t since;                       /* our use is known from here on; 0 = nothing was told yet */
    usec_t blind;                       /* of the last request whose cost is not known; 0 = none */
    usec_t begun;                       /* of the slot that runs; 0 = no reading yet */
    double charged, low, high, traffic; /* of the slot that runs */
    double unit;                        /* of readings */
    bool broken;                        /* the slot that runs */
    bool own_key, shared, alone;        /* of the last reading */
    uint8_t slots_len, slots_next, blocks_len, blocks_next;
    struct billing_block open; /* the block that grows; end 0 = none */
    struct billing_verdict verdict;
    struct billing_slot slots[BILLING_SLOTS];    /* a ring */
    struct billing_block blocks[BILLING_BLOCKS]; /* a ring */
};

/* A request that should have cost between low and high. */
void billing_use(struct billing *b, double low, double high, bool traffic, usec_t now);
/* One whose cost is not known at all: what is charged while it may post proves nothing. */
void billing_blind(struct billing *b, usec_t now);
/* A balance was read: `charged` more than at the one before it; known false: that is not known (the first one, a top-up, figures that began
 * anew). */
void billing_read(struct billing *b, bool known, double charged, const struct account_reading *r, double unit, usec_t now);
/* What our use of the last BILLING_LATENESS and of the slot that runs should have cost at most. */
double billing_recent(const struct billing *b, usec_t now);
/* What happened until now is not known: after a restart. */
void billing_break(struct billing *b);
void billing_ratio(const struct billing *b, usec_t now, struct account_ratio *ret);

/* The i-th oldest. */
static inline const struct billing_slot *billing_slot(const struct billing *b, int i)
{
    return &b->slots[(b->slots_next + BILLING_SLOTS - b->slots_len + i) % BILLING_SLOTS];
}
static inline const struct billing_block *billing_block(const struct billing *b, int i)
{
    return &b->blocks[(b->blocks_next + BILLING_BLOCKS - b->blocks_len + i) % BILLING_BLOCKS];
}

/* billing_judge.c, billing_slope.c, billing_quiet.c */
struct billing_verdict billing_judge(const struct billing *b);
/* How charges follow the ups and downs of our use, whatever else is charged evenly. */
struct billing_slope {
    bool told; /* they do, clearly */
    double slope, low, high;
};
struct billing_slope billing_slope(const struct billing *b, uint32_t since, uint32_t until);
/* Charged / advertised at the low end of the hours between these times: those that others left alone. -1 = not known. */
double billing_quiet(const struct billing *b, uint32_t since, uint32_t until);

#endif
