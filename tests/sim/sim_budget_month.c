/* A month of probing nine platforms for 1 USD a day: prices that move, models that think, platforms that die and come back, crashes and reloads. What is charged is kept by the
 * relays (budget_till.h). SIM_SEED=N plays other months; SIM_VERBOSE=1 tells every hour. */
#include "tests/sim/budget_world.h"

#define MODELS 8
#define PLATFORMS 9

/* --- a month ---------------------------------------------------------------------------------------------------------- */

struct offer { /* a model at a platform, as it is truly charged */
    bool there, thinks, declared;
    double input, output;  /* USD per million tokens */
    double before;         /* what the output cost before it rose last */
    usec_t rose;
};

struct month {
    struct sim *sim;
    struct till *till;
    struct offer offer[PLATFORMS][MODELS];
    char *listing[PLATFORMS];
    usec_t back[PLATFORMS], since[PLATFORMS]; /* dead until, 0 = it lives; alive since */
    int64_t stale; /* charged beyond the list that the daemon has read, within one round of the feed; and prices are whole picos a token */
};

static struct month *month;

static const char *const platform_names[PLATFORMS] = {"openrouter", "aihubmix", "dmxapi", "siliconflow", "whatai", "poloapi", "4sapi", "explinks", "apiyi"};
/* Those with a list that is read; the others have prices in the configuration, two of them in CNY. */
static bool has_list(int platform) { return platform < 5; }
static bool in_cny(int platform) { return platform == 5 || platform == 6; }

static const struct {
    const char *name;
    double input, output;
    bool thinks, declared;
} kinds[MODELS] = {
    {"gpt-4o-mini", 0.15, 0.6, false, false}, {"gpt-4o", 2.5, 10, false, false},     {"sonnet", 3, 15, false, false},
    {"deepseek", 0.27, 1.1, false, false},    {"qwen", 0.2, 0.6, false, false},      {"o4-mini", 1.1, 4.4, true, true},
    {"r1", 0.55, 2.19, true, true},           {"gpt-5-mini", 0.25, 2, true, false},
};

static struct till_charge month_price(const char *host, const char *model, int max_tokens, usec_t now)
{
    int platform = atoi(host + 1), k = 0;
    while (k < MODELS - 1 && strcmp(kinds[k].name, model) != 0)
        k++;
    const struct offer *o = &month->offer[platform][k];
    struct till_charge c = {.prompt_tokens = PROMPT, .output_tokens = max_tokens > 0 && max_tokens < ANSWER ? max_tokens : ANSWER, .reasoning_tokens = -1};
    if (o->thinks) {
        c.reasoning_tokens = 1000; /* whatever max_tokens says */
        c.output_tokens += 1000;
    }
    c.pico = money(PROMPT * o->input / 1e6) + money(c.output_tokens * o->output / 1e6);
    month->stale += c.prompt_tokens + c.output_tokens;
    if (o->rose > 0 && o->before < o->output && (now - o->rose < FEED_ROUND || now - month->since[platform] < FEED_ROUND))
        month->stale += c.pico - (int64_t)((double)c.pico * o->before / o->output);
    return c;
}

static void month_list(struct month *m, int p)
{
    CLEANUP(buf_done) struct buf list = BUF_INIT;
    buf_add_str(&list, "{\"object\":\"list\",\"data\":[");
    for (int k = 0, n = 0; k < MODELS; k++)
        if (m->offer[p][k].there)
            buf_printf(&list, "%s{\"id\":\"%s\",\"object\":\"model\",\"pricing\":{\"prompt\":\"%.12f\",\"completion\":\"%.12f\"}}", n++ ? "," : "",
                       kinds[k].name, m->offer[p][k].input / 1e6, m->offer[p][k].output / 1e6);
    buf_add_str(&list, "]}");
    free(m->listing[p]);
    m->listing[p] = buf_take(&list);
}

