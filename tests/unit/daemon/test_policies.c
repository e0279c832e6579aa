/* The nine policies of etc/policies.yaml on one mixed field: each user gets the routes that serve that user. What is compared is the order of two
 * routes, never a number, so that tuning the policies does not break this. TEST_SEED=n repeats a run. */
#include "tests/unit/core/field.h"

#include <unistd.h>

#include "probed/config/config.h"
#include "probed/roster.h"

/* What a platform of the field is like. tags: of the platform; capability: of its model. */
static const struct kind {
    const char *name, *tags, *capability;
    double usd;           /* a million tokens in; four times that out */
    double ttft_s, sigma; /* median and spread (of the logarithm) of the first token */
    double slow_share;    /* of requests that take ten times as long */
    double fails;         /* chance */
    bool outages;         /* twenty minutes in each two hours */
    double refused;       /* share of 429, each time for a while */
    double fooled;        /* share of challenges that it does not pass */
} kinds[] = {
    {"fast-dear", "", "vision: true", 4.0, 0.30, 0.2, 0, 0.002, false, 0, 0},
    {"slow-cheap", "", "", 0.10, 2.5, 0.3, 0, 0.01, false, 0, 0},
    {"fast-flaky", "", "vision: true", 0.9, 0.30, 0.2, 0, 0.03, true, 0, 0},
    {"steady-slow", "", "vision: true", 1.0, 1.1, 0.03, 0, 0, false, 0, 0},
    {"private", "private: true", "", 1.2, 0.9, 0.2, 0, 0.01, false, 0, 0},
    {"cheap-429", "", "", 0.5, 0.35, 0.2, 0, 0.005, false, 0.4, 0},
    {"dishonest", "", "", 0.9, 0.30, 0.2, 0, 0.002, false, 0, 0.6},
    {"long-tailed", "", "", 0.9, 0.32, 0.2, 0.12, 0.002, false, 0, 0},
    {"solid", "", "", 1.0, 0.40, 0.2, 0, 0.002, false, 0, 0},
};

#define KINDS (sizeof kinds / sizeof kinds[0])

static struct config *load(char path[64])
{
    char *policies = realpath("etc/policies.yaml", NULL);
    assert_non_null(policies);
    snprintf(path, 64, "/tmp/probed-policies-XXXXXX");
    int fd = mkstemp(path), errors = 0;
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "w");
    assert_non_null(f);
    fprintf(f, "include: %s\nmodels: {m: {}}\nplatforms:\n", policies);
    for (size_t i = 0; i < KINDS; i++)
        fprintf(f, "  %s: {endpoints: https://a.example/v1, tags: {%s}, models: {m: {capabilities: {%s}, price: {input: %g USD/1M, output: %g USD/1M}}}}\n",
                kinds[i].name, kinds[i].tags, kinds[i].capability, kinds[i].usd, 4 * kinds[i].usd);
    fclose(f);
    struct config *config = config_load(path, stderr, false, &errors);
    unlink(path);
    free(policies);
    assert_non_null(config);
    return config;
}

static struct observation answer(const struct kind *k, uint64_t *random, usec_t at, int minute)
{
    double ttft = k->ttft_s * exp(k->sigma * field_normal(random)) * (field_random(random) < k->slow_share ? 10 : 1);
    struct observation o = field_ok(at, (usec_t)(ttft * 1e6));

    if (field_random(random) < k->fails || (k->outages && minute % 120 >= 60 && minute % 120 < 80))
        return field_fail(at, OUTCOME_SERVER_ERROR);
    if (field_random(random) < k->refused) {
        o = field_fail(at, OUTCOME_RATE_LIMITED);
        o.total = 80 * MSEC;
    } else if (field_random(random) < k->fooled) {
        o.flags = OBSERVED_CHALLENGE_FAILED;
    }
    return o;
}

struct world {
    struct config *config;
    struct ranker *ranker;
    struct table *table;
};

/* Six hours: probes four times a minute, and some reported traffic to each route. */
static struct world live(uint64_t seed)
{
    char path[64];
    struct world w = {.config = load(path)};
    usec_t now = NOW0;

    w.ranker = roster_ranker(w.config, NULL, NULL);
    for (int step = 0; step < 6 * 60 * 4; step++, now += 15 * SEC)
        for (size_t i = 0; i < KINDS; i++) {
            int id = ranker_find(w.ranker, kinds[i].name, "m");
            field_observe(w.ranker, id, answer(&kinds[i], &seed, now, step / 4), now);
            for (int k = 0; k < 3; k++) {
                struct observation o = answer(&kinds[i], &seed, now, step / 4);
                o.source = SOURCE_TRAFFIC;
                field_observe(w.ranker, id, o, now);
            }
        }
    w.table = field_table(w.ranker, now);
    return w;
}

static void done(struct world *w)
{
    table_unref(w->table);
    ranker_free(w->ranker);
    config_unref(w->config);
}

