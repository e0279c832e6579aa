/* Capabilities: what tries leave known, what policies make of it, and that it outlives reloads and restarts. */
#include "tests/unit/core/field.h"

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < CAPABILITY_COUNT; i++) {
        assert_int_equal(capability_from_name(capability_name((enum capability)i)), i);
        assert_true(capability_text((enum capability)i)[0] != '\0');
    }
    assert_int_equal(capability_from_name("region"), -1);
    assert_string_equal(capability_name((enum capability)99), "?");
    assert_string_equal(capability_state_name(CAPABILITY_UNCLEAR), "unclear");
    assert_string_equal(capability_state_name((enum capability_state)99), "?");
}

/* A word against a declaration has to come twice; a try that could not tell changes no word; and the evidence is that of the state. */
static void test_learning(void **state)
{
    (void)state;
    struct capability_known k = {.state = CAPABILITY_UNTESTED};

    assert_true(capability_learn(&k, CAPABILITY_UNCLEAR, true, "500", 10));
    assert_int_equal(k.state, CAPABILITY_UNCLEAR);
    assert_false(capability_learn(&k, CAPABILITY_NO, true, "refused", 20));
    assert_int_equal(k.state, CAPABILITY_UNCLEAR);
    assert_int_equal(k.refusals, 1);
    assert_string_equal(k.evidence, "refused");
    assert_false(capability_learn(&k, CAPABILITY_UNCLEAR, true, "429", 25)); /* it does not take the refusal back */
    assert_int_equal(k.refusals, 1);
    assert_true(capability_learn(&k, CAPABILITY_NO, true, "refused again", 30));
    assert_int_equal(k.state, CAPABILITY_NO);
    assert_false(capability_learn(&k, CAPABILITY_UNCLEAR, true, "timeout", 40));
    assert_int_equal(k.state, CAPABILITY_NO);
    assert_string_equal(k.evidence, "refused again");
    assert_int_equal(k.at, 40);
    assert_true(capability_learn(&k, CAPABILITY_YES, true, "saw red", 50));
    assert_int_equal(k.refusals, 0);
    /* A yes that was seen is a declaration. */
    assert_false(capability_learn(&k, CAPABILITY_NO, false, "told no colour", 60));
    assert_int_equal(k.state, CAPABILITY_YES);
    assert_true(capability_learn(&k, CAPABILITY_NO, false, "told no colour", 70));

    k = (struct capability_known){.state = CAPABILITY_UNTESTED};
    assert_true(capability_learn(&k, CAPABILITY_NO, false, "refused", 10));
    assert_int_equal(k.state, CAPABILITY_NO);
    for (int i = 0; i < 300; i++)
        capability_learn(&k, CAPABILITY_NO, false, "refused", 20 + i);
    assert_int_equal(k.refusals, UINT8_MAX);

    /* Evidence is a relay's words: cut as UTF-8, mended. */
    char words[400];
    memset(words, 'x', sizeof(words));
    memcpy(words + 60, "\xe4\xb8\xad\xe6\x96\x87\xff\xe4", 8);
    words[399] = '\0';
    capability_learn(&k, CAPABILITY_YES, false, words, 500);
    assert_true(strlen(k.evidence) < CAPABILITY_EVIDENCE_MAX);
    assert_memory_equal(k.evidence + 60, "\xe4\xb8\xad\xe6\x96\x87\xef\xbf\xbd", 9);
}

static const struct tag see[] = {{"vision", ""}}, act[] = {{"tools", ""}}, high[] = {{"vision", "high"}}, far[] = {{"region", "cn"}};
static const struct policy policies[] = {
    {.name = "plain", .latency = LATENCY_P50, .second = 0.0375, .money = 0.05, .input_tokens = 1000, .output_tokens = 300, .concurrency = 1},
    {.name = "seeing", .latency = LATENCY_P50, .second = 0.0375, .money = 0.05, .input_tokens = 1000, .output_tokens = 300, .require = see,
     .require_len = 1, .concurrency = 1},
    {.name = "acting", .latency = LATENCY_P50, .second = 0.0375, .money = 0.05, .input_tokens = 1000, .output_tokens = 300, .require = act,
     .require_len = 1, .concurrency = 1},
    {.name = "sharp", .latency = LATENCY_P50, .second = 0.0375, .money = 0.05, .input_tokens = 1000, .output_tokens = 300, .require = high,
     .require_len = 1, .concurrency = 1},
    {.name = "far", .latency = LATENCY_P50, .second = 0.0375, .money = 0.05, .input_tokens = 1000, .output_tokens = 300, .require = far,
     .require_len = 1, .concurrency = 1},
};

