/* The daemon's decisions over hours, in virtual time. SIM_SEED=N plays other worlds; SIM_LOG=1 shows the journal. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probed/daemon_parts.h"
#include "tests/sim/sim.h"

#define MINUTES USEC_PER_MINUTE
#define HOURS USEC_PER_HOUR

static const char head[] = "vantage: sim\n"
                           "models: {m1: {}, m2: {}}\n"
                           "policies:\n"
                           "  production: {latency: mean, second: 0.0375, money: 0.05}\n"
                           "  budget: {latency: mean, second: 0.0125, money: 0.15}\n"
                           "probes:\n"
                           "  reach: {interval: 30s, fast: 10s, slow: 5m}\n"
                           "  models: {interval: 5m, fast: 1m, slow: 15m}\n"
                           "  chat: {interval: 60s, fast: 15s, slow: 10m}\n";

/* Three platforms with the same two models; q is dearer. */
static const char three[] = "platforms:\n"
                            "  p:\n"
                            "    endpoints: [{url: 'https://p.test/v1'}]\n"
                            "    key: {required: false}\n"
                            "    models:\n"
                            "      m1: {price: {input: 0.10 USD/1M, output: 0.40 USD/1M}}\n"
                            "      m2: {price: {input: 0.10 USD/1M, output: 0.40 USD/1M}}\n"
                            "  q:\n"
                            "    endpoints: [{url: 'https://q.test/v1'}]\n"
                            "    key: {required: false}\n"
                            "    models:\n"
                            "      m1: {price: {input: 0.20 USD/1M, output: 0.80 USD/1M}}\n"
                            "      m2: {price: {input: 0.20 USD/1M, output: 0.80 USD/1M}}\n"
                            "  r:\n"
                            "    endpoints: [{url: 'https://r.test/v1'}]\n"
                            "    key: {required: false}\n"
                            "    models:\n"
                            "      m1: {price: {input: 0.15 USD/1M, output: 0.60 USD/1M}}\n"
                            "      m2: {price: {input: 0.15 USD/1M, output: 0.60 USD/1M}}\n";

static uint64_t seed(void)
{
    const char *text = getenv("SIM_SEED");
    return text ? strtoull(text, NULL, 10) : 20261124;
}

static struct sim *world(const char *a, const char *b, const char *c)
{
    char config[8192];
    snprintf(config, sizeof config, "%s%s%s", a, b, c);
    return sim_new(config, seed());
}

static unsigned slots_of(struct sim *s, const char *policy, const char *model)
{
    static const char *const names[] = {"p", "q", "r"};
    unsigned sum = 0;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        sum += sim_row(s, policy, model, names[i]) ? sim_row(s, policy, model, names[i])->slots : 0;
    return sum;
}

/* A new world is provisional, never empty, and settles on the route that is fast and cheap. */
static void cold_start(void **state)
{
    (void)state;
    struct sim *s = world(head, three, "");
    assert_int_equal(slots_of(s, "production", "m1"), TABLE_SLOTS);
    assert_true(sim_row(s, "production", "m1", "p")->flags & ROW_PROVISIONAL);
    sim_relay(s, "q.test")->ttft_ms = 2500;
    sim_relay(s, "r.test")->ttft_ms = 1500;
    sim_run(s, 30 * MINUTES);
    const struct table_row *p = sim_row(s, "production", "m1", "p");
    assert_string_equal(sim_first(s, "production", "m1"), "p");
    assert_string_equal(sim_first(s, "budget", "m1"), "p");
    assert_int_equal(p->state, ROUTE_UP);
    assert_false(p->flags & ROW_PROVISIONAL);
    assert_in_range(p->ttft_p50, 300000, 500000);
    assert_in_range(sim_row(s, "production", "m1", "q")->ttft_p50, 2000000, 3000000);
    assert_int_equal(slots_of(s, "production", "m1"), TABLE_SLOTS);
    sim_free(s);
}

