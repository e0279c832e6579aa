/* A ranker's memory from damaged or hostile bytes: it is refused, or it is one that works: ranks, tables, explanations and further observations. Corpus: what real rankers wrote. */
#include <stdlib.h>
#include <string.h>

#include "probed/core/ranker.h"
#include "shared/alloc.h"
#include "shared/text.h"

static void insist(bool holds)
{
    if (!holds)
        abort();
}

static const struct policy policies[] = {
    {.name = "production", .about = "", .latency = LATENCY_P50, .second = 0.0375, .money = 0.05, .input_tokens = 1000, .output_tokens = 300,
     .stability = 0.05, .capacity = 0.05, .honesty = 0.05, .concurrency = 20},
    {.name = "cost", .about = "", .latency = LATENCY_MEAN, .second = 0.0125, .money = 0.3, .input_tokens = 1000, .output_tokens = 300, .concurrency = 1},
};

static struct ranker *make(void)
{
    const struct ranker_setup setup = {.policies = policies, .policies_len = ARRAY_LEN(policies), .currency = "USD", .vantage = "here"};
    struct ranker *r = ranker_new(&setup);
    char name[] = "p0", model[] = "m0";

    for (int i = 0; i < 3; i++) {
        name[1] = (char)('0' + i);
        int platform = ranker_add_platform(r, name, NULL, NULL, 0);

        for (int k = 0; k < 2; k++) {
            model[1] = (char)('0' + k);
            ranker_add_route(r, &(struct ranker_route_setup){.platform = platform,
                                                             .model = model,
                                                             .dialect = "openai",
                                                             .endpoint = "",
                                                             .price = {.known = true, .input = 150000 * (i + 1), .output = 600000},
                                                             .interval = 15 * USEC_PER_SEC});
        }
    }
    return r;
}

static void look(struct ranker *r, usec_t now)
{
    struct explanation e;
    struct table *table;

    ranker_refresh(r, now, 0, false);
    table = ranker_table(r, 1, 1, now, 0);
    for (size_t p = 0; p < table->len; p++) {
        for (size_t m = 0; m < table->policies[p].len; m++) {
            const struct ranking *k = table->policies[p].rankings[m];

            for (size_t i = 0; i < k->len; i++)
                insist(k->rows[i].rank == i + 1 && k->rows[i].slots <= TABLE_SLOTS && k->rows[i].score >= 0 && k->rows[i].score <= 1);
        }
    }
    table_unref(table);
    for (int i = 0; i < (int)ranker_routes(r); i++) {
        insist(ranker_explain(r, i, NULL, now, &e) == 0);
        insist(text_is_utf8(e.state_why, strlen(e.state_why)));
    }
}

static void go_on(struct ranker *r)
{
    usec_t now = ranker_now(r) + USEC_PER_SEC;

    look(r, ranker_now(r));
    for (int i = 0; i < 12; i++, now += 7 * USEC_PER_SEC) {
        enum outcome_kind kind = i % 4 == 3 ? OUTCOME_RATE_LIMITED : i % 5 == 4 ? OUTCOME_TIMEOUT : OUTCOME_OK;
        struct observation o = observation_make(PROBE_CHAT, now, outcome_make(STAGE_DONE, kind, kind == OUTCOME_OK ? 200 : 0));

        o.ttft = kind == OUTCOME_OK ? 400000 : OBSERVATION_UNKNOWN;
        o.total = 900000;
        o.source = i % 2 ? SOURCE_TRAFFIC : SOURCE_PROBE;
        insist(ranker_observe(r, i % 6, &o, now) == 0);
        ranker_refresh(r, now, 0, false);
    }
    look(r, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ranker *r = make();

    if (ranker_restore(r, data, size) == 0 && ranker_now(r) > USEC_PER_DAY)
        go_on(r);
    ranker_free(r);
    return 0;
}
