/* What the core's tests share: a seeded random source whose seed is printed, observations in one line, and a ranker with a field of
 * routes. Included by tests only. */
#ifndef TESTS_UNIT_CORE_FIELD_H
#define TESTS_UNIT_CORE_FIELD_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "probed/core/ranker.h"
#include "probed/core/schedule.h"
#include "shared/buf.h"

#define NOW0 (1700000000 * USEC_PER_SEC)
#define SEC USEC_PER_SEC
#define MSEC USEC_PER_MSEC

/* TEST_SEED=n repeats a run. */
static inline uint64_t field_seed(void)
{
    const char *given = getenv("TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);

    print_message("seed %llu\n", (unsigned long long)seed);
    return seed;
}

static inline double field_random(uint64_t *state)
{
    return (double)(schedule_random(state) >> 11) * 0x1p-53;
}

static inline double field_normal(uint64_t *state)
{
    return sqrt(-2 * log(field_random(state) + 1e-18)) * cos(6.283185307179586 * field_random(state));
}

static inline struct observation field_ok(usec_t at, usec_t ttft)
{
    struct observation o = observation_make(PROBE_CHAT, at, outcome_make(STAGE_DONE, OUTCOME_OK, 200));

    o.ttft = ttft;
    o.content = ttft;
    o.total = 2 * ttft;
    o.tokens_per_s = 50;
    o.flags = OBSERVED_CHALLENGE_PASSED;
    return o;
}

static inline struct observation field_fail(usec_t at, enum outcome_kind kind)
{
    struct observation o = observation_make(PROBE_CHAT, at, outcome_make(STAGE_HEADERS, kind, 0));

    o.total = 1500 * MSEC;
    return o;
}

static const struct policy field_policies[] = {
    {.name = "production", .about = "balanced", .latency = LATENCY_P50, .second = 0.0375, .money = 0.05, .input_tokens = 1000,
     .output_tokens = 300, .stability = 0.02, .concurrency = 1},
    {.name = "latency", .about = "fast", .latency = LATENCY_P95, .second = 0.2, .money = 0.01, .input_tokens = 1000, .output_tokens = 300,
     .concurrency = 1},
    {.name = "cost", .about = "cheap", .latency = LATENCY_MEAN, .second = 0.0125, .money = 0.3, .input_tokens = 1000, .output_tokens = 300,
     .concurrency = 1},
};

static inline struct ranker *field_ranker(void)
{
    const struct ranker_setup setup = {.policies = field_policies, .policies_len = 3, .currency = "USD", .vantage = "here"};

    return ranker_new(&setup);
}

static inline struct price field_price(double usd_per_mtok)
{
    int64_t pico = (int64_t)llround(usd_per_mtok * 1e6);

    return (struct price){.known = usd_per_mtok >= 0, .input = pico, .output = 4 * pico, .source = "config"};
}

/* Adds a platform of that name with one route to `model`. */
static inline int field_add(struct ranker *r, const char *platform, const char *model, double usd_per_mtok)
{
    struct ranker_route_setup setup = {
        .platform = ranker_add_platform(r, platform, NULL, NULL, 0),
        .model = model,
        .dialect = "openai",
        .endpoint = "https://relay.example/v1",
        .price = field_price(usd_per_mtok),
        .interval = 30 * SEC,
    };

    return ranker_add_route(r, &setup);
}

/* One policy's ranking out of a table made now; unref the table. */
static inline struct table *field_table(struct ranker *r, usec_t now)
{
    ranker_refresh(r, now, 0, true);
    return ranker_table(r, 1, 1, now, 0);
}

static inline const struct table_row *field_row(const struct ranking *ranking, const char *platform)
{
    for (size_t i = 0; i < ranking->len; i++) {
        if (strcmp(ranking->rows[i].facts->platform, platform) == 0)
            return &ranking->rows[i];
    }
    fail_msg("no row of %s", platform);
    return NULL;
}

static inline const struct ranking *field_ranking(const struct table *table, const char *policy, const char *model)
{
    const struct ranking *ranking = table_policy_find(table_find_policy(table, policy), model);

    assert_non_null(ranking);
    return ranking;
}

static inline const char *field_first(const struct table *table, const char *policy, const char *model)
{
    return field_ranking(table, policy, model)->rows[0].facts->platform;
}

static inline char *field_json(const struct table *table)
{
    struct buf out = BUF_INIT;

    for (size_t p = 0; p < table->len; p++) {
        for (size_t m = 0; m < table->policies[p].len; m++) {
            cJSON *json = ranking_to_json(table->policies[p].rankings[m]);

            json_print(json, false, &out);
            cJSON_Delete(json);
        }
    }
    return buf_take(&out);
}

static inline void field_observe(struct ranker *r, int route, struct observation o, usec_t now)
{
    o.at = now;
    assert_int_equal(ranker_observe(r, route, &o, now), 0);
}

/* n good probes, `every` apart; returns the time after them. */
static inline usec_t field_warm(struct ranker *r, int route, usec_t ttft, int n, usec_t every, usec_t now)
{
    for (int i = 0; i < n; i++, now += every)
        field_observe(r, route, field_ok(now, ttft), now);
    return now;
}

#endif
