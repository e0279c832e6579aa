/* The accounts' memory as bytes, so that a restart does not begin to learn anew.
 *
 * Platforms and routes are found again by name; those that the configuration does not have any more are skipped. Prices are not kept (feeds
 * bring them), and what follows from the rest (the verdict on a platform's blocks) is worked out again. Of the slot that runs nothing is
 * concluded: what happened between the last word and the restart is not known. Nothing is trusted, see pickle.h; the sizes asserted stand
 * for "somebody added a member". */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "probed/core/accounts_inside.h"
#include "probed/core/pickle.h"

#define MAGIC         0x54434341u /* "ACCT" */
#define VERSION       1           /* raised with every change of what is pickled */
#define SECONDS_AHEAD 60

#define SIZE_IS(type, size) _Static_assert(sizeof(type) == (size), "a member of " #type " is not pickled yet")

SIZE_IS(struct billing_slot, 28);
SIZE_IS(struct billing_block, 36);
SIZE_IS(struct billing, 6912);
SIZE_IS(struct credit, 952);
SIZE_IS(struct charge, 24);
SIZE_IS(struct charges, 784);
SIZE_IS(struct inflation, 516);
SIZE_IS(struct account_platform, 7912);
SIZE_IS(struct account_route, 1600);

static void money(struct pickle *p, float *v, double least)
{
    double x = (double)*v;

    pickle_part(p, &x, least, PICKLE_MOST);
    *v = (float)x;
}

/* Seconds since the epoch, not later than the latest. */
static void seconds(struct pickle *p, uint32_t *v)
{
    PICKLE(p, v);
    if (pickle_reads(p) && p->latest > 0 && (usec_t)*v * USEC_PER_SEC > p->latest)
        p->bad = true;
}

static void slot_pickle(struct pickle *p, struct billing_slot *s)
{
    seconds(p, &s->end);
    PICKLE(p, &s->length);
    money(p, &s->charged, -PICKLE_MOST);
    money(p, &s->low, 0);
    money(p, &s->high, 0);
    money(p, &s->traffic, 0);
    PICKLE(p, &s->broken);
    if (pickle_reads(p) && s->length > s->end)
        p->bad = true;
}

static void block_pickle(struct pickle *p, struct billing_block *k)
{
    seconds(p, &k->begin);
    seconds(p, &k->end);
    money(p, &k->charged, -PICKLE_MOST);
    money(p, &k->low, 0);
    money(p, &k->high, 0);
    money(p, &k->traffic, 0);
    money(p, &k->before, 0);
    money(p, &k->tail, 0);
    PICKLE(p, &k->joined);
    if (pickle_reads(p) && k->begin > k->end)
        p->bad = true;
}

/* Rings are written oldest first, and read to the front. */
static void billing_pickle(struct pickle *p, struct billing *b)
{
    size_t slots = b->slots_len, blocks = b->blocks_len;

    pickle_time(p, &b->since);
    pickle_time(p, &b->blind);
    pickle_time(p, &b->begun);
    pickle_part(p, &b->charged, -PICKLE_MOST, PICKLE_MOST);
    pickle_part(p, &b->low, 0, PICKLE_MOST);
    pickle_part(p, &b->high, 0, PICKLE_MOST);
    pickle_part(p, &b->traffic, 0, PICKLE_MOST);
    pickle_part(p, &b->unit, 0, PICKLE_MOST);
    PICKLE(p, &b->broken);
    PICKLE(p, &b->own_key);
    PICKLE(p, &b->shared);
    PICKLE(p, &b->alone);
    block_pickle(p, &b->open);
    pickle_count(p, &slots, BILLING_SLOTS);
    for (size_t i = 0; i < slots; i++)
        slot_pickle(p, pickle_reads(p) ? &b->slots[i] : &b->slots[(b->slots_next + BILLING_SLOTS - slots + i) % BILLING_SLOTS]);
    pickle_count(p, &blocks, BILLING_BLOCKS);
    for (size_t i = 0; i < blocks; i++)
        block_pickle(p, pickle_reads(p) ? &b->blocks[i] : &b->blocks[(b->blocks_next + BILLING_BLOCKS - blocks + i) % BILLING_BLOCKS]);
    if (!pickle_reads(p))
        return;
    b->slots_len = (uint8_t)slots;
    b->slots_next = (uint8_t)(slots % BILLING_SLOTS);
    b->blocks_len = (uint8_t)blocks;
    b->blocks_next = (uint8_t)(blocks % BILLING_BLOCKS);
    if (!pickle_fine(p))
        return;
    if (b->begun == 0 && (slots || blocks))
        p->bad = true;
    b->verdict = billing_judge(b);
    billing_break(b);
}

