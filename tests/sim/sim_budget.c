/* Whether the probe budget holds: many small worlds that try to overspend it, and some ways one by one. What is charged is kept by the relays
 * (budget_till.h). SIM_SEED=N plays other worlds, SIM_WORLDS=N so many; SIM_LOG=1 shows the journal. */
#include <errno.h>
#include "tests/sim/budget_world.h"

/* --- many small worlds ------------------------------------------------------------------------------------------------- */

#define SMALL_PLATFORMS 3
#define SMALL_MODELS 3

struct account {
    bool there, declared;
    double input, output, before; /* USD per million tokens, as it is truly charged; the output before it rose last */
    usec_t rose;
    int name;         /* generation of our name of it; what the relay calls it stays */
    int usual;        /* output tokens */
    double silent, zero, huge; /* how often it tells nothing, tells zeroes, comes to ten million tokens */
    bool thinks;
};

struct small {
    struct sim *sim;
    struct till *till;
    int platforms;
    struct account account[SMALL_PLATFORMS][SMALL_MODELS];
    bool list[SMALL_PLATFORMS], cny[SMALL_PLATFORMS];
    usec_t since[SMALL_PLATFORMS]; /* as the relay is now */
    char *listing[SMALL_PLATFORMS];
    double all, platform, route; /* USD a day; < 0 = none */
    int burst, chat; /* minutes, seconds */
    int64_t stale;
    bool calm; /* nothing costs more than it should: no surprises */
};

static struct small *small;

static struct till_charge small_price(const char *host, const char *model, int max_tokens, usec_t now)
{
    int p = (host[1] - '0') % SMALL_PLATFORMS;
    struct account *a = &small->account[p][(model[1] - '1') % SMALL_MODELS];
    struct till_charge c = {.prompt_tokens = PROMPT + roll_of(20), .output_tokens = a->usual, .reasoning_tokens = -1};
    if (max_tokens > 0 && c.output_tokens > max_tokens)
        c.output_tokens = max_tokens;
    if (a->thinks) {
        c.reasoning_tokens = 1000;
        c.output_tokens += 1000;
    }
    if (roll() < a->huge)
        c.output_tokens = roll() < 0.3 ? 10000000 : 50 * c.output_tokens;
    c.pico = money(c.prompt_tokens * a->input / 1e6) + money(c.output_tokens * a->output / 1e6);
    small->stale += c.prompt_tokens + c.output_tokens;
    if (a->rose > 0 && a->before < a->output && (now - a->rose < FEED_ROUND || now - small->since[p] < FEED_ROUND))
        small->stale += c.pico - (int64_t)((double)c.pico * a->before / a->output);
    if (roll() < a->silent)
        c.prompt_tokens = c.output_tokens = c.reasoning_tokens = -1;
    else if (roll() < a->zero)
        c.prompt_tokens = c.output_tokens = 0, c.reasoning_tokens = -1;
    return c;
}

static void small_config(struct small *w, struct buf *c)
{
    struct budget_limits limits = {money(w->all), w->platform < 0 ? BUDGET_UNLIMITED : money(w->platform), w->route < 0 ? BUDGET_UNLIMITED : money(w->route)};
    buf_printf(c, "vantage: sim\nrates: {CNY: 0.14 USD}\nbudget: {all: %.6f USD/day", w->all);
    if (w->platform >= 0)
        buf_printf(c, ", platform: %.6f USD/day", w->platform);
    if (w->route >= 0)
        buf_printf(c, ", route: %.6f USD/day", w->route);
    buf_printf(c, "}\npolicies: {production: {latency: mean, second: 0.0375, money: 0.05}}\nprobes:\n  reach: {interval: 2m, fast: 30s, slow: 10m}\n"
                  "  price: {interval: 10m}\n  chat: {interval: %ds, fast: 15s, slow: 15m}\n  burst: {interval: %dm, size: 4}\n  capabilities: {interval: 1d}\nmodels:\n",
               w->chat, w->burst);
    for (int p = 0; p < w->platforms; p++)
        for (int k = 0; k < SMALL_MODELS; k++)
            if (w->account[p][k].there || k == 0)
                buf_printf(c, "  n%d%d%d: {}\n", p, k, w->account[p][k].name);
    buf_add_str(c, "platforms:\n");
    for (int p = 0; p < w->platforms; p++) {
        buf_printf(c, "  p%d:\n    endpoints: [{url: 'https://p%d.test/v1'}]\n    key: {required: false}\n%s    models:\n", p, p,
                   w->list[p] ? "    price_source: openrouter\n" : "");
        for (int k = 0; k < SMALL_MODELS; k++) {
            const struct account *a = &w->account[p][k];
            double scale = w->cny[p] ? 1 / 0.14 : 1;
            const char *currency = w->cny[p] ? "CNY" : "USD";
            if (a->there || k == 0)
                buf_printf(c, "      n%d%d%d: {upstream: m%d%s", p, k, a->name, k + 1, a->declared ? ", reasoning: true" : "");
            if ((a->there || k == 0) && !w->list[p])
                buf_printf(c, ", price: {input: %.6f %s/1M, output: %.6f %s/1M}", a->input * scale, currency, a->output * scale, currency);
            buf_add_str(c, a->there || k == 0 ? "}\n" : "");
        }
    }
    if (w->till)
        till_limits(w->till, &limits, BUDGET_UNLIMITED);
}