static void test_requirements(void **state)
{
    (void)state;
    struct capabilities m = {.of = {{.state = CAPABILITY_UNTESTED}}};
    struct capability_known *vision = &m.of[CAPABILITY_VISION];
    const struct tag model[] = {{"vision", "high"}}, platform[] = {{"region", "cn"}};

    for (int s = 0; s < CAPABILITY_STATES; s++) {
        vision->state = (uint8_t)s;
        bool yes = s == CAPABILITY_YES, no = s == CAPABILITY_NO;

        assert_int_equal(capability_unmet(&policies[1], &m, model, 1, platform, 1) == NULL, !no);
        assert_int_equal(capability_unmet(&policies[1], &m, NULL, 0, platform, 1) == NULL, yes);
        assert_int_equal(capability_unmet(&policies[1], &m, NULL, 0, model, 1) == NULL, !no); /* declared for the platform */
        /* Which sort it is, is not measured. */
        assert_int_equal(capability_unmet(&policies[3], &m, model, 1, NULL, 0) == NULL, !no);
        assert_ptr_equal(capability_unmet(&policies[3], &m, NULL, 0, NULL, 0), high);
        assert_null(capability_unmet(&policies[4], &m, NULL, 0, platform, 1));
        assert_ptr_equal(capability_unmet(&policies[4], &m, model, 1, NULL, 0), far);
    }
    assert_null(capability_unmet(&policies[1], NULL, model, 1, NULL, 0));
    assert_true(capability_declared(CAPABILITY_VISION, model, 1, NULL, 0) && !capability_declared(CAPABILITY_TOOLS, model, 1, platform, 1));
}

static struct ranker *ranker_of(void)
{
    static const struct tag declared[] = {{"vision", ""}};
    const struct ranker_setup setup = {.policies = policies, .policies_len = ARRAY_LEN(policies), .currency = "USD", .vantage = "here"};
    struct ranker *r = ranker_new(&setup);
    const char *const names[] = {"a", "b"};

    for (size_t i = 0; i < 2; i++) {
        struct ranker_route_setup route = {.platform = ranker_add_platform(r, names[i], NULL, NULL, 0),
                                           .model = "m",
                                           .dialect = "openai",
                                           .endpoint = "",
                                           .tags = i == 0 ? declared : NULL,
                                           .tags_len = i == 0,
                                           .price = {.known = true, .input = 1000, .output = 1000},
                                           .interval = 15 * SEC};

        ranker_add_route(r, &route);
    }
    return r;
}

static usec_t live(struct ranker *r, usec_t now)
{
    for (int n = 0; n < 120; n++, now += 15 * SEC) {
        struct observation o = field_ok(now, 300 * MSEC);

        assert_int_equal(ranker_observe(r, n % 2, &o, now), 0);
        ranker_refresh(r, now, 0, false);
    }
    return now;
}

static struct capability_known known(enum capability_state state, usec_t at)
{
    struct capability_known k = {.state = (uint8_t)state, .at = at, .refusals = state == CAPABILITY_NO ? 2 : 0};

    snprintf(k.evidence, sizeof(k.evidence), "evidence of %s", capability_state_name(state));
    return k;
}

static unsigned slots(struct ranker *r, const char *policy, const char *platform, usec_t now)
{
    struct table *t = ranker_table(r, 1, 1, now, 0);
    const struct ranking *ranking = table_policy_find(table_find_policy(t, policy), "m");
    unsigned found = 999;

    for (size_t i = 0; i < ranking->len; i++) {
        if (strcmp(ranking->rows[i].facts->platform, platform) == 0)
            found = ranking->rows[i].slots;
    }
    table_unref(t);
    return found;
}

