/* What the scenarios of the budget share. */
#ifndef TESTS_SIM_BUDGET_WORLD_H
#define TESTS_SIM_BUDGET_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probed/core/schedule.h"
#include "probed/daemon_parts.h"
#include "shared/buf.h"
#include "tests/sim/budget_till.h"
#include "tests/sim/sim.h"

#define MINUTES USEC_PER_MINUTE
#define HOURS USEC_PER_HOUR
#define PROMPT 80
#define ANSWER 8
#define FEED_ROUND (11 * MINUTES) /* an interval, its jitter, and the fetch */

static inline uint64_t seed(void)
{
    const char *text = getenv("SIM_SEED");
    return text ? strtoull(text, NULL, 10) : 20261124;
}

static uint64_t dice; /* the scenario's own, so that the world's is left alone */

static inline double roll(void) { return (double)(schedule_random(&dice) >> 11) * 0x1p-53; }
static inline int roll_of(int n) { return (int)(roll() * n); }

static inline void reset_breaker(struct sim *s, const char *platform, const char *model)
{
    struct daemon *d = sim_daemon(s);
    struct api_owner owner = command_owner(d);
    struct api_override word = {.action = OVERRIDE_ENABLE, .expires_at = sim_now(s) + 1};
    struct err err = {""};
    snprintf(word.platform, sizeof word.platform, "%s", platform);
    snprintf(word.model, sizeof word.model, "%s", model);
    owner.override(owner.arg, &word, &err); /* of a route that is gone by now: nothing */
}

static inline int64_t money(double usd) { return (int64_t)(usd * (double)PICO_PER_UNIT + 0.5); }

#endif
