/* See budget_till.h. Reservations are found again by account, time and sum, as the ledger does; several requests may stand on one (a burst). Sums of the last 24
 * hours are kept by scope and moved on with the charges, so that a month of probes costs no more than its days. */
#include "tests/sim/budget_till.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "probed/daemon_parts.h"
#include "probed/store/ledger_parts.h"
#include "shared/alloc.h"
#include "shared/json.h"

#define POSTED_AFTER (30 * USEC_PER_SEC)
#define SCOPES_MAX 400
#define WATCHED_MAX 64

struct scope { /* all, a platform, an account */
    char platform[64], model[128]; /* "" = all of them */
    unsigned last;  /* order of its last reservation */
    int64_t limit;  /* at that time */
    int64_t window, charged;
    unsigned long requests;
};

struct reserved {
    uint16_t platform, account; /* scopes */
    int64_t pico, truth, actual; /* actual -1 = not known */
    usec_t at;
    unsigned granted, settled;
    usec_t last_charge;
    unsigned seen;           /* by the check of that number */
    uint16_t started, requests, told; /* of them reached the relay; of which it said what they cost */
    int64_t said;            /* those together */
};

struct charge {
    usec_t at; /* posted */
    int64_t pico;
    uint32_t reserved;
};

struct till {
    struct sim *sim;
    till_price_fn price;
    struct { char host[64], platform[64]; } watched[WATCHED_MAX];
    size_t watched_len;
    struct budget_limits limits;
    int64_t platform_limit;
    struct scope scope[SCOPES_MAX]; /* [0]: all */
    size_t scopes;
    struct reserved *reserved;
    size_t reserved_len, reserved_size;
    struct charge *charge; /* in the order in which they are posted */
    size_t charges, charges_size, posted, gone; /* [gone, posted) is the window */
    uint32_t *exceeded; /* reservations */
    size_t exceeded_len, exceeded_size;
    unsigned order, checks;
    /* the ledger's file */
    char path[200];
    int fd;
    ino_t inode;
    int64_t read_to;
    struct buf line;
    /* the planned end */
    bool planned, dead;
    enum sim_moment moment;
    unsigned countdown;
    int64_t size_at_death;
    struct till_totals totals;
};

static struct till *the_till; /* a relay's callback has no argument of ours */

/* --- the witness ------------------------------------------------------------------------------------------------------ */

static size_t scope_of(struct till *t, const char *platform, const char *model)
{
    for (size_t i = 0; i < t->scopes; i++)
        if (strcmp(t->scope[i].platform, platform) == 0 && strcmp(t->scope[i].model, model) == 0)
            return i;
    assert_true(t->scopes < SCOPES_MAX);
    struct scope *s = &t->scope[t->scopes];
    *s = (struct scope){.limit = BUDGET_UNLIMITED};
    snprintf(s->platform, sizeof s->platform, "%s", platform);
    snprintf(s->model, sizeof s->model, "%s", model);
    return t->scopes++;
}

static struct reserved *find_reserved(const struct till *t, const struct ledger_line *line, size_t account)
{
    for (size_t i = t->reserved_len; i-- > 0 && t->reserved[i].at + USEC_PER_HOUR > line->at;)
        if (t->reserved[i].account == account && t->reserved[i].at == line->at && t->reserved[i].pico == line->pico && t->reserved[i].settled == 0)
            return &t->reserved[i];
    return NULL;
}

static void on_reserved(struct till *t, const struct ledger_line *line)
{
    size_t platform = scope_of(t, line->platform, ""), account = scope_of(t, line->platform, line->model);
    if (find_reserved(t, line, account)) /* the file was rewritten: it is known */
        return;
    if (t->reserved_len == t->reserved_size) {
        t->reserved_size = t->reserved_size ? 2 * t->reserved_size : 1024;
        t->reserved = alloc_resize(t->reserved, t->reserved_size, sizeof *t->reserved);
    }
    t->order++;
    t->reserved[t->reserved_len++] = (struct reserved){
        .platform = (uint16_t)platform, .account = (uint16_t)account, .pico = line->pico, .actual = -1, .at = line->at, .granted = t->order};
    int64_t of_platform = t->limits.platform;
    if (t->platform_limit >= 0 && (of_platform < 0 || t->platform_limit < of_platform))
        of_platform = t->platform_limit;
    t->scope[0].last = t->scope[platform].last = t->scope[account].last = t->order;
    t->scope[0].limit = t->limits.all;
    t->scope[platform].limit = of_platform;
    t->scope[account].limit = t->limits.route;
    t->totals.reservations++;
}

