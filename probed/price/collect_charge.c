/* What a single reply was charged: OpenRouter's GET /generation?id=, free, some seconds after the reply.
 *
 *     {"data":{"id","total_cost":0.0015,"native_tokens_prompt":10,"native_tokens_completion":25,"tokens_prompt","tokens_completion",...}}
 *
 * A desk a platform holds the ids that wait, one a route at most, and asks for one a minute at most: a sample is enough, and the relay is
 * not to be bothered for it. It posts late: 404, like every other failure, is asked again a few times, then let go. An id comes from a
 * relay, so only plain ones are taken. Nothing here makes a feed fail. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probed/price/collector_parts.h"
#include "shared/alloc.h"
#include "shared/json.h"

#define SLIPS_MAX   16
#define ID_MAX      129
#define WAIT_FIRST  (5 * USEC_PER_SEC)
#define WAIT_AGAIN  USEC_PER_MINUTE
#define APART       USEC_PER_MINUTE
#define TRIES       4
#define TOKENS_MAX  100000000
#define CHARGE_BODY ((size_t)65536)

struct slip {
    size_t route;
    char id[ID_MAX];
    usec_t due;
    unsigned tries;
};

struct desk {
    struct collector *c;
    struct site *site;
    struct loop_timer *timer;
    struct errand errand;
    struct asking asking;
    usec_t asked_at; /* the last time; -1 */
    struct slip slips[SLIPS_MAX];
    size_t len;
    size_t at; /* which one is being asked about */
};

static size_t soonest(const struct desk *d)
{
    size_t best = 0;
    for (size_t i = 1; i < d->len; i++)
        if (d->slips[i].due < d->slips[best].due)
            best = i;
    return best;
}

static void plan(struct desk *d)
{
    if (d->len == 0)
        return;
    usec_t at = d->slips[soonest(d)].due;
    if (d->asked_at >= 0 && at < d->asked_at + APART)
        at = d->asked_at + APART;
    loop_timer_set(d->timer, at);
}

static void drop(struct desk *d, size_t i)
{
    d->slips[i] = d->slips[--d->len];
}

static void over(struct desk *d)
{
    asking_close(&d->asking);
    errand_over(&d->errand);
    plan(d);
}

/* --- the answer --------------------------------------------------------------------------------------------------------- */

static int32_t tokens_of(const cJSON *json, const char *native, const char *usual)
{
    int64_t tokens;
    if (!json_int(json, native, &tokens) && !json_int(json, usual, &tokens))
        return -1;
    return tokens >= 0 && tokens <= TOKENS_MAX ? (int32_t)tokens : -1;
}

/* False: it does not say what it cost. */
static bool read_charge(const char *body, size_t len, struct collector_charge *ret)
{
    CLEANUP(json_deletep) cJSON *json = json_parse(body, len, NULL);
    char text[64];
    const cJSON *cost = json_at(json, "data.total_cost");
    if (!cJSON_IsNumber(cost) || !json_text(cost, "", text, sizeof text) || units_parse_decimal(text, PICO_PER_UNIT, &ret->pico) < 0 ||
        ret->pico < 0)
        return false;
    ret->prompt_tokens = tokens_of(json, "data.native_tokens_prompt", "data.tokens_prompt");
    ret->output_tokens = tokens_of(json, "data.native_tokens_completion", "data.tokens_completion");
    return true;
}

static void on_answer(void *arg, const struct told *told)
{
    struct desk *d = arg;
    struct collector *c = d->c;
    struct slip *slip = &d->slips[d->at], asked = *slip;
    struct collector_charge charge = {.id = asked.id};
    bool known = told->kind == TOLD_OK && read_charge(told->body, told->len, &charge);
    bool again = told->kind == TOLD_ABSENT || told->kind == TOLD_BROKEN || told->kind == TOLD_UNREACHED || told->kind == TOLD_LIMITED;
    usec_t wait = told->retry_after > WAIT_AGAIN ? told->retry_after : WAIT_AGAIN;
    if (again && ++slip->tries < TRIES && wait <= USEC_PER_HOUR) {
        slip->due = loop_now(c->loop) + wait;
    } else {
        c->stats.failed[COLLECT_CHARGE] += !known;
        drop(d, d->at);
    }
    over(d);
    if (known && asked.route != SIZE_MAX && c->owner.charged)
        c->owner.charged(c->owner.arg, d->site->index, asked.route, &charge);
}