static void reading_pickle(struct pickle *p, struct account_reading *r)
{
    PICKLE(p, &r->left);
    PICKLE(p, &r->used);
    PICKLE(p, &r->granted);
    PICKLE(p, &r->gift);
    PICKLE(p, &r->expires);
    PICKLE(p, &r->unit);
    PICKLE(p, &r->step);
    PICKLE(p, &r->unlimited);
    PICKLE(p, &r->own_key);
    PICKLE(p, &r->shared);
    PICKLE(p, &r->alone);
}

static void credit_pickle(struct pickle *p, struct credit *c)
{
    size_t changes = c->changes_len;
    int64_t hour_most = p->latest > 0 ? p->latest / USEC_PER_HOUR : INT64_MAX / USEC_PER_DAY;

    reading_pickle(p, &c->last);
    pickle_time(p, &c->at);
    pickle_part(p, &c->digit, 0, PICKLE_MOST);
    PICKLE(p, &c->cell);
    for (int i = 0; i < CREDIT_CELLS; i++) {
        money(p, &c->cells[i].burnt, -PICKLE_MOST);
        money(p, &c->cells[i].hours, 0);
    }
    pickle_count(p, &changes, ACCOUNT_CHANGES);
    c->changes_len = (uint8_t)changes;
    for (size_t i = 0; i < changes; i++) {
        uint8_t kind = (uint8_t)c->changes[i].kind;

        pickle_time(p, &c->changes[i].at);
        PICKLE(p, &c->changes[i].amount);
        pickle_below(p, &kind, ACCOUNT_CHANGE_KINDS);
        c->changes[i].kind = kind;
    }
    PICKLE(p, &c->low);
    PICKLE(p, &c->shortage);
    PICKLE(p, &c->hour);
    for (int i = 0; i < CREDIT_HOURS; i++) {
        money(p, &c->probes[i], 0);
        PICKLE(p, &c->unknown[i]);
    }
    pickle_part(p, &c->probes_total, 0, PICKLE_MOST * 10);
    if (pickle_reads(p) && (c->cell < 0 || c->cell > hour_most || c->hour < 0 || c->hour > hour_most))
        p->bad = true;
}

static void charges_pickle(struct pickle *p, struct charges *c)
{
    size_t len = c->len;

    pickle_part(p, &c->digit, 0, PICKLE_MOST);
    pickle_count(p, &len, CHARGES);
    for (size_t i = 0; i < len; i++) {
        struct charge *k = pickle_reads(p) ? &c->ring[i] : &c->ring[(c->next + CHARGES - len + i) % CHARGES];

        seconds(p, &k->at);
        money(p, &k->low, 0);
        money(p, &k->high, 0);
        money(p, &k->charged, 0);
        money(p, &k->expected, 0);
        PICKLE(p, &k->afterwards);
    }
    if (pickle_reads(p)) {
        c->len = (uint8_t)len;
        c->next = (uint8_t)(len % CHARGES);
    }
}

static void tokens(struct pickle *p, int32_t *v, int32_t least)
{
    PICKLE(p, v);
    if (pickle_reads(p) && (*v < least || *v > INFLATION_TOKENS_MOST))
        p->bad = true;
}

static void inflation_pickle(struct pickle *p, struct inflation *f)
{
    size_t len = f->len;

    PICKLE(p, &f->inflated);
    pickle_count(p, &len, INFLATION_SAMPLES);
    for (size_t i = 0; i < len; i++) {
        struct inflation_sample *s = pickle_reads(p) ? &f->ring[i] : &f->ring[(f->next + INFLATION_SAMPLES - len + i) % INFLATION_SAMPLES];

        seconds(p, &s->at);
        tokens(p, &s->told, 0);
        tokens(p, &s->low, 1);
        tokens(p, &s->high, 1);
    }
    if (pickle_reads(p)) {
        f->len = (uint8_t)len;
        f->next = (uint8_t)(len % INFLATION_SAMPLES);
    }
}

