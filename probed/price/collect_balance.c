/* The rounds of a balance feed: what the source asks for, one request after another, then one reading of all answers.
 *
 * The key is the feed's own where one is configured, else the platform's; some sources want the platform's in any case, since it is its use
 * that is looked for. DMXAPI wants it in the URL: that URL is built, handed over and wiped, and the request's target goes with the round.
 *
 * A part that only some keys may have (OpenRouter's /credits) is done without when it is refused, and not asked for again for a day. All
 * other failures end the round: half an answer would give another balance. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probed/price/collector_parts.h"
#include "shared/alloc.h"

#define STATUS_GOOD_FOR  USEC_PER_HOUR
#define REFUSED_GOOD_FOR USEC_PER_DAY

struct balance_feed {
    enum balance_source source;
    const struct balance_request *requests;
    size_t requests_len;
    usec_t refused_at[BALANCE_PARTS]; /* -1 = it was not */

    /* Of the round. */
    size_t at;
    struct buf bodies[BALANCE_PARTS];
    bool there[BALANCE_PARTS];
};

static void next(struct feed *f);

struct balance_feed *balance_feed_new(enum balance_source source)
{
    struct balance_feed *b = alloc_zero(1, sizeof *b);
    b->source = source;
    b->requests = balance_requests(source, &b->requests_len);
    for (int i = 0; i < BALANCE_PARTS; i++)
        b->refused_at[i] = -1;
    return b;
}

void balance_end(struct feed *f)
{
    for (int i = 0; i < BALANCE_PARTS; i++) {
        buf_done(&f->balance->bodies[i]);
        f->balance->there[i] = false;
    }
}

struct balance_feed *balance_feed_free(struct balance_feed *b)
{
    free(b);
    return NULL;
}

static const struct config_source *configured(const struct feed *f)
{
    return &f->site->config->balance_feed;
}

/* --- the answers -------------------------------------------------------------------------------------------------------- */

static bool same_money(const struct balance *a, const struct balance *b)
{
    return a->left == b->left && a->used == b->used && a->granted == b->granted && a->gift == b->gift && a->owed == b->owed &&
           a->key_used == b->key_used && a->scope == b->scope && a->unlimited == b->unlimited && a->expires == b->expires &&
           strcmp(a->currency, b->currency) == 0;
}

static void host_of(const struct site *site, struct buf *ret)
{
    CLEANUP(buf_done) struct buf base = BUF_INIT;
    site_base(site, &base);
    const char *host = strstr(buf_str(&base), "://");
    if (host)
        buf_add(ret, host + 3, strcspn(host + 3, ":/"));
}

static void read_all(struct feed *f)
{
    struct balance_feed *b = f->balance;
    struct collector *c = f->c;
    CLEANUP(buf_done) struct buf host = BUF_INIT;
    struct balance_answer answers[BALANCE_PARTS] = {{NULL, 0}};
    struct balance money;
    struct err err = {""};
    for (int i = 0; i < BALANCE_PARTS; i++)
        if (b->there[i])
            answers[i] = (struct balance_answer){buf_str(&b->bodies[i]), b->bodies[i].len};
    if (f->site->status[0])
        answers[BALANCE_STATUS] = (struct balance_answer){f->site->status, strlen(f->site->status)};
    host_of(f->site, &host);
    struct balance_context context = {
        .currency = configured(f)->currency[0] ? configured(f)->currency : NULL,
        .quota_per_unit = configured(f)->quota_per_unit,
        .scale = configured(f)->scale,
        .host = buf_str(&host),
    };
    if (balance_read(b->source, answers, &context, &money, &err) < 0) {
        feed_bad(f, err.text, 0, false);
        return;
    }
    /* Of another key than the platform's nothing is known of what the platform's has used. */
    if (b->source == BALANCE_SOURCE_NEWAPI && f->site->balance_key && !secret_equal(f->site->balance_key, f->site->key))
        money.key_used = BALANCE_UNKNOWN;
    bool changed = f->fetched_at < 0 || !same_money(&f->money, &money);
    f->money = money;
    feed_good(f, changed);
    if (c->owner.balance)
        c->owner.balance(c->owner.arg, f->site->index, &f->money);
}

static void on_answer(void *arg, const struct told *told)
{
    struct feed *f = arg;
    struct balance_feed *b = f->balance;
    const struct balance_request *r = &b->requests[b->at];
    struct err err = {""};
    if (r->part == BALANCE_STATUS) {
        if (site_status(f->site, told, &err) < 0) {
            feed_bad(f, err.text, told->retry_after, told->kind != TOLD_LIMITED);
            return;
        }
    } else if (told->kind == TOLD_OK) {
        asking_keep(&f->asking, &b->bodies[r->part]);
        b->there[r->part] = true;
        b->refused_at[r->part] = -1;
    } else if (r->may_be_refused && (told->kind == TOLD_DENIED || told->kind == TOLD_ABSENT)) {
        b->refused_at[r->part] = loop_now(f->c->loop);
    } else {
        feed_told(f, told);
        return;
    }
    b->at++;
    next(f);
}