/* Traffic moves at once with what is measured, and the reason says whose word it was. */
static void test_ranking(void **state)
{
    (void)state;
    struct ranker *r = ranker_of();
    usec_t now = live(r, NOW0);
    struct capability_known k = known(CAPABILITY_NO, now);
    struct explanation e;

    assert_int_equal(slots(r, "seeing", "a", now), TABLE_SLOTS);
    assert_int_equal(slots(r, "acting", "a", now) + slots(r, "acting", "b", now), 0);
    uint64_t revision = ranker_revision(r);

    ranker_set_capability(r, 1, CAPABILITY_JSON, &k, now); /* nobody asks for it */
    ranker_refresh(r, now, 0, false);
    assert_true(ranker_revision(r) == revision);
    assert_int_equal(ranker_explain(r, 0, "acting", now, &e), 0);
    assert_string_equal(e.reason_why, "not declared: tools");
    assert_int_equal(ranker_explain(r, 0, "far", now, &e), 0);
    assert_string_equal(e.reason_why, "not declared: region=cn");
    assert_int_equal(ranker_explain(r, 0, "plain", now, &e), 0);
    assert_string_equal(e.reason_why, "");

    k = known(CAPABILITY_UNCLEAR, now);
    ranker_set_capability(r, 0, CAPABILITY_VISION, &k, now);
    k = known(CAPABILITY_YES, now);
    ranker_set_capability(r, 1, CAPABILITY_TOOLS, &k, now);
    ranker_refresh(r, now, 0, false);
    assert_int_equal(slots(r, "seeing", "a", now), TABLE_SLOTS);
    assert_int_equal(slots(r, "acting", "b", now), TABLE_SLOTS);

    now += SEC;
    k = known(CAPABILITY_NO, now);
    ranker_set_capability(r, 0, CAPABILITY_VISION, &k, now);
    k = known(CAPABILITY_YES, now);
    ranker_set_capability(r, 1, CAPABILITY_VISION, &k, now);
    assert_true(ranker_due(r) <= now);
    ranker_refresh(r, now, 0, false);
    assert_int_equal(slots(r, "seeing", "a", now), 0);
    assert_int_equal(slots(r, "seeing", "b", now), TABLE_SLOTS);
    assert_int_equal(ranker_explain(r, 0, "seeing", now, &e), 0);
    assert_int_equal(e.row.reason, REASON_REQUIREMENT);
    assert_string_equal(e.reason_why, "measured: no vision");
    assert_string_equal(ranker_capabilities(r, 0)->of[CAPABILITY_VISION].evidence, "evidence of no");
    ranker_free(r);
}

/* A try says nothing about how the route works, nor does a burst. */
static void test_aside(void **state)
{
    (void)state;
    struct ranker *r = ranker_of(), *without = ranker_of();
    usec_t now = live(r, NOW0);
    struct explanation before, after;

    live(without, NOW0);
    for (int i = 0; i < 200; i++, now += MSEC) {
        struct observation o = field_fail(now, i % 3 == 0 ? OUTCOME_SERVER_ERROR : i % 3 == 1 ? OUTCOME_RATE_LIMITED : OUTCOME_BAD_REQUEST);

        o.probe = i % 2 ? PROBE_CAPABILITIES : PROBE_BURST;
        o.in_flight = i % 2 ? 1 : 8;
        assert_int_equal(ranker_observe(r, 0, &o, now), 0);
    }
    ranker_refresh(r, now, 0, true);
    ranker_refresh(without, now, 0, true);
    assert_int_equal(ranker_explain(r, 0, "plain", now, &after), 0);
    assert_int_equal(ranker_explain(without, 0, "plain", now, &before), 0);
    assert_int_equal(after.row.state, ROUTE_UP);
    assert_true(after.row.availability == before.row.availability && after.loss_nano == before.loss_nano);
    assert_true(after.share_cap > 0.99 && after.last[0].probe == PROBE_CHAT && outcome_ok(after.last[0].outcome));
    assert_int_equal(after.row.ttft_p50, before.row.ttft_p50);
    ranker_free(without);
    ranker_free(r);
}