static void on_settled(struct till *t, const struct ledger_line *line)
{
    struct reserved *r = find_reserved(t, line, scope_of(t, line->platform, line->model));
    if (!r || line->actual < 0)
        return;
    r->settled = ++t->order;
    r->actual = line->actual;
    /* Those that told nothing count as what was reserved for them, or what they cost if that is less. */
    int64_t silent = r->started > 0 ? r->pico / r->started * (r->requests - r->told) : 0, hidden = r->truth - r->said;
    int64_t least = r->said + (silent < hidden ? silent : hidden);
    if (least <= r->actual)
        return;
    t->totals.too_low += least - r->actual;
    if (getenv("SIM_VERBOSE") && least - r->actual > 10000000)
        print_message("# %s/%s at %.3f: reserved %.9f, charged %.9f, settled at %.9f\n", t->scope[r->platform].platform, t->scope[r->account].model,
                      (double)(r->at - SIM_START) / 1e6, (double)r->pico / PICO_PER_UNIT, (double)r->truth / PICO_PER_UNIT,
                      (double)r->actual / PICO_PER_UNIT);
}

static void on_line(struct till *t)
{
    struct ledger_line line;
    if (ledger_line_read(buf_str(&t->line), t->line.len, &line)) {
        if (line.kind == LEDGER_RESERVE)
            on_reserved(t, &line);
        else if (line.kind == LEDGER_SETTLE)
            on_settled(t, &line);
    }
    buf_clear(&t->line);
}

static void open_ledger(struct till *t)
{
    struct stat st;
    if (stat(t->path, &st) < 0 || (t->fd >= 0 && st.st_ino == t->inode))
        return;
    if (t->fd >= 0)
        close(t->fd);
    t->fd = open(t->path, O_RDONLY | O_CLOEXEC);
    assert_true(t->fd >= 0);
    t->inode = st.st_ino;
    t->read_to = 0;
    buf_clear(&t->line);
}

/* What was written since. A dead process writes nothing more. */
static void read_ledger(struct till *t)
{
    char chunk[4096];
    ssize_t n;
    if (t->dead)
        return;
    open_ledger(t);
    while (t->fd >= 0 && (n = pread(t->fd, chunk, sizeof chunk, t->read_to)) > 0) {
        t->read_to += n;
        for (ssize_t i = 0; i < n; i++) {
            if (chunk[i] == '\n')
                on_line(t);
            else
                buf_add_char(&t->line, chunk[i]);
        }
    }
}

/* --- the bound -------------------------------------------------------------------------------------------------------- */

static bool in_scope(size_t scope, const struct reserved *r) { return scope == 0 || r->platform == scope || r->account == scope; }

static void check_scope(struct till *t, size_t scope, usec_t now)
{
    const struct scope *s = &t->scope[scope];
    int64_t surprises = 0, too_low = 0;
    if (s->limit < 0 || s->window <= s->limit)
        return;
    for (size_t i = t->exceeded_len; i-- > 0;) {
        const struct reserved *r = &t->reserved[t->exceeded[i]];
        if (!in_scope(scope, r) || now - r->last_charge >= USEC_PER_DAY)
            continue;
        if (r->settled == 0 || r->settled > s->last)
            surprises += r->truth > r->pico ? r->truth - r->pico : 0;
        else if (r->told < r->requests)
            surprises += r->truth > r->actual ? r->truth - r->actual : 0;
        else
            too_low += r->truth > r->actual ? r->truth - r->actual : 0;
    }
    t->checks++;
    for (size_t i = t->gone; i < t->posted; i++) { /* those that were within what was reserved */
        struct reserved *r = &t->reserved[t->charge[i].reserved];
        if (in_scope(scope, r) && r->seen != t->checks && r->truth <= r->pico && r->actual >= 0 && r->truth > r->actual)
            too_low += r->truth - r->actual;
        r->seen = t->checks;
    }
    if (scope == 0 && s->window - s->limit > t->totals.most_over) {
        t->totals.most_over = s->window - s->limit;
        t->totals.most_bound = surprises + too_low;
    }
    if (s->window > s->limit + surprises + too_low)
        fail_msg("%s%s%s: charged %.6f in 24 h, the limit is %.6f, surprises in flight %.6f, told too low %.6f", scope == 0 ? "all" : s->platform,
                 s->model[0] ? "/" : "", s->model, (double)s->window / PICO_PER_UNIT, (double)s->limit / PICO_PER_UNIT,
                 (double)surprises / PICO_PER_UNIT, (double)too_low / PICO_PER_UNIT);
}