static void month_config(struct month *m, struct buf *c)
{
    buf_add_str(c, "vantage: sim\nbudget: 1 USD/day\nrates: {CNY: 0.14 USD}\nmodels: {");
    for (int k = 0; k < MODELS; k++)
        buf_printf(c, "%s%s: {}", k ? ", " : "", kinds[k].name);
    buf_add_str(c, "}\npolicies: {production: {latency: mean, second: 0.0375, money: 0.05}}\n"
                   "probes:\n"
                   "  reach: {interval: 2m, fast: 30s, slow: 10m}\n"
                   "  chat: {interval: 5m, fast: 30s, slow: 15m}\n"
                   "  price: {interval: 10m}\n"
                   "  burst: {interval: 6h, size: 8}\n"
                   "  capabilities: {interval: 7d}\n"
                   "platforms:\n");
    for (int p = 0; p < PLATFORMS; p++) {
        buf_printf(c, "  %s:\n    endpoints: [{url: 'https://p%d.test/v1'}]\n    key: {required: false}\n%s    models:\n", platform_names[p], p,
                   has_list(p) ? "    price_source: openrouter\n" : "");
        for (int k = 0; k < MODELS; k++) {
            const struct offer *o = &m->offer[p][k];
            double scale = in_cny(p) ? 1 / 0.14 : 1;
            if (!o->there)
                continue;
            buf_printf(c, "      %s: {%s", kinds[k].name, o->declared ? "reasoning: true" : "");
            if (!has_list(p))
                buf_printf(c, "%sprice: {input: %.6f %s/1M, output: %.6f %s/1M}", o->declared ? ", " : "", o->input * scale, in_cny(p) ? "CNY" : "USD",
                           o->output * scale, in_cny(p) ? "CNY" : "USD");
            buf_add_str(c, "}\n");
        }
    }
}

static void month_offers(struct month *m)
{
    for (int p = 0; p < PLATFORMS; p++) {
        int n = 3 + roll_of(4);
        double dear = 0.5 + roll();
        while (n > 0) {
            int k = roll_of(MODELS);
            if (m->offer[p][k].there)
                continue;
            m->offer[p][k] = (struct offer){.there = true, .thinks = kinds[k].thinks, .declared = kinds[k].declared, .input = kinds[k].input * dear,
                                            .output = kinds[k].output * dear};
            n--;
        }
        month_list(m, p);
    }
}

/* A list changes: from then on it is charged so. */
static void month_reprice(struct month *m)
{
    static const double factors[] = {0.1, 0.5, 0.8, 1.5, 3};
    int p = roll_of(5), k = roll_of(MODELS);
    struct offer *o = &m->offer[p][k];
    double factor = factors[roll_of(5)];
    if (!o->there || o->output * factor > kinds[k].output * 5 || o->output * factor < kinds[k].output / 20)
        return;
    if (o->rose == 0 || o->output < o->before)
        o->before = o->output;
    if (factor > 1)
        o->rose = sim_now(m->sim);
    o->input *= factor;
    o->output *= factor;
    month_list(m, p);
    sim_relay(m->sim, (char[]){'p', (char)('0' + p), '.', 't', 'e', 's', 't', 0})->listing = m->listing[p];
}

static struct sim_relay *month_relay(struct month *m, int p)
{
    char host[24];
    snprintf(host, sizeof host, "p%d.test", p);
    return sim_relay(m->sim, host);
}

static void month_die(struct month *m)
{
    usec_t now = sim_now(m->sim);
    for (int p = 0; p < PLATFORMS; p++) {
        struct sim_relay *r = month_relay(m, p);
        if (m->back[p] > 0 && now >= m->back[p]) {
            r->break_with = OUTCOME_OK;
            r->status = 0;
            r->stall = false;
            m->back[p] = 0;
            m->since[p] = now;
        }
        if (m->back[p] > 0 || roll() > 0.01)
            continue;
        m->back[p] = now + (usec_t)((1 + 11 * roll()) * (double)HOURS);
        switch (roll_of(4)) {
        case 0: r->break_with = OUTCOME_REFUSED; break;
        case 1: r->break_with = OUTCOME_TIMEOUT; break;
        case 2: r->status = 503; break;
        default: r->stall = true; break; /* it charges, and tells nothing */
        }
    }
}