static void assert_known(struct ranker *r, usec_t now)
{
    struct explanation e;

    assert_int_equal(ranker_capabilities(r, 0)->of[CAPABILITY_VISION].state, CAPABILITY_NO);
    assert_int_equal(ranker_capabilities(r, 0)->of[CAPABILITY_VISION].refusals, 2);
    assert_string_equal(ranker_capabilities(r, 0)->of[CAPABILITY_VISION].evidence, "evidence of no");
    assert_null(ranker_capabilities(r, 1));
    assert_int_equal(ranker_burst(r, 0)->n, 8);
    assert_int_equal(ranker_explain(r, 0, "plain", now, &e), 0);
    assert_int_equal(e.burst.failed, 3);
    assert_int_equal(e.burst.ttft_p95, 1200 * MSEC);
    assert_string_equal(e.burst.why, "20 were asked for");
    assert_int_equal(ranker_explain(r, 1, "plain", now, &e), 0);
    assert_int_equal(e.burst.n, 0);
    assert_true(e.burst.age < 0 && e.burst.ttft_p50 < 0);
    assert_int_equal(slots(r, "seeing", "a", now), 0);
}

static void test_reload_and_restart(void **state)
{
    (void)state;
    struct ranker *r = ranker_of(), *next = ranker_of(), *later = ranker_of();
    usec_t now = live(r, NOW0);
    struct capability_known k = known(CAPABILITY_NO, now);
    const struct burst_result burst = {.at = now, .n = 8, .ok = 5, .failed = 3, .ttft_p50 = 400 * MSEC, .ttft_p95 = 1200 * MSEC, .why = "20 were asked for"};
    struct buf data = BUF_INIT, again = BUF_INIT;

    ranker_set_capability(r, 0, CAPABILITY_VISION, &k, now);
    ranker_set_burst(r, 0, &burst, now);
    ranker_refresh(r, now, 0, false);
    ranker_save(r, &data);
    assert_int_equal(ranker_restore(later, data.data, data.len), 0);
    assert_known(later, now);
    ranker_save(later, &again);
    assert_int_equal(again.len, data.len);
    struct observation o = field_ok(now, 300 * MSEC);

    /* The same observations give the same rankings afterwards, which is later than what was ranked before the restart. */
    now += SEC;
    for (int i = 0; i < 20; i++, now += SEC) {
        assert_int_equal(ranker_observe(r, i % 2, &o, now), 0);
        assert_int_equal(ranker_observe(later, i % 2, &o, now), 0);
        ranker_refresh(r, now, 0, false);
        ranker_refresh(later, now, 0, false);
        assert_true(ranker_revision(r) == ranker_revision(later));
    }
    ranker_free(later);
    /* Damaged bytes are refused or give states that are states. */
    uint64_t random = field_seed();

    for (int i = 0; i < 3000; i++) {
        struct ranker *damaged = ranker_of();
        char *copy = malloc(data.len);

        memcpy(copy, data.data, data.len);
        copy[schedule_random(&random) % data.len] ^= (char)(1 << schedule_random(&random) % 8);
        if (ranker_restore(damaged, copy, data.len) == 0) {
            for (int id = 0; id < 2; id++) {
                const struct capabilities *c = ranker_capabilities(damaged, id);

                for (int n = 0; c && n < CAPABILITY_COUNT; n++)
                    assert_true(c->of[n].state < CAPABILITY_STATES && strnlen(c->of[n].evidence, CAPABILITY_EVIDENCE_MAX) < CAPABILITY_EVIDENCE_MAX);
            }
        }
        free(copy);
        ranker_free(damaged);
    }
    ranker_adopt(next, r);
    ranker_free(r);
    ranker_refresh(next, now, 0, true);
    assert_known(next, now);
    ranker_free(next);
    buf_done(&data);
    buf_done(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), cmocka_unit_test(test_learning), cmocka_unit_test(test_requirements),
        cmocka_unit_test(test_ranking), cmocka_unit_test(test_aside), cmocka_unit_test(test_reload_and_restart),
    };
    return cmocka_run_group_tests_name("capabilities", tests, NULL, NULL);
}
