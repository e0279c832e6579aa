/* For `make check`: a small fixed set of worlds with generous bounds, so that a regression in the quality of decisions fails the build.
 *
 * The bounds are far from what is reached; what is reached is measured by the whole bench, on other seeds. */
#include <stdio.h>
#include <string.h>

#include "shared/compiler.h"
#include "tests/sim/ranking/bench.h"

#define REGRET_BOUND  1.15 /* of Thompson sampling's, as strong as tuning makes it, high load included */
#define CHANGES_BOUND 0.25
#define HOURS         1.0

static const uint64_t seeds[] = {201, 202};
static const char *const family_names[] = {"steady", "outage", "brownout", "partial", "cheap-bad", "correlated", "herding", "mixed"};

static bool failed;

static void tell(bool ok, int number, const struct preference *preference, const char *what, double own, double other, double bound)
{
    printf("%s %d %s: %s %.2f, Thompson sampling %.2f, at most %.2f of it\n", ok ? "ok" : "not ok", number, preference->name, what, own,
           other, bound);
    failed = failed || !ok;
}

static void set_up(struct bench *bench)
{
    bench->seeds_len = bench->families_len = bench->preferences_len = bench->strategies_len = 0;
    for (size_t i = 0; i < ARRAY_LEN(seeds); i++)
        bench->seeds[bench->seeds_len++] = seeds[i];
    for (size_t i = 0; i < ARRAY_LEN(family_names); i++)
        bench->families[bench->families_len++] = family_find(family_names[i]);
    for (int i = 0; i < PREFERENCES; i++)
        bench->preferences[bench->preferences_len++] = &preferences[i];
    bench->strategies[bench->strategies_len++] = strategy_find("probed");
    bench->strategies[bench->strategies_len++] = strategy_find("thompson");
    bench->strategies[bench->strategies_len++] = strategy_find("oracle");
    bench->size.hours = HOURS;
}

int check_run(struct bench *bench)
{
    struct err err = {.text = ""};

    set_up(bench);
    printf("TAP version 13\n1..%d\n# seeds 201 and 202\n", 2 * PREFERENCES);
    if (bench_run(bench, &err) < 0) {
        printf("Bail out! %s\n", err.text);
        return 1;
    }
    for (int p = 0; p < PREFERENCES; p++) {
        struct summary own = summary_make(bench, p, -1, 0), other = summary_make(bench, p, -1, 1);

        tell(own.regret <= REGRET_BOUND * other.regret, 2 * p + 1, bench->preferences[p], "regret x1000", own.regret, other.regret,
             REGRET_BOUND);
        tell(own.changes <= CHANGES_BOUND * other.changes, 2 * p + 2, bench->preferences[p], "changes an hour", own.changes, other.changes,
             CHANGES_BOUND);
    }
    return failed ? 1 : 0;
}
