/* The books of a platform: use and readings come in, slots and blocks are made of them, and each new block is judged (billing_judge.c).
 *
 * A slot ends with the first reading that is BILLING_SLOT after its begin. One in which the charge is not known is kept for its use, since
 * that may post later, but it ends the block that grows. Blocks begin only when our use is known for as long before as charges may be late.
 */
#include "probed/core/billing.h"

#define BLOCK_LEAST (BILLING_BLOCK / 2) /* a block that ends early is worth keeping from here on */
#define OLD         (4 * USEC_PER_DAY)

static uint32_t seconds(usec_t at)
{
    return at < 0 ? 0 : at / USEC_PER_SEC > UINT32_MAX ? UINT32_MAX : (uint32_t)(at / USEC_PER_SEC);
}

static void see(struct billing *b, usec_t now)
{
    if (b->since == 0)
        b->since = now > 0 ? now : 1;
}

void billing_use(struct billing *b, double low, double high, bool traffic, usec_t now)
{
    see(b, now);
    b->low += low;
    b->high += high;
    if (traffic)
        b->traffic += high;
}

void billing_blind(struct billing *b, usec_t now)
{
    see(b, now);
    b->broken = true;
    /* It may post any time until then: as if our use had been unknown so far. */
    b->since = b->blind = now > 0 ? now : 1;
}

double billing_recent(const struct billing *b, usec_t now)
{
    uint32_t from = seconds(now - BILLING_LATENESS);
    double sum = b->high;

    for (int i = b->slots_len - 1; i >= 0 && billing_slot(b, i)->end > from; i--)
        sum += (double)billing_slot(b, i)->high;
    return sum;
}

/* Whole slots only: too much rather than too little. */
static float use_before(const struct billing *b, uint32_t end, bool most)
{
    uint32_t lateness = seconds(BILLING_LATENESS);
    double sum = 0;

    for (int i = b->slots_len - 1; i >= 0; i--) {
        const struct billing_slot *s = billing_slot(b, i);

        if (s->end + lateness <= end)
            break;
        if (s->end <= end)
            sum += (double)(most ? s->high : s->low);
    }
    return (float)sum;
}

static void close_block(struct billing *b)
{
    struct billing_block *open = &b->open;

    if (open->end == 0)
        return;
    open->tail = use_before(b, open->end, false);
    b->blocks[b->blocks_next] = *open;
    b->blocks_next = (uint8_t)((b->blocks_next + 1) % BILLING_BLOCKS);
    if (b->blocks_len < BILLING_BLOCKS)
        b->blocks_len++;
    *open = (struct billing_block){.end = 0};
    b->verdict = billing_judge(b);
}

static bool continues(const struct billing *b, uint32_t begin)
{
    return b->blocks_len > 0 && billing_block(b, b->blocks_len - 1)->end == begin;
}

static void add_to_block(struct billing *b, const struct billing_slot *s)
{
    struct billing_block *open = &b->open;
    uint32_t begin = s->end - s->length;

    if (s->broken || begin < seconds(b->since + BILLING_LATENESS)) {
        if (open->end && open->end - open->begin >= seconds(BLOCK_LEAST))
            close_block(b);
        *open = (struct billing_block){.end = 0};
        return;
    }
    if (open->end == 0) {
        *open = (struct billing_block){.begin = begin, .before = use_before(b, begin, true), .joined = continues(b, begin)};
    }
    open->end = s->end;
    open->charged += s->charged;
    open->low += s->low;
    open->high += s->high;
    open->traffic += s->traffic;
    uint32_t length = open->end - open->begin;

    if (length >= seconds(BILLING_BLOCK_MOST) || (length >= seconds(BILLING_BLOCK) && s->charged > 0))
        close_block(b);
}

static void close_slot(struct billing *b, usec_t now)
{
    struct billing_slot s = {.end = seconds(now),
                             .length = seconds(now) - seconds(b->begun),
                             .charged = (float)b->charged,
                             .low = (float)b->low,
                             .high = (float)b->high,
                             .traffic = (float)b->traffic,
                             .broken = b->broken || now - b->begun > BILLING_SLOT_MAX};

    b->slots[b->slots_next] = s;
    b->slots_next = (uint8_t)((b->slots_next + 1) % BILLING_SLOTS);
    if (b->slots_len < BILLING_SLOTS)
        b->slots_len++;
    b->begun = now;
    b->charged = b->low = b->high = b->traffic = 0;
    b->broken = false;
    add_to_block(b, &s);
}

/* Other figures than before: what was learnt of the others does not count for these. */
static void begin_anew(struct billing *b)
{
    b->blocks_len = b->blocks_next = 0;
    b->open = (struct billing_block){.end = 0};
    b->verdict = (struct billing_verdict){.why = ACCOUNT_WHY_FEW, .ratio = -1, .low = -1, .high = -1};
    b->broken = true;
}

void billing_read(struct billing *b, bool known, double charged, const struct account_reading *r, double unit, usec_t now)
{
    see(b, now);
    if (b->begun == 0)
        begin_anew(b);
    if (b->begun && b->own_key != r->own_key)
        begin_anew(b);
    b->unit = unit;
    b->own_key = r->own_key;
    b->shared = r->shared;
    b->alone = r->alone;
    if (!known)
        b->broken = true;
    else
        b->charged += charged;
    if (b->begun == 0) { /* what was used before it is kept as a slot without a charge */
        b->begun = b->since;
        b->broken = true;
        close_slot(b, now);
    } else if (now - b->begun >= BILLING_SLOT || b->broken) {
        close_slot(b, now);
    }
}

void billing_break(struct billing *b)
{
    b->broken = true;
}

void billing_ratio(const struct billing *b, usec_t now, struct account_ratio *ret)
{
    const struct billing_verdict *v = &b->verdict;

    *ret = (struct account_ratio){
        .state = ACCOUNT_INSUFFICIENT, .why = ACCOUNT_WHY_NO_READING, .ratio = -1, .low = -1, .high = -1, .newest = -1};
    if (b->begun == 0)
        return;
    ret->evidence = b->own_key ? ACCOUNT_TOKEN_DELTA : ACCOUNT_BALANCE_DELTA;
    ret->of_mix = true;
    ret->why = b->shared                                                             ? ACCOUNT_WHY_SHARED
               : b->blind && now - b->blind < 2 * (BILLING_LATENESS + BILLING_BLOCK) ? ACCOUNT_WHY_BLIND
                                                                                     : ACCOUNT_WHY_FEW;
    if (b->blocks_len == 0)
        return;
    ret->ratio = (double)v->ratio;
    ret->low = (double)v->low;
    ret->high = (double)v->high;
    ret->windows = v->windows;
    ret->newest = (usec_t)v->newest * USEC_PER_SEC;
    if (b->shared)
        return;
    if (now - ret->newest > OLD) {
        ret->why = ACCOUNT_WHY_OLD;
        return;
    }
    ret->state = v->state;
    ret->why = v->why;
}
