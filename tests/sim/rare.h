/* What the scenarios of bursts and of capabilities share: the prober and its routes by name, kicks, and waiting for a moment. Included by them only. */
#ifndef TESTS_SIM_RARE_H
#define TESTS_SIM_RARE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "probed/daemon_parts.h"
#include "tests/sim/sim.h"

#define SECONDS USEC_PER_SEC
#define MINUTES USEC_PER_MINUTE
#define HOURS USEC_PER_HOUR
#define DAYS USEC_PER_DAY
#define PRICE "price: {input: 0.10 USD/1M, output: 0.40 USD/1M}"

static inline struct prober *prober(struct sim *s) { return sim_daemon(s)->world->prober; }

static inline void indices(struct sim *s, const char *platform, const char *model, size_t *p, size_t *r)
{
    assert_int_equal(world_find(sim_daemon(s)->world, platform, model, p, r), 0);
}

static inline struct explanation explain(struct sim *s, const char *platform, const char *model, const char *policy)
{
    struct explanation e;
    struct ranker *r = daemon_ranker(sim_daemon(s));
    assert_int_equal(ranker_explain(r, ranker_find(r, platform, model), policy, sim_now(s), &e), 0);
    return e;
}

static inline const struct explain_load *load_of(const struct explanation *e, const char *in_flight)
{
    for (size_t i = 0; i < e->load_len; i++)
        if (strcmp(e->load[i].in_flight, in_flight) == 0)
            return &e->load[i];
    return NULL;
}

static inline void kick(struct sim *s, const char *platform, const char *model, enum probe_kind kind)
{
    size_t p, r;
    indices(s, platform, model, &p, &r);
    prober_kick_kind(prober(s), p, r, kind);
}

/* Runs until the relay has so many chats in flight; false if that does not come. */
static inline bool until_busy(struct sim *s, struct sim_relay *relay, unsigned long chats, usec_t most)
{
    for (usec_t gone = 0; gone < most; gone += 20 * USEC_PER_MSEC) {
        sim_run(s, 20 * USEC_PER_MSEC);
        if (relay->chats_now >= chats)
            return true;
    }
    return false;
}

static inline bool settles(struct sim *s)
{
    for (int i = 0; i < 600; i++) {
        sim_run(s, 500 * USEC_PER_MSEC);
        if (prober_stats(prober(s)).in_flight == 0)
            return true;
    }
    return false;
}

static inline double spent(struct sim *s) { return (double)budget_spent(sim_daemon(s)->budget, sim_now(s)) / 1e12; }

static inline uint64_t seed(void)
{
    const char *text = getenv("SIM_SEED");
    return text ? strtoull(text, NULL, 10) : 20261124;
}

/* The text of the configuration that is loaded. */
static inline void read_config(struct sim *s, char *ret, size_t size)
{
    FILE *f = fopen(sim_daemon(s)->world->config->file, "r");
    assert_non_null(f);
    ret[fread(ret, 1, size - 1, f)] = '\0';
    fclose(f);
}

#endif