static void move_window(struct till *t, usec_t now)
{
    for (; t->gone < t->posted && now - t->charge[t->gone].at >= USEC_PER_DAY; t->gone++) {
        const struct charge *c = &t->charge[t->gone];
        const struct reserved *r = &t->reserved[c->reserved];
        t->scope[0].window -= c->pico;
        t->scope[r->platform].window -= c->pico;
        t->scope[r->account].window -= c->pico;
    }
}

static void post(struct till *t, const struct charge *c)
{
    const struct reserved *r = &t->reserved[c->reserved];
    const size_t scopes[] = {0, r->platform, r->account};
    move_window(t, c->at);
    t->posted++;
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        struct scope *s = &t->scope[scopes[i]];
        s->window += c->pico;
        s->charged += c->pico;
        check_scope(t, scopes[i], c->at);
    }
    t->totals.most_window = t->scope[0].window > t->totals.most_window ? t->scope[0].window : t->totals.most_window;
}

void till_look(struct till *t)
{
    usec_t now = sim_now(t->sim);
    read_ledger(t);
    while (t->posted < t->charges && t->charge[t->posted].at <= now)
        post(t, &t->charge[t->posted]);
    move_window(t, now);
}

/* --- requests --------------------------------------------------------------------------------------------------------- */

static const char *platform_of(const struct till *t, const char *host)
{
    for (size_t i = 0; i < t->watched_len; i++)
        if (strcmp(t->watched[i].host, host) == 0)
            return t->watched[i].platform;
    fail_msg("nobody watches %s", host);
    return "";
}

/* The reservation that the request stands on: the last of its platform, made at this moment. */
static void on_start(struct till *t, struct sim_paid *paid)
{
    const char *platform = platform_of(t, paid->relay->host);
    t->totals.requests++;
    for (size_t i = t->reserved_len; i-- > 0 && t->reserved[i].at == sim_now(t->sim);)
        if (strcmp(t->scope[t->reserved[i].platform].platform, platform) == 0 && t->reserved[i].settled == 0) {
            paid->account = i;
            t->reserved[i].started++;
            return;
        }
    fail_msg("a request to %s started at %lld without a reservation in the ledger", platform, (long long)sim_now(t->sim));
}

static void on_arrival(struct till *t, struct sim_paid *paid)
{
    CLEANUP(json_deletep) cJSON *json = json_parse(paid->body, strlen(paid->body), NULL);
    const char *model = json_string(json, "model");
    int64_t most = 0;
    if (!json_int(json, "max_tokens", &most))
        json_int(json, "max_completion_tokens", &most);
    struct till_charge charge = t->price(paid->relay->host, model ? model : "", (int)most, sim_now(t->sim));
    paid->prompt_tokens = charge.prompt_tokens;
    paid->output_tokens = charge.output_tokens;
    paid->reasoning_tokens = charge.reasoning_tokens;
    struct reserved *r = &t->reserved[paid->account];
    bool before = r->truth > r->pico;
    paid->pico = charge.pico;
    r->truth += charge.pico;
    r->last_charge = sim_now(t->sim) + POSTED_AFTER;
    r->requests++;
    t->scope[r->account].requests++;
    t->totals.charged += charge.pico;
    if (!before && r->truth > r->pico) {
        if (t->exceeded_len == t->exceeded_size) {
            t->exceeded_size = t->exceeded_size ? 2 * t->exceeded_size : 256;
            t->exceeded = alloc_resize(t->exceeded, t->exceeded_size, sizeof *t->exceeded);
        }
        t->exceeded[t->exceeded_len++] = (uint32_t)paid->account;
        t->totals.surprises++;
    }
    if (t->charges == t->charges_size) {
        t->charges_size = t->charges_size ? 2 * t->charges_size : 1024;
        t->charge = alloc_resize(t->charge, t->charges_size, sizeof *t->charge);
    }
    t->charge[t->charges++] = (struct charge){.at = r->last_charge, .pico = charge.pico, .reserved = (uint32_t)paid->account};
}