/* A dead route loses first place and traffic within three probes, and comes back with few slots first. */
static void outage_and_return(void **state)
{
    (void)state;
    struct sim *s = world(head, three, "");
    sim_relay(s, "q.test")->ttft_ms = 1200;
    sim_relay(s, "r.test")->ttft_ms = 900;
    sim_run(s, 60 * MINUTES);
    assert_string_equal(sim_first(s, "production", "m1"), "p");
    unsigned before = sim_row(s, "production", "m1", "p")->slots;
    sim_relay(s, "p.test")->break_with = OUTCOME_REFUSED;
    sim_run(s, 3 * MINUTES); /* at most three steady intervals, fast ones after the first failure */
    assert_int_equal(sim_row(s, "production", "m1", "p")->state, ROUTE_DOWN);
    assert_int_equal(sim_row(s, "production", "m1", "p")->slots, 0);
    assert_string_not_equal(sim_first(s, "production", "m1"), "p");
    assert_int_equal(slots_of(s, "production", "m1"), TABLE_SLOTS);
    sim_run(s, 20 * MINUTES);
    sim_relay(s, "p.test")->break_with = OUTCOME_OK;
    unsigned first = 0;
    for (int i = 0; i < 240 && first == 0; i++) {
        sim_run(s, 5 * USEC_PER_SEC);
        first = sim_row(s, "production", "m1", "p")->slots;
    }
    assert_in_range(first, 1, before / 2);
    sim_run(s, 3 * HOURS);
    assert_int_equal(sim_row(s, "production", "m1", "p")->state, ROUTE_UP);
    assert_string_equal(sim_first(s, "production", "m1"), "p");
    sim_free(s);
}

/* 429 lowers the share and not the availability. */
static void rate_limited(void **state)
{
    (void)state;
    struct sim *s = world(head, three, "");
    sim_run(s, 60 * MINUTES);
    double availability = sim_row(s, "production", "m1", "p")->availability;
    struct sim_relay *p = sim_relay(s, "p.test");
    p->status = 429;
    p->body = "{\"error\":{\"message\":\"Rate limit reached\",\"type\":\"rate_limit_error\",\"code\":\"rate_limit_exceeded\"}}";
    sim_run(s, 5 * MINUTES);
    const struct table_row *row = sim_row(s, "production", "m1", "p");
    assert_int_equal(row->state, ROUTE_LIMITED);
    assert_true(row->availability > availability - 0.01);
    assert_in_range(row->slots, 0, 64);
    p->status = 0;
    sim_run(s, 60 * MINUTES);
    assert_int_equal(sim_row(s, "production", "m1", "p")->state, ROUTE_UP);
    sim_free(s);
}

/* A wrong key or no credit is our fault: unusable, no slots, availability untouched. */
static void our_fault(void **state)
{
    (void)state;
    struct sim *s = world(head, three, "");
    sim_run(s, 60 * MINUTES);
    double availability = sim_row(s, "production", "m1", "p")->availability;
    struct sim_relay *p = sim_relay(s, "p.test");
    p->status = 402;
    p->body = "{\"error\":{\"code\":402,\"message\":\"Insufficient credits\"}}";
    sim_run(s, 3 * MINUTES);
    const struct table_row *row = sim_row(s, "production", "m1", "p");
    assert_int_equal(row->state, ROUTE_UNUSABLE);
    assert_int_equal(row->reason, REASON_UNUSABLE);
    assert_int_equal(row->slots, 0);
    assert_true(row->availability > availability - 0.01);
    p->status = 0;
    sim_run(s, 40 * MINUTES);
    assert_int_equal(sim_row(s, "production", "m1", "p")->state, ROUTE_UP);
    sim_free(s);
}

/* When all are down the table is not empty: the best of the bad, flagged. */
static void all_down(void **state)
{
    (void)state;
    static const char *const hosts[] = {"p.test", "q.test", "r.test"};
    struct sim *s = world(head, three, "");
    sim_run(s, 60 * MINUTES);
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        sim_relay(s, hosts[i])->break_with = OUTCOME_RESET;
    sim_run(s, 15 * MINUTES);
    assert_int_equal(slots_of(s, "production", "m1"), TABLE_SLOTS);
    const struct ranking *ranking = table_policy_find(table_find_policy(daemon_table(sim_daemon(s)), "production"), "m1");
    assert_true(ranking->flags & RANKING_PANIC);
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        sim_relay(s, hosts[i])->break_with = OUTCOME_OK;
    sim_run(s, 60 * MINUTES);
    ranking = table_policy_find(table_find_policy(daemon_table(sim_daemon(s)), "production"), "m1");
    assert_false(ranking->flags & RANKING_PANIC);
    sim_free(s);
}