static void small_list(struct small *w, int p)
{
    CLEANUP(buf_done) struct buf list = BUF_INIT;
    char host[24];
    buf_add_str(&list, "{\"object\":\"list\",\"data\":[");
    for (int k = 0; k < SMALL_MODELS; k++)
        buf_printf(&list, "%s{\"id\":\"m%d\",\"object\":\"model\",\"pricing\":{\"prompt\":\"%.12f\",\"completion\":\"%.12f\"}}", k ? "," : "", k + 1,
                   w->account[p][k].input / 1e6, w->account[p][k].output / 1e6);
    buf_add_str(&list, "]}");
    free(w->listing[p]);
    w->listing[p] = buf_take(&list);
    snprintf(host, sizeof host, "p%d.test", p);
    sim_relay(w->sim, host)->listing = w->listing[p];
}

static void small_limits(struct small *w)
{
    w->all = roll() < 0.05 ? 0 : 0.005 + 0.2 * roll() * roll() * roll();
    w->platform = roll() < 0.5 ? -1 : w->all * (0.2 + 0.8 * roll());
    w->route = roll() < 0.5 ? -1 : (w->platform >= 0 ? w->platform : w->all) * (0.1 + 0.9 * roll());
}

static void small_make(struct small *w)
{
    w->platforms = 1 + roll_of(SMALL_PLATFORMS);
    w->burst = roll() < 0.5 ? 0 : 30 + roll_of(120);
    w->chat = 50 + roll_of(120);
    small_limits(w);
    bool hostile = roll() < 0.7;
    w->calm = !hostile;
    for (int p = 0; p < SMALL_PLATFORMS; p++) {
        w->list[p] = roll() < 0.4;
        w->cny[p] = roll() < 0.3;
        for (int k = 0; k < SMALL_MODELS; k++) {
            double dear = roll() * roll();
            struct account *a = &w->account[p][k];
            *a = (struct account){.there = k == 0 || roll() < 0.6, .input = 0.1 + 3 * dear, .output = 0.4 + 15 * dear, .usual = 1 + roll_of(40)};
            a->thinks = roll() < 0.3;
            a->declared = a->thinks && (!hostile || roll() < 0.6);
            a->silent = hostile && roll() < 0.3 ? roll() : 0;
            a->zero = hostile && roll() < 0.3 ? roll() : 0;
            a->huge = hostile && roll() < 0.3 ? 0.02 * roll() : 0;
        }
    }
}

/* Often in the midst of a probe. */
static void small_midst(struct small *w)
{
    for (int i = 0; i < 4000 && roll() < 0.999; i++) {
        for (int p = 0; p < w->platforms; p++) {
            char host[24];
            snprintf(host, sizeof host, "p%d.test", p);
            if (sim_relay(w->sim, host)->chats_now > 0)
                return;
        }
        sim_run(w->sim, 50 * USEC_PER_MSEC);
    }
}

static void small_reload(struct small *w)
{
    small_midst(w);
    CLEANUP(buf_done) struct buf config = BUF_INIT;
    int p = roll_of(w->platforms), k = roll_of(SMALL_MODELS);
    struct account *a = &w->account[p][k];
    switch (roll_of(5)) {
    case 0: small_limits(w); break;
    case 1: a->name++; break;
    case 2: a->there = !a->there; break;
    case 3: /* where there is a list it would have to be read first: that is small_reprice */
        if (!w->list[p]) {
            double factor = w->calm || roll() < 0.5 ? 0.1 : 3;
            a->input *= a->output * factor < 100 && a->output * factor > 0.02 ? factor : 1;
            a->output *= a->output * factor < 100 && a->output * factor > 0.02 ? factor : 1;
        }
        break;
    default: break; /* as it is */
    }
    small_config(w, &config);
    assert_int_equal(sim_reload(w->sim, buf_str(&config)), 0);
}