static void on_told(struct reserved *r, const struct sim_paid *paid)
{
    r->told++;
    r->said += paid->pico;
}

static bool on_moment(struct sim_paid *paid, enum sim_moment moment)
{
    struct till *t = the_till;
    if (t->dead)
        return false;
    till_look(t);
    bool dies = t->planned && moment == t->moment && --t->countdown == 0;
    if (moment == SIM_STARTED)
        on_start(t, paid);
    if (moment == SIM_ARRIVED)
        on_arrival(t, paid);
    if (moment == SIM_OVER && paid->told && paid->prompt_tokens > 0) /* no tokens for a prompt that was sent: that is no word */
        on_told(&t->reserved[paid->account], paid);
    if (dies) {
        t->size_at_death = t->read_to;
        t->dead = true;
    }
    return !dies;
}

/* --- lives ------------------------------------------------------------------------------------------------------------ */

void till_plan_crash(struct till *t, enum sim_moment moment, unsigned n)
{
    t->planned = true;
    t->moment = moment;
    t->countdown = n;
}

bool till_dead(const struct till *t) { return t->dead; }

void till_crash(struct till *t)
{
    if (!t->dead)
        till_look(t);
    else if (truncate(t->path, t->size_at_death) < 0)
        fail_msg("the ledger could not be set back");
    t->planned = t->dead = false;
    t->totals.crashes++;
    sim_crash(t->sim);
    till_look(t);
}

struct till *till_new(struct sim *sim, till_price_fn price)
{
    struct till *t = alloc_zero(1, sizeof *t);
    t->sim = sim;
    t->price = price;
    t->fd = -1;
    t->limits = (struct budget_limits){BUDGET_UNLIMITED, BUDGET_UNLIMITED, BUDGET_UNLIMITED};
    t->platform_limit = BUDGET_UNLIMITED;
    t->line = (struct buf)BUF_CAP(LEDGER_LINE_MAX + 1);
    scope_of(t, "", "");
    snprintf(t->path, sizeof t->path, "%s/ledger", sim_daemon(sim)->world->config->state_dir);
    the_till = t;
    return t;
}

struct till *till_free(struct till *t)
{
    if (!t)
        return NULL;
    if (t->fd >= 0)
        close(t->fd);
    buf_done(&t->line);
    free(t->reserved);
    free(t->charge);
    free(t->exceeded);
    free(t);
    the_till = NULL;
    return NULL;
}

void till_watch(struct till *t, const char *host, const char *platform)
{
    sim_relay(t->sim, host)->till = on_moment;
    for (size_t i = 0; i < t->watched_len; i++)
        if (strcmp(t->watched[i].host, host) == 0) {
            snprintf(t->watched[i].platform, sizeof t->watched[i].platform, "%s", platform);
            return;
        }
    assert_true(t->watched_len < WATCHED_MAX);
    snprintf(t->watched[t->watched_len].host, sizeof t->watched[0].host, "%s", host);
    snprintf(t->watched[t->watched_len++].platform, sizeof t->watched[0].platform, "%s", platform);
}

void till_limits(struct till *t, const struct budget_limits *limits, int64_t platform_limit)
{
    till_look(t); /* what was granted so far was under the former ones */
    t->limits = *limits;
    t->platform_limit = platform_limit;
}

struct till_totals till_totals(const struct till *t)
{
    struct till_totals totals = t->totals;
    totals.window = t->scope[0].window;
    for (size_t i = 0; i < t->reserved_len; i++)
        totals.lost += t->reserved[i].settled == 0;
    return totals;
}

int64_t till_charged(const struct till *t, const char *platform, const char *model)
{
    for (size_t i = 0; i < t->scopes; i++)
        if (strcmp(t->scope[i].platform, platform) == 0 && strcmp(t->scope[i].model, model ? model : "") == 0)
            return t->scope[i].charged;
    return 0;
}

unsigned long till_requests(const struct till *t, const char *platform, const char *model)
{
    unsigned long n = 0;
    for (size_t i = 1; i < t->scopes; i++)
        if (strcmp(t->scope[i].platform, platform) == 0 && (!model || strcmp(t->scope[i].model, model) == 0))
            n += t->scope[i].requests;
    return n;
}