/* --- the questions ------------------------------------------------------------------------------------------------------ */

static const struct secret *key_for(const struct feed *f, const struct balance_request *r)
{
    const struct secret *own = f->site->balance_key, *platforms = f->site->key;
    if (r->platform_key)
        return platforms ? platforms : own;
    return own ? own : platforms;
}

/* Of the billing requests only the first can be configured: the second is beside it. */
static void beside(const char *url, const struct balance_request *r, struct buf *ret)
{
    static const char first[] = "subscription", second[] = "usage";
    size_t len = strlen(url), n = strlen(first);
    bool has = r->part == BALANCE_MORE && len > n && strcmp(url + len - n, first) == 0;
    buf_add(ret, url, has ? len - n : len);
    if (has)
        buf_add_str(ret, second);
}

static void request_url(const struct feed *f, const struct balance_request *r, struct buf *ret, bool *ret_foreign)
{
    CLEANUP(buf_done) struct buf plain = BUF_INIT;
    const char *url = configured(f)->url;
    *ret_foreign = false;
    if (url && (r->part == BALANCE_MAIN || f->balance->source == BALANCE_SOURCE_ONEAPI) && r->part != BALANCE_STATUS) {
        CLEANUP(buf_done) struct buf other = BUF_INIT;
        beside(url, r, &other);
        site_url(f->site, buf_str(&other), &plain, ret_foreign);
    } else {
        if (r->at_base)
            site_base(f->site, &plain);
        else
            site_root(f->site, &plain);
        buf_add_str(&plain, r->path);
    }
    const char *text = buf_str(&plain), *hole = strstr(text, "{key}");
    buf_add(ret, text, hole ? (size_t)(hole - text) : plain.len);
    if (hole && f->site->key)
        url_encode(ret, secret_reveal(f->site->key), "");
    if (hole)
        buf_add_str(ret, hole + strlen("{key}"));
}

/* All that /api/status could say, but in what billing figures are shown. */
static bool configured_whole(const struct feed *f)
{
    return configured(f)->currency[0] && configured(f)->quota_per_unit > 0;
}

/* Is it known, or of no use, or refused not long ago? */
static bool goes_without(const struct feed *f, const struct balance_request *r)
{
    const struct balance_feed *b = f->balance;
    usec_t now = loop_now(f->c->loop);
    if (r->part != BALANCE_STATUS)
        return b->refused_at[r->part] >= 0 && now - b->refused_at[r->part] < REFUSED_GOOD_FOR;
    if (configured_whole(f) && b->source != BALANCE_SOURCE_ONEAPI)
        return true;
    return f->site->status_at >= 0 && now - f->site->status_at < STATUS_GOOD_FOR;
}

bool balance_feed_has_status(const struct feed *f)
{
    const struct balance_feed *b = f->balance;
    bool asks = b->requests_len > 0 && b->requests[0].part == BALANCE_STATUS;
    return asks && (!configured_whole(f) || b->source == BALANCE_SOURCE_ONEAPI);
}

static void ask(struct feed *f, const struct balance_request *r)
{
    const struct site *site = f->site;
    CLEANUP(secret_buf_done) struct buf url = BUF_CAP(16384);
    struct err err = {""};
    bool foreign;
    request_url(f, r, &url, &foreign);
    struct question q = {
        .url = buf_str(&url),
        .key = key_for(f, r),
        .max_body = BALANCE_BODY_MAX,
        .foreign = foreign,
        .probe = PROBE_BALANCE,
    };
    switch (r->auth) {
    case BALANCE_BEARER:
        q.auth = ASK_BEARER;
        break;
    case BALANCE_BARE:
        q.auth = ASK_BARE;
        break;
    case BALANCE_IN_PATH:
        q.auth = site->balance_key ? ASK_BEARER : ASK_OPEN;
        break;
    case BALANCE_OPEN:
        q.auth = ASK_OPEN;
        break;
    }
    if (q.auth != ASK_OPEN || r->auth == BALANCE_IN_PATH) {
        q.user = configured(f)->user;
        q.user_header = configured(f)->user_header;
    }
    if (asking_send(&f->asking, &q, on_answer, f, &err) < 0)
        feed_bad(f, err.text, 0, false);
}

static void next(struct feed *f)
{
    struct balance_feed *b = f->balance;
    while (b->at < b->requests_len && goes_without(f, &b->requests[b->at]))
        b->at++;
    if (b->at < b->requests_len)
        ask(f, &b->requests[b->at]);
    else
        read_all(f);
}

const char *balance_keyless(const struct feed *f)
{
    const struct site *site = f->site;
    bool in_path = f->balance->source == BALANCE_SOURCE_DMXAPI;
    if (site->balance_key_why[0])
        return site->balance_key_why;
    if (in_path ? site->key != NULL : site->key || site->balance_key)
        return NULL;
    return site->key_why[0] ? site->key_why : "there is no key to ask with";
}

void balance_begin(struct feed *f)
{
    f->balance->at = 0;
    next(f);
}