static void small_reprice(struct small *w)
{
    int p = roll_of(w->platforms), k = roll_of(SMALL_MODELS);
    struct account *a = &w->account[p][k];
    double factor = w->calm || roll() < 0.5 ? 0.1 : 3;
    if (!w->list[p] || a->output * factor > 100 || a->output * factor < 0.02)
        return;
    if (a->rose == 0 || a->output < a->before)
        a->before = a->output;
    if (factor > 1)
        a->rose = sim_now(w->sim);
    a->input *= factor;
    a->output *= factor;
    small_list(w, p);
}

static void small_relay(struct small *w)
{
    char host[24];
    int p = roll_of(w->platforms);
    snprintf(host, sizeof host, "p%d.test", p);
    struct sim_relay *r = sim_relay(w->sim, host);
    w->since[p] = sim_now(w->sim);
    r->break_with = OUTCOME_OK;
    r->status = 0;
    r->stall = r->empty = r->truncated = false;
    switch (roll_of(10)) {
    case 0: r->break_with = OUTCOME_REFUSED; break;
    case 1: r->break_with = OUTCOME_TIMEOUT; break;
    case 2: r->status = 503; break;
    case 3: r->stall = true; break;
    case 4: r->truncated = true; break;
    case 5: r->empty = true; break;
    default: break;
    }
}

static void small_crash(struct small *w)
{
    if (roll() < 0.7)
        till_plan_crash(w->till, (enum sim_moment)roll_of(3), 1 + (unsigned)roll_of(8));
    else
        sim_run(w->sim, (usec_t)(roll() * 10 * (double)MINUTES));
    for (int i = 0; i < 1200 && !till_dead(w->till); i++)
        sim_run(w->sim, USEC_PER_SEC);
    till_crash(w->till);
}

static void small_event(struct small *w)
{
    double what = roll();
    struct prober *prober = sim_daemon(w->sim)->world->prober;
    int p = roll_of(w->platforms), k = roll_of(SMALL_MODELS);
    char platform[16], model[40];
    snprintf(platform, sizeof platform, "p%d", p);
    snprintf(model, sizeof model, "n%d%d%d", p, k, w->account[p][k].name);
    if (what < 0.15)
        small_crash(w);
    else if (what < 0.4)
        small_reload(w);
    else if (what < 0.5)
        small_reprice(w);
    else if (what < 0.6)
        small_relay(w);
    else if (what < 0.8)
        reset_breaker(w->sim, platform, model);
    else if (what < 0.9)
        prober_kick(prober, (size_t)p, SIZE_MAX);
    else
        sim_pause(w->sim, (usec_t)(roll() * 20 * (double)MINUTES));
}

static struct till_totals small_world(uint64_t number, int hours)
{
    struct small w = {.stale = 0};
    CLEANUP(buf_done) struct buf config = BUF_INIT;
    dice = number;
    small = &w;
    small_make(&w);
    small_config(&w, &config);
    w.sim = sim_new(buf_str(&config), number);
    w.till = till_new(w.sim, small_price);
    buf_clear(&config);
    small_config(&w, &config); /* for its limits */
    for (int p = 0; p < w.platforms; p++) {
        char host[24], platform[16];
        snprintf(host, sizeof host, "p%d.test", p);
        snprintf(platform, sizeof platform, "p%d", p);
        small_list(&w, p);
        till_watch(w.till, host, platform);
    }
    usec_t end = sim_now(w.sim) + hours * HOURS;
    while (sim_now(w.sim) < end) {
        sim_run(w.sim, (usec_t)(roll() * 60 * (double)MINUTES));
        till_look(w.till);
        small_event(&w);
    }
    sim_run(w.sim, 10 * MINUTES);
    till_look(w.till);
    struct till_totals t = till_totals(w.till);
    assert_true(!w.calm || t.surprises == 0);
    if (t.too_low > w.stale)
        fail_msg("%.9f USD were told and not counted", (double)(t.too_low - w.stale) / PICO_PER_UNIT);
    till_free(w.till);
    sim_free(w.sim);
    for (int p = 0; p < SMALL_PLATFORMS; p++)
        free(w.listing[p]);
    return t;
}

static void small_worlds(void **state)
{
    const char *given = getenv("SIM_WORLDS");
    int n = given ? atoi(given) : 60;
    struct till_totals sum = {.charged = 0};
    int over = 0;
    (void)state;
    for (int i = 0; i < n; i++) {
        print_message("# SIM_SEED=%llu SIM_WORLDS=1\r", (unsigned long long)(seed() + (uint64_t)i));
        struct till_totals t = small_world(seed() + (uint64_t)i, 30);
        sum.charged += t.charged;
        sum.requests += t.requests;
        sum.reservations += t.reservations;
        sum.surprises += t.surprises;
        sum.lost += t.lost;
        sum.crashes += t.crashes;
        sum.too_low += t.too_low;
        over += t.most_over > 0;
    }
    print_message("# %d worlds of 30 h: %lu requests on %lu reservations, %u crashes, %lu surprises, %lu never heard of; in %d a surprise went beyond the limit\n", n,
                  sum.requests, sum.reservations, sum.crashes, sum.surprises, sum.lost, over);
    if (n >= 50)
        assert_true(sum.crashes > 2U * (unsigned)n && sum.surprises > (unsigned long)n && over > n / 20);
}