/* --- the question ------------------------------------------------------------------------------------------------------- */

static void go(void *arg)
{
    struct desk *d = arg;
    struct collector *c = d->c;
    CLEANUP(buf_done) struct buf url = BUF_INIT;
    struct err err = {""};
    d->at = soonest(d);
    d->asked_at = loop_now(c->loop);
    site_base(d->site, &url);
    buf_printf(&url, "/generation?id=%s", d->slips[d->at].id);
    struct question q = {.url = buf_str(&url), .auth = ASK_BEARER, .key = d->site->key, .max_body = CHARGE_BODY, .probe = PROBE_BALANCE};
    c->stats.sent[COLLECT_CHARGE]++;
    if (asking_send(&d->asking, &q, on_answer, d, &err) < 0) {
        c->stats.failed[COLLECT_CHARGE]++;
        drop(d, d->at);
        over(d);
    }
}

static void on_timer(void *arg)
{
    struct desk *d = arg;
    if (d->len > 0)
        errand_queue(&d->errand);
}

static struct desk *desk_new(struct site *site)
{
    struct desk *d = alloc_zero(1, sizeof *d);
    d->c = site->c;
    d->site = site;
    d->asked_at = -1;
    d->timer = loop_timer_new(site->c->loop, "charges", on_timer, d);
    d->errand = (struct errand){.c = site->c, .site = site, .go = go, .arg = d};
    d->asking = (struct asking){.c = site->c, .site = site};
    return d;
}

struct desk *desk_free(struct desk *d)
{
    if (!d)
        return NULL;
    asking_close(&d->asking);
    errand_over(&d->errand);
    loop_timer_free(d->timer);
    free(d);
    return NULL;
}

/* The route's place in the new configuration, by its model's name; SIZE_MAX = it has none any more, and nobody is told. */
static size_t route_in(const struct site *site, const char *model)
{
    for (size_t i = 0; i < site->config->routes_len; i++)
        if (strcmp(site->config->routes[i].model, model) == 0)
            return i;
    return SIZE_MAX;
}

void desk_move(struct desk *d, struct collector *c, struct site *site)
{
    for (size_t i = d->len; i > 0; i--) {
        struct slip *slip = &d->slips[i - 1];
        if (slip->route != SIZE_MAX)
            slip->route = route_in(site, d->site->config->routes[slip->route].model);
    }
    errand_move(&d->errand, c, site);
    d->c = d->asking.c = c;
    d->site = d->asking.site = site;
}

static bool is_plain(const char *id)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t len = strlen(id);
    return len > 0 && len < ID_MAX && strspn(id, plain) == len;
}

static bool has_generations(const struct site *site)
{
    const char *const sources[] = {site->config->price_feed.source, site->config->balance_feed.source};
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        if (sources[i] && (strcmp(sources[i], "openrouter") == 0 || strcmp(sources[i], "openrouter-endpoints") == 0))
            return true;
    return false;
}

bool collector_check_charge(struct collector *c, size_t platform, size_t route, const char *id)
{
    struct site *site = &c->sites[platform];
    if (!site->key || site->config->level == LEVEL_OFF || !id || !is_plain(id) || !has_generations(site))
        return false;
    if (!site->desk)
        site->desk = desk_new(site);
    struct desk *d = site->desk;
    for (size_t i = 0; i < d->len; i++)
        if (d->slips[i].route == route)
            return false;
    if (d->len == SLIPS_MAX)
        return false;
    struct slip *slip = &d->slips[d->len++];
    *slip = (struct slip){.route = route, .due = loop_now(c->loop) + WAIT_FIRST};
    strcpy(slip->id, id);
    if (!d->errand.queued && !d->errand.running)
        plan(d);
    return true;
}