static void route_pickle_money(struct pickle *p, struct account_route *r)
{
    pickle_time(p, &r->cost.at);
    pickle_part(p, &r->cost.weight, 0, PICKLE_MOST);
    pickle_part(p, &r->cost.mean, 0, PICKLE_MOST * 10);
    pickle_part(p, &r->cost.square, 0, PICKLE_MOST * PICKLE_MOST);
    charges_pickle(p, &r->charges);
    inflation_pickle(p, &r->inflation);
    pickle_below(p, &r->told_state, ACCOUNT_STATES);
    pickle_part(p, &r->told_ratio, 0, PICKLE_MOST);
}

static void platform_pickle(struct pickle *p, struct account_platform *m)
{
    pickle_part(p, &m->use, 0, PICKLE_MOST * PICKLE_MOST);
    pickle_part(p, &m->told, 0, PICKLE_MOST * PICKLE_MOST);
    billing_pickle(p, &m->billing);
    credit_pickle(p, &m->credit);
}

/* --- all of it ----------------------------------------------------------------------------------------------------------- */

static int find_platform(const struct accounts *a, const char *name)
{
    for (size_t i = 0; i < a->platforms_len; i++) {
        if (strcmp(a->platforms[i]->name, name) == 0)
            return (int)i;
    }
    return -1;
}

static int find_route(const struct accounts *a, int platform, const char *model)
{
    for (int i = a->platforms[platform]->routes; i >= 0; i = a->routes[i]->next) {
        if (strcmp(a->routes[i]->model, model) == 0)
            return i;
    }
    return -1;
}

/* A name, then everything of that one in a part that can be skipped. Bytes are read into a copy, so that what is damaged leaves nothing
 * half done. */
static void routes_pickle(struct pickle *p, struct accounts *a, int platform)
{
    size_t count = 0;
    int next = platform < 0 ? -1 : a->platforms[platform]->routes;

    for (int i = next; !pickle_reads(p) && i >= 0; i = a->routes[i]->next)
        count++;
    pickle_count(p, &count, ACCOUNTS_ROUTES_MAX);
    for (size_t n = 0; n < count && pickle_fine(p); n++) {
        char name[ACCOUNTS_NAME_MAX + 1] = "";
        const uint8_t *end = NULL;
        int route = next;

        if (!pickle_reads(p))
            strcpy(name, a->routes[route]->model);
        pickle_text(p, name, sizeof(name));
        size_t begun = pickle_begin(p, &end);

        if (pickle_reads(p))
            route = platform < 0 ? -1 : find_route(a, platform, name);
        if (route >= 0)
            route_pickle_money(p, a->routes[route]);
        pickle_end(p, begun, end);
        next = pickle_reads(p) ? -1 : a->routes[route]->next;
    }
}

static void accounts_pickle(struct pickle *p, struct accounts *a)
{
    size_t count = a->platforms_len;

    pickle_count(p, &count, ACCOUNTS_PLATFORMS_MAX);
    for (size_t n = 0; n < count && pickle_fine(p); n++) {
        char name[ACCOUNTS_NAME_MAX + 1] = "";
        const uint8_t *end = NULL;
        int platform = (int)n;

        if (!pickle_reads(p))
            strcpy(name, a->platforms[n]->name);
        pickle_text(p, name, sizeof(name));
        size_t begun = pickle_begin(p, &end);

        if (pickle_reads(p))
            platform = find_platform(a, name);
        if (platform >= 0) {
            platform_pickle(p, a->platforms[platform]);
            routes_pickle(p, a, platform);
        }
        pickle_end(p, begun, end);
    }
}

void accounts_save(struct accounts *a, struct buf *to)
{
    struct pickle p = {.to = to};
    uint32_t magic = MAGIC, version = VERSION;
    usec_t now = a->now;

    PICKLE(&p, &magic);
    PICKLE(&p, &version);
    pickle_time(&p, &now);
    accounts_pickle(&p, a);
}

int accounts_restore(struct accounts *a, const void *data, size_t len, usec_t now)
{
    struct pickle p = {.at = data, .end = (const uint8_t *)data + len};
    uint32_t magic = 0, version = 0;
    usec_t saved = 0;

    PICKLE(&p, &magic);
    PICKLE(&p, &version);
    if (!pickle_fine(&p) || magic != MAGIC)
        return -EINVAL;
    if (version != VERSION)
        return -EPROTO;
    p.latest = now + SECONDS_AHEAD * USEC_PER_SEC;
    pickle_time(&p, &saved);
    accounts_pickle(&p, a);
    if (!pickle_fine(&p) || p.at != p.end)
        return -EINVAL;
    a->now = saved > now ? saved : now;
    return 0;
}