/* Our own network dies: anchors fail with the relays, verdicts freeze, nothing is demoted. */
static void local_outage(void **state)
{
    (void)state;
    static const char *const hosts[] = {"p.test", "q.test", "r.test", "anchor1.test", "anchor2.test"};
    struct sim *s = world(head, three, "self_check: ['https://anchor1.test/', 'https://anchor2.test/']\n");
    sim_run(s, 60 * MINUTES);
    unsigned states = sim_state_changes(s), firsts = sim_first_changes(s);
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        sim_relay(s, hosts[i])->break_with = OUTCOME_UNREACHABLE;
    sim_run(s, 10 * MINUTES);
    assert_true(daemon_table(sim_daemon(s))->flags & TABLE_LOCAL);
    assert_int_equal(sim_state_changes(s), states);
    assert_int_equal(sim_first_changes(s), firsts);
    assert_int_equal(sim_row(s, "production", "m1", "p")->state, ROUTE_UP);
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        sim_relay(s, hosts[i])->break_with = OUTCOME_OK;
    sim_run(s, 10 * MINUTES);
    assert_false(daemon_table(sim_daemon(s))->flags & TABLE_LOCAL);
    /* Only the relay: the anchors answer, so it is the relay's fault. */
    sim_relay(s, "p.test")->break_with = OUTCOME_UNREACHABLE;
    sim_run(s, 5 * MINUTES);
    assert_int_equal(sim_row(s, "production", "m1", "p")->state, ROUTE_DOWN);
    sim_free(s);
}

/* The first endpoint dies: the second is used, the routes stay up; it comes back when it is well. */
static void failover(void **state)
{
    (void)state;
    struct sim *s = world(head,
                          "platforms:\n"
                          "  p:\n"
                          "    endpoints: [{url: 'https://p.test/v1'}, {url: 'https://p2.test/v1'}]\n"
                          "    key: {required: false}\n"
                          "    models: {m1: {price: {input: 0.10 USD/1M, output: 0.40 USD/1M}}, m2: {level: models}}\n",
                          "");
    sim_run(s, 60 * MINUTES);
    assert_string_equal(sim_row(s, "production", "m1", "p")->facts->endpoint, "https://p.test/v1");
    sim_relay(s, "p.test")->break_with = OUTCOME_REFUSED;
    sim_run(s, 5 * MINUTES);
    assert_string_equal(sim_row(s, "production", "m1", "p")->facts->endpoint, "https://p2.test/v1");
    sim_run(s, 30 * MINUTES);
    assert_int_equal(sim_row(s, "production", "m1", "p")->state, ROUTE_UP);
    sim_relay(s, "p.test")->break_with = OUTCOME_OK;
    sim_run(s, 30 * MINUTES);
    assert_string_equal(sim_row(s, "production", "m1", "p")->facts->endpoint, "https://p.test/v1");
    sim_free(s);
}

/* Delisted: absent from the models list. */
static void delisted(void **state)
{
    (void)state;
    struct sim *s = world(head, three, "");
    sim_run(s, 30 * MINUTES);
    sim_relay(s, "p.test")->missing = "m1";
    sim_run(s, 12 * MINUTES);
    assert_int_equal(sim_row(s, "production", "m1", "p")->state, ROUTE_MISSING);
    assert_int_equal(sim_row(s, "production", "m1", "p")->slots, 0);
    assert_int_equal(sim_row(s, "production", "m2", "p")->state, ROUTE_UP);
    sim_relay(s, "p.test")->missing = NULL;
    sim_run(s, 40 * MINUTES);
    assert_int_equal(sim_row(s, "production", "m1", "p")->state, ROUTE_UP);
    sim_free(s);
}

/* Two days of dear probes with crashes in between never spend more than the budget in any 24 hours but for what is in flight. */
static void budget_holds(void **state)
{
    (void)state;
    static const char dear[] = "budget: 0.05 USD/day\n"
                               "platforms:\n"
                               "  p:\n"
                               "    endpoints: [{url: 'https://p.test/v1'}]\n"
                               "    key: {required: false}\n"
                               "    models:\n"
                               "      m1: {price: {input: 3 USD/1M, output: 15 USD/1M}}\n"
                               "      m2: {reasoning: true, price: {input: 3 USD/1M, output: 15 USD/1M}}\n";
    struct sim *s = world(head, dear, "");
    sim_relay(s, "p.test")->output_tokens = 20;
    double one = (80 * 3.0 + 20 * 15.0) / 1e6; /* USD a probe, as the relay counts it */
    unsigned long day_start = 0;
    for (int hour = 1; hour <= 48; hour++) {
        sim_run(s, HOURS);
        if (hour % 7 == 0)
            sim_crash(s);
        if (hour == 24)
            day_start = sim_relay(s, "p.test")->chats;
        double spent = (double)(sim_relay(s, "p.test")->chats - day_start) * one;
        assert_true(spent <= 0.05 + 2 * one);
    }
    assert_true(sim_relay(s, "p.test")->chats > 20); /* and it is used */
    assert_true(sim_relay(s, "p.test")->lists > 48 * 11);
    sim_free(s);
}