/* --- one thing at a time ---------------------------------------------------------------------------------------------- */

static double one_output; /* USD per million tokens; the input costs a quarter */

static struct till_charge one_price(const char *host, const char *model, int max_tokens, usec_t now)
{
    struct till_charge c = {.prompt_tokens = PROMPT, .output_tokens = ANSWER, .reasoning_tokens = -1};
    (void)host, (void)model, (void)max_tokens, (void)now;
    c.pico = money(PROMPT * one_output / 4 / 1e6) + money(ANSWER * one_output / 1e6);
    return c;
}

/* `scale`: of the currency against the dollar. */
static const char *one_config(double usd_a_day, const char *currency, double scale)
{
    static char text[1024];
    snprintf(text, sizeof text,
             "vantage: sim\ncurrency: %s\nrates: {%s}\nbudget: %.6f %s/day\nmodels: {m1: {}}\n"
             "policies: {production: {latency: mean, second: 0.0375, money: 0.05}}\nprobes:\n  chat: {interval: 60s, fast: 15s, slow: 10m}\n"
             "  burst: {interval: 0s}\n  capabilities: {interval: 0s}\n"
             "platforms:\n  p0:\n    endpoints: [{url: 'https://p0.test/v1'}]\n    key: {required: false}\n    models:\n"
             "      m1: {price: {input: %.6f USD/1M, output: %.6f USD/1M}}\n",
             currency, strcmp(currency, "USD") == 0 ? "CNY: 0.14 USD" : "USD: 7 CNY", usd_a_day * scale, currency, one_output / 4, one_output);
    return text;
}

static struct till *one_world(struct sim **ret, double usd_a_day)
{
    *ret = sim_new(one_config(usd_a_day, "USD", 1), seed());
    struct till *till = till_new(*ret, one_price);
    till_watch(till, "p0.test", "p0");
    till_limits(till, &(struct budget_limits){money(usd_a_day), BUDGET_UNLIMITED, BUDGET_UNLIMITED}, BUDGET_UNLIMITED);
    return till;
}

static void until_in_flight(struct sim *s)
{
    for (int i = 0; i < 20000 && sim_relay(s, "p0.test")->chats_now == 0; i++)
        sim_run(s, 20 * USEC_PER_MSEC);
    assert_true(sim_relay(s, "p0.test")->chats_now > 0);
    sim_run(s, 60 * USEC_PER_MSEC); /* it has reached the relay, and is charged at what that asks now */
}

/* The price falls to a tenth while a chat is under way, again and again: each is settled at the price that it was sent at. */
static void price_falls_in_flight(void **state)
{
    struct sim *s;
    (void)state;
    one_output = 10;
    struct till *till = one_world(&s, 1);
    for (int i = 0; i < 30; i++) {
        until_in_flight(s);
        one_output = 1;
        assert_int_equal(sim_reload(s, one_config(1, "USD", 1)), 0);
        sim_run(s, 10 * USEC_PER_SEC);
        one_output = 10;
        assert_int_equal(sim_reload(s, one_config(1, "USD", 1)), 0);
        till_look(till);
    }
    struct till_totals t = till_totals(till);
    assert_true(t.requests >= 30);
    assert_in_range(t.too_low, 0, t.requests);
    till_free(till);
    sim_free(s);
}

/* A reload that would change the reference currency, in which all money is counted, is refused, and nothing of the budget is lost by it. */
static void another_currency(void **state)
{
    struct sim *s;
    (void)state;
    one_output = 10;
    struct till *till = one_world(&s, 0.02);
    sim_run(s, 20 * HOURS);
    assert_int_equal(sim_reload(s, one_config(0.02, "CNY", 7)), -EINVAL);
    sim_run(s, 4 * HOURS);
    till_look(till);
    till_free(till);
    sim_free(s);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    print_message("# SIM_SEED=%llu\n", (unsigned long long)seed());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(price_falls_in_flight),
        cmocka_unit_test(another_currency),
        cmocka_unit_test(small_worlds),
    };
    return cmocka_run_group_tests_name("the probe budget in virtual time", tests, NULL, NULL);
}