/* Kill -9 within the hour, at a moment of a probe's life or just so. */
static void month_hour(struct month *m, bool crash)
{
    if (!crash) {
        sim_run(m->sim, HOURS);
        return;
    }
    usec_t until = sim_now(m->sim) + HOURS;
    if (roll() < 0.7)
        till_plan_crash(m->till, (enum sim_moment)roll_of(3), 1 + (unsigned)roll_of(20));
    else
        sim_run(m->sim, (usec_t)(roll() * (double)HOURS));
    for (int i = 0; i < 3000 && !till_dead(m->till) && sim_now(m->sim) < until; i++)
        sim_run(m->sim, USEC_PER_SEC);
    till_crash(m->till);
    if (sim_now(m->sim) < until)
        sim_run(m->sim, until - sim_now(m->sim));
}

/* The level in force is told wherever it is not the configured one, and its reason. */
static void month_levels(struct month *m, int *ret_chat, int *ret_routes)
{
    struct daemon *d = sim_daemon(m->sim);
    *ret_chat = *ret_routes = 0;
    for (size_t p = 0; p < d->world->config->platforms_len; p++)
        for (size_t r = 0; r < d->world->config->platforms[p].routes_len; r++) {
            struct prober_route_report report;
            const struct config_platform *c = &d->world->config->platforms[p];
            prober_report_route(d->world->prober, p, r, &report);
            const struct table_row *row = sim_row(m->sim, "production", c->routes[r].model, c->name);
            assert_non_null(row);
            assert_true(report.level == LEVEL_CHAT || report.why[0]);
            assert_true(report.level >= LEVEL_MODELS);
            *ret_routes += 1;
            *ret_chat += report.level == LEVEL_CHAT;
        }
}

/* How the money is used: not in one go, nor hoarded, and for every route. */
struct use {
    int64_t hour[30 * 24]; /* charged in it */
    unsigned long requests[PLATFORMS][MODELS], lists[PLATFORMS];
    int days[PLATFORMS][MODELS]; /* on which it was asked anything */
};

static void month_day(struct month *m, struct use *u)
{
    for (int p = 0; p < PLATFORMS; p++) {
        struct sim_relay *r = month_relay(m, p);
        assert_true(r->lists > u->lists[p] + 24); /* the rung below is free, and goes on whatever the money does */
        u->lists[p] = r->lists;
        for (int k = 0; k < MODELS; k++) {
            unsigned long n = till_requests(m->till, platform_names[p], kinds[k].name);
            u->days[p][k] += n > u->requests[p][k];
            u->requests[p][k] = n;
        }
    }
}

static void month_use(const struct month *m, const struct use *u)
{
    int64_t most = 0, least = INT64_MAX, most_day = 0, least_day = INT64_MAX, noon = 0;
    int least_days = 30;
    for (int i = 0; i < 12; i++)
        noon += u->hour[i];
    for (int i = 0; i + 24 <= 30 * 24; i++) { /* any six hours, any day, after the first */
        int64_t six = 0, day = 0;
        for (int h = 0; h < 24; h++) {
            six += h < 6 ? u->hour[i + h] : 0;
            day += u->hour[i + h];
        }
        if (i < 25)
            continue;
        most = six > most ? six : most;
        least = six < least ? six : least;
        most_day = day > most_day ? day : most_day;
        least_day = day < least_day ? day : least_day;
    }
    for (int p = 0; p < PLATFORMS; p++)
        for (int k = 0; k < MODELS; k++)
            if (m->offer[p][k].there && u->days[p][k] < least_days)
                least_days = u->days[p][k];
    print_message("# by noon of the first day %.3f USD; then in any 24 h %.3f to %.3f, in any 6 h %.3f to %.3f; every route was asked on %d days or more\n",
                  (double)noon / PICO_PER_UNIT, (double)least_day / PICO_PER_UNIT, (double)most_day / PICO_PER_UNIT, (double)least / PICO_PER_UNIT,
                  (double)most / PICO_PER_UNIT, least_days);
    assert_true(noon < PICO_PER_UNIT * 9 / 10);
    assert_true(least_day > PICO_PER_UNIT * 4 / 10);
    assert_true(most < PICO_PER_UNIT * 6 / 10 && least > 0);
    assert_true(least_days >= 20);
}