/* One probe at far more than its expectation stops paid probes of that route, over a crash too. */
static void breaker(void **state)
{
    (void)state;
    struct sim *s = world(head, three, "");
    sim_run(s, 20 * MINUTES);
    sim_relay(s, "p.test")->output_tokens = 20000;
    sim_run(s, 10 * MINUTES);
    unsigned long chats = sim_relay(s, "p.test")->chats;
    sim_run(s, 2 * HOURS);
    assert_int_equal(sim_relay(s, "p.test")->chats, chats);
    assert_string_equal(sim_row(s, "production", "m1", "p")->facts->level, "models");
    sim_crash(s);
    sim_run(s, 1 * HOURS);
    assert_int_equal(sim_relay(s, "p.test")->chats, chats);
    sim_free(s);
}

/* A process that stood still for ten minutes does not catch up with a herd. */
static void no_herd_after_pause(void **state)
{
    (void)state;
    struct sim *s = world(head, three, "");
    sim_run(s, 60 * MINUTES);
    struct sim_relay *p = sim_relay(s, "p.test");
    unsigned long chats = p->chats, reaches = p->reaches;
    p->in_flight_most = 0;
    sim_pause(s, 10 * MINUTES);
    sim_run(s, 60 * USEC_PER_SEC);
    assert_in_range(p->chats - chats, 1, 8);
    assert_in_range(p->reaches - reaches, 1, 6);
    assert_in_range(p->in_flight_most, 1, 4);
    sim_free(s);
}

/* A reload keeps what is known, takes away what is gone, and refuses what is wrong. */
static void reload(void **state)
{
    (void)state;
    char config[8192];
    struct sim *s = world(head, three, "");
    sim_run(s, 60 * MINUTES);
    uint32_t samples = sim_row(s, "production", "m1", "p")->samples;
    assert_true(samples >= 30);
    assert_int_equal(sim_reload(s, "models: {m1: {}}\nplatform: 1\n"), -EINVAL);
    assert_non_null(sim_row(s, "production", "m1", "q"));
    snprintf(config, sizeof config, "%s%s", head, three);
    *strstr(config, "  q:\n") = '\0';
    const char *rest = strstr(three, "  r:\n");
    snprintf(config + strlen(config), sizeof config - strlen(config), "%s", rest);
    assert_int_equal(sim_reload(s, config), 0);
    sim_run(s, 2 * MINUTES);
    assert_null(sim_row(s, "production", "m1", "q"));
    assert_true(sim_row(s, "production", "m1", "p")->samples + 2 >= samples);
    assert_int_equal(sim_row(s, "production", "m1", "p")->state, ROUTE_UP);
    for (int i = 0; i < 50; i++) { /* mid-probe, again and again */
        sim_run(s, 700 * USEC_PER_MSEC);
        assert_int_equal(sim_reload(s, config), 0);
    }
    sim_run(s, 10 * MINUTES);
    assert_int_equal(sim_row(s, "production", "m1", "p")->state, ROUTE_UP);
    sim_free(s);
}

static void say(struct sim *s, enum override_action action, const char *platform, const char *model, usec_t duration)
{
    struct daemon *d = sim_daemon(s);
    struct api_override word = {.action = action, .made_at = sim_now(s), .expires_at = duration ? sim_now(s) + duration : 0};
    snprintf(word.platform, sizeof word.platform, "%s", platform);
    snprintf(word.model, sizeof word.model, "%s", model);
    assert_int_equal(overrides_add(&d->overrides, &word, NULL), 0);
    daemon_save(d);
    daemon_apply_overrides(d);
    sim_run(s, 3 * USEC_PER_SEC);
}

/* Operators' words hold, survive a crash, and expire by themselves. */
static void overrides(void **state)
{
    (void)state;
    struct sim *s = world(head, three, "");
    sim_relay(s, "q.test")->ttft_ms = 3000;
    sim_run(s, 60 * MINUTES);
    say(s, OVERRIDE_DRAIN, "p", "", 2 * HOURS);
    assert_int_equal(sim_row(s, "production", "m1", "p")->state, ROUTE_DRAINED);
    assert_int_equal(sim_row(s, "production", "m2", "p")->slots, 0);
    say(s, OVERRIDE_ENABLE, "p", "m2", 0);
    assert_int_equal(sim_row(s, "production", "m2", "p")->state, ROUTE_UP);
    say(s, OVERRIDE_PIN, "q", "m1", 2 * HOURS);
    assert_string_equal(sim_first(s, "production", "m1"), "q");
    sim_crash(s);
    sim_run(s, 30 * MINUTES);
    assert_int_equal(sim_row(s, "production", "m1", "p")->state, ROUTE_DRAINED);
    assert_string_equal(sim_first(s, "production", "m1"), "q");
    sim_run(s, 3 * HOURS);
    assert_int_equal(sim_row(s, "production", "m1", "p")->state, ROUTE_UP);
    assert_string_equal(sim_first(s, "production", "m1"), "p");
    sim_free(s);
}