static const struct table_row *row(const struct world *w, const char *policy, const char *platform)
{
    return field_row(field_ranking(w->table, policy, "m"), platform);
}

static void show(const struct world *w)
{
    for (size_t p = 0; p < w->table->len; p++) {
        const struct ranking *k = field_ranking(w->table, w->table->policies[p].name, "m");
        struct buf line = BUF_INIT;
        for (size_t i = 0; i < k->len; i++)
            buf_printf(&line, " %s=%.3f/%u%s", k->rows[i].facts->platform, (double)k->rows[i].loss_nano / 1e9, k->rows[i].slots,
                       route_reason_eligible(k->rows[i].reason) ? "" : "x");
        print_message("  %-11s%s\n", w->table->policies[p].name, buf_str(&line));
        buf_done(&line);
    }
}

/* By the loss: ranks also hold who came first. */
static void assert_prefers(const struct world *w, const char *policy, const char *better, const char *worse)
{
    if (row(w, policy, better)->loss_nano < row(w, policy, worse)->loss_nano)
        return;
    show(w);
    fail_msg("%s: %s should be before %s", policy, better, worse);
}

static void test_each_user_is_served(void **state)
{
    (void)state;
    struct world w = live(field_seed());

    show(&w);
    /* Those who pay most attention to money take what is cheap and works, though it is slow; who waits for each step does not. */
    assert_prefers(&w, "learning", "slow-cheap", "solid");
    assert_prefers(&w, "learning", "slow-cheap", "fast-dear");
    assert_prefers(&w, "budget", "slow-cheap", "fast-dear");
    assert_prefers(&w, "quickstart", "solid", "fast-dear");
    assert_prefers(&w, "production", "solid", "fast-dear");
    assert_prefers(&w, "production", "solid", "slow-cheap");
    assert_prefers(&w, "agent", "solid", "slow-cheap");
    /* Tails: mean latency of the two is near, the 95th percentile is not. */
    assert_prefers(&w, "high-qps", "solid", "long-tailed");
    assert_prefers(&w, "agent", "solid", "long-tailed");
    assert_prefers(&w, "high-qps", "fast-dear", "long-tailed");
    /* What refuses under load is no route for many requests at once, cheap or not. */
    assert_prefers(&w, "high-qps", "solid", "cheap-429");
    assert_prefers(&w, "learning", "cheap-429", "solid");
    /* Contracts: rather slow than surprising. */
    assert_prefers(&w, "enterprise", "steady-slow", "fast-flaky");
    assert_prefers(&w, "enterprise", "steady-slow", "long-tailed");
    assert_prefers(&w, "enterprise", "steady-slow", "dishonest");
    assert_prefers(&w, "high-qps", "fast-dear", "steady-slow");
    assert_prefers(&w, "agent", "solid", "dishonest");
    done(&w);
}

static void test_requirements_hold(void **state)
{
    (void)state;
    struct world w = live(field_seed());

    for (size_t i = 0; i < KINDS; i++) {
        bool sees = strstr(kinds[i].capability, "vision") != NULL, private = strstr(kinds[i].tags, "private") != NULL;

        assert_int_equal(row(&w, "multimodal", kinds[i].name)->reason == REASON_REQUIREMENT, !sees);
        assert_int_equal(row(&w, "internal", kinds[i].name)->reason == REASON_REQUIREMENT, !private);
        assert_true(sees || row(&w, "multimodal", kinds[i].name)->slots == 0);
    }
    assert_int_equal(row(&w, "internal", "private")->slots, TABLE_SLOTS);
    done(&w);
}

/* No two policies are the same thing under two names. */
static void test_orders_differ(void **state)
{
    (void)state;
    struct world w = live(field_seed());
    char orders[16][256];
    size_t same = 0;

    assert_int_equal(w.table->len, 9);
    for (size_t p = 0; p < w.table->len; p++) {
        const struct ranking *k = field_ranking(w.table, w.table->policies[p].name, "m");
        int64_t last = -1;

        orders[p][0] = '\0';
        for (size_t i = 0; i < k->len; i++) { /* by loss */
            const struct table_row *next = NULL;

            for (size_t j = 0; j < k->len; j++)
                if (k->rows[j].loss_nano > last && (!next || k->rows[j].loss_nano < next->loss_nano))
                    next = &k->rows[j];
            if (!next)
                break;
            last = next->loss_nano;
            if (route_reason_eligible(next->reason))
                snprintf(orders[p] + strlen(orders[p]), sizeof orders[p] - strlen(orders[p]), "%s ", next->facts->platform);
        }
        for (size_t q = 0; q < p; q++) {
            if (strcmp(orders[p], orders[q]) == 0) {
                print_message("%s and %s: %s\n", w.table->policies[q].name, w.table->policies[p].name, orders[p]);
                same++;
            }
        }
    }
    if (same > 0)
        show(&w);
    assert_int_equal(same, 0);
    done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_user_is_served),
        cmocka_unit_test(test_requirements_hold),
        cmocka_unit_test(test_orders_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