static void month_enable(struct month *m)
{
    for (int p = 0; p < PLATFORMS; p++)
        for (int k = 0; k < MODELS; k++)
            if (m->offer[p][k].there)
                reset_breaker(m->sim, platform_names[p], kinds[k].name);
}

static void a_month(void **state)
{
    (void)state;
    struct month m = {.stale = 0};
    static struct use use;
    CLEANUP(buf_done) struct buf config = BUF_INIT;
    dice = seed();
    month = &m;
    month_offers(&m);
    month_config(&m, &config);
    m.sim = sim_new(buf_str(&config), seed());
    m.till = till_new(m.sim, month_price);
    till_limits(m.till, &(struct budget_limits){PICO_PER_UNIT, BUDGET_UNLIMITED, BUDGET_UNLIMITED}, BUDGET_UNLIMITED);
    for (int p = 0; p < PLATFORMS; p++) {
        month_relay(&m, p)->listing = m.listing[p];
        till_watch(m.till, month_relay(&m, p)->host, platform_names[p]);
    }
    for (int hour = 0; hour < 30 * 24; hour++) {
        int64_t before = till_totals(m.till).charged;
        use.hour[hour] = -before;
        month_hour(&m, roll() < 0.03);
        till_look(m.till);
        use.hour[hour] += till_totals(m.till).charged;
        if (hour % 24 == 23)
            month_day(&m, &use);
        month_die(&m);
        if (roll() < 0.1)
            month_reprice(&m);
        if (roll() < 0.02)
            assert_int_equal(sim_reload(m.sim, buf_str(&config)), 0);
        if (hour % 8 == 7)
            month_enable(&m);
        int chat, routes;
        month_levels(&m, &chat, &routes);
        if (getenv("SIM_VERBOSE"))
            print_message("# %d:%02d charged %.4f, in 24 h %.4f, %d of %d routes at chat, stretch %.2f\n", hour / 24, hour % 24,
                          (double)(till_totals(m.till).charged - before) / PICO_PER_UNIT, (double)till_totals(m.till).window / PICO_PER_UNIT, chat, routes,
                          prober_stretch(sim_daemon(m.sim)->world->prober));
    }
    struct till_totals t = till_totals(m.till);
    print_message("# a month: %.3f USD charged for %lu requests on %lu reservations, %u crashes; %lu surprises, %lu never heard of; most in 24 h %.4f USD:"
                  " %.4f over, %.4f allowed; told too low %.6f, of that by stale lists at most %.6f\n",
                  (double)t.charged / PICO_PER_UNIT, t.requests, t.reservations, t.crashes, t.surprises, t.lost, (double)t.most_window / PICO_PER_UNIT,
                  (double)t.most_over / PICO_PER_UNIT, (double)t.most_bound / PICO_PER_UNIT, (double)t.too_low / PICO_PER_UNIT,
                  (double)m.stale / PICO_PER_UNIT);
    assert_true(t.too_low <= m.stale);
    assert_true(t.most_over <= t.most_bound);
    month_use(&m, &use);
    till_free(m.till);
    sim_free(m.sim);
    for (int p = 0; p < PLATFORMS; p++)
        free(m.listing[p]);
}

int main(void)
{
    print_message("# SIM_SEED=%llu\n", (unsigned long long)seed());
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_month)};
    return cmocka_run_group_tests_name("a month of the probe budget", tests, NULL, NULL);
}