/* A planned window takes the platform out and gives it back. The simulation starts at midnight UTC. */
static void maintenance(void **state)
{
    (void)state;
    char config[8192];
    snprintf(config, sizeof config, "%s", three);
    char *at = strstr(config, "    endpoints: [{url: 'https://q.test/v1'}]\n");
    const char *rest = strstr(three, "    endpoints: [{url: 'https://q.test/v1'}]\n");
    sprintf(at, "    maintenance: [{daily: '02:00-03:00 +00:00', reason: 'weekly work'}]\n%s", rest);
    struct sim *s = world(head, config, "");
    sim_run(s, 119 * MINUTES);
    assert_true(sim_row(s, "production", "m1", "q")->reason != REASON_MAINTENANCE);
    sim_run(s, 5 * MINUTES);
    assert_int_equal(sim_row(s, "production", "m1", "q")->reason, REASON_MAINTENANCE);
    assert_int_equal(sim_row(s, "production", "m1", "q")->slots, 0);
    sim_run(s, 60 * MINUTES);
    assert_true(sim_row(s, "production", "m1", "q")->reason != REASON_MAINTENANCE);
    sim_free(s);
}

/* Equal relays for a day: the first place is calm. */
static void calm(void **state)
{
    (void)state;
    char config[8192];
    snprintf(config, sizeof config, "%s", three);
    for (char *c = config; (c = strstr(c, "0.20 USD")); c++)
        memcpy(c, "0.10", 4);
    for (char *c = config; (c = strstr(c, "0.80 USD")); c++)
        memcpy(c, "0.40", 4);
    for (char *c = config; (c = strstr(c, "0.15 USD")); c++)
        memcpy(c, "0.10", 4);
    for (char *c = config; (c = strstr(c, "0.60 USD")); c++)
        memcpy(c, "0.40", 4);
    struct sim *s = world(head, config, "");
    static const char *const hosts[] = {"p.test", "q.test", "r.test"};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        sim_relay(s, hosts[i])->sigma = 0.5;
    sim_run(s, 2 * HOURS);
    unsigned before = sim_first_changes(s);
    sim_run(s, 24 * HOURS);
    unsigned changes = sim_first_changes(s) - before;
    print_message("# first places changed %u times in 24 h in 4 tables of 3 equal relays\n", changes);
    assert_in_range(changes, 0, 40);
    assert_int_equal(sim_row(s, "production", "m1", "p")->state, ROUTE_UP);
    sim_free(s);
}

/* Stalled, empty, truncated and wrong answers are failures although the status is 200. */
static void failing_200(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct sim *s = world(head, three, "");
        sim_run(s, 40 * MINUTES);
        struct sim_relay *p = sim_relay(s, "p.test");
        p->stall = kind == 0;
        p->empty = kind == 1;
        p->truncated = kind == 2;
        sim_run(s, 5 * MINUTES);
        assert_int_equal(sim_row(s, "production", "m1", "p")->state, ROUTE_DOWN);
        struct explanation e;
        int route = ranker_find(daemon_ranker(sim_daemon(s)), "p", "m1");
        assert_int_equal(ranker_explain(daemon_ranker(sim_daemon(s)), route, NULL, sim_now(s), &e), 0);
        static const enum outcome_kind want[] = {OUTCOME_STALLED, OUTCOME_EMPTY, OUTCOME_TRUNCATED};
        assert_int_equal(e.last[0].outcome.kind, want[kind]);
        assert_int_equal(e.last[0].outcome.fault, FAULT_RELAY);
        sim_free(s);
    }
}

int main(void)
{
    print_message("# SIM_SEED=%llu\n", (unsigned long long)seed());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cold_start),     cmocka_unit_test(outage_and_return), cmocka_unit_test(rate_limited), cmocka_unit_test(our_fault),
        cmocka_unit_test(all_down),       cmocka_unit_test(local_outage),      cmocka_unit_test(failover),     cmocka_unit_test(delisted),
        cmocka_unit_test(budget_holds),   cmocka_unit_test(breaker),           cmocka_unit_test(reload),       cmocka_unit_test(overrides),
        cmocka_unit_test(no_herd_after_pause), cmocka_unit_test(maintenance),  cmocka_unit_test(calm),         cmocka_unit_test(failing_200),
    };
    return cmocka_run_group_tests_name("daemon in virtual time", tests, NULL, NULL);
}
