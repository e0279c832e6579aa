/* The report: for people as aligned tables, for programs as one JSON object. Both say the same numbers. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "shared/json.h"
#include "tests/sim/ranking/bench.h"

/* --- for people --------------------------------------------------------------------------------------------------------- */

static void print_seconds(double s)
{
    if (s < 0)
        printf(" %8s", "-");
    else
        printf(" %8.1f", s);
}

static void print_table(const struct bench *bench, int preference, int family)
{
    printf("%-16s %9s %7s %8s %8s %7s %7s %6s %8s %8s %8s\n", "strategy", "regret", "+-", "1st fail", "fail", "first", "p95", "cost",
           "changes", "detect", "return");
    printf("%-16s %9s %7s %8s %8s %7s %7s %6s %8s %8s %8s\n", "", "x1000", "", "%", "%", "token s", "s", "x mean", "/h", "s", "s");
    for (int i = 0; i < bench->strategies_len; i++) {
        struct summary s = summary_make(bench, preference, family, i);

        printf("%-16s %9.2f %7.2f %8.3f %8.4f %7.3f %7.3f %6.3f %8.2f", bench->strategies[i]->name, s.regret, s.regret_error,
               100 * s.first_failed, 100 * s.failed, s.wait_s, s.wait_p95_s, s.cost, s.changes);
        print_seconds(s.detect_s);
        print_seconds(s.return_s);
        printf("\n");
    }
    printf("\n");
}

/* The best of those that are neither probed nor the oracle; -1 = there is none. */
static int best_published(const struct bench *bench, int preference, int family, double *ret_regret)
{
    int best = -1;

    for (int i = 0; i < bench->strategies_len - 1; i++) {
        if (strcmp(bench->strategies[i]->name, "probed") == 0)
            continue;
        double regret = summary_make(bench, preference, family, i).regret;

        if (best < 0 || regret < *ret_regret) {
            best = i;
            *ret_regret = regret;
        }
    }
    return best;
}

static void print_family(const struct bench *bench, int family, int probed)
{
    printf("%-20s", family < 0 ? "all" : bench->families[family]->name);
    for (int p = 0; p < bench->preferences_len; p++) {
        double best = 0, own = summary_make(bench, p, family, probed).regret;
        int who = best_published(bench, p, family, &best);

        if (who < 0)
            printf("  %8.2f %8s %-15s %6s", own, "-", "-", "-");
        else
            printf("  %8.2f %8.2f %-15s %6.2f", own, best, bench->strategies[who]->name, best > 0 ? own / best : NAN);
    }
    printf("\n");
}

static void print_families(const struct bench *bench, int probed)
{
    printf("regret x1000 of probed, of the best published in that family, and their ratio\n%-20s", "");
    for (int p = 0; p < bench->preferences_len; p++)
        printf("  %-40s", bench->preferences[p]->name);
    printf("\n%-20s", "family");
    for (int p = 0; p < bench->preferences_len; p++)
        printf("  %8s %8s %-15s %6s", "probed", "best", "who", "ratio");
    printf("\n");
    for (int f = 0; f < bench->families_len; f++)
        print_family(bench, f, probed);
    print_family(bench, -1, probed);
}

void report_text(const struct bench *bench)
{
    int probed = bench_find_strategy(bench, "probed");

    for (int p = 0; p < bench->preferences_len; p++) {
        const struct preference *w = bench->preferences[p];

        for (int f = 0; bench->detail && f < bench->families_len; f++) {
            printf("== %s, %s: %s\n", w->name, bench->families[f]->name, bench->families[f]->about);
            print_table(bench, p, f);
        }
        printf("== %s (a %.2f, b %.2f), %d families x %d seeds\n", w->name, w->a, w->b, bench->families_len, bench->seeds_len);
        print_table(bench, p, -1);
    }
    if (probed >= 0)
        print_families(bench, probed);
}

/* --- for programs ------------------------------------------------------------------------------------------------------- */

static void add_summary(cJSON *json, const struct bench *bench, int preference, int family, int strategy)
{
    struct summary s = summary_make(bench, preference, family, strategy);
    cJSON *object = json_add_object(json, bench->strategies[strategy]->name);

    json_add_number(object, "regret", s.regret);
    json_add_number(object, "regret_error", s.regret_error);
    json_add_number(object, "first_failed", s.first_failed);
    json_add_number(object, "failed", s.failed);
    json_add_number(object, "first_token_s", s.wait_s);
    json_add_number(object, "first_token_p95_s", s.wait_p95_s);
    json_add_number(object, "cost", s.cost);
    json_add_number(object, "changes_per_hour", s.changes);
    json_add_number(object, "detect_s", s.detect_s < 0 ? NAN : s.detect_s);
    json_add_number(object, "return_s", s.return_s < 0 ? NAN : s.return_s);
}

static void add_families(cJSON *json, const struct bench *bench, int preference)
{
    cJSON *each = json_add_object(json, "families"), *all = json_add_object(json, "all");

    for (int f = 0; f < bench->families_len; f++) {
        cJSON *family = json_add_object(each, bench->families[f]->name);

        for (int i = 0; i < bench->strategies_len; i++)
            add_summary(family, bench, preference, f, i);
    }
    for (int i = 0; i < bench->strategies_len; i++)
        add_summary(all, bench, preference, -1, i);
}

void report_json(const struct bench *bench)
{
    cJSON *json = json_new_object(), *seeds = json_add_array(json, "seeds"), *list;
    struct buf text = BUF_INIT;

    for (int s = 0; s < bench->seeds_len; s++)
        json_add_int(seeds, NULL, (int64_t)bench->seeds[s]);
    json_add_number(json, "hours", bench->size.hours);
    json_add_int(json, "platforms", bench->size.platforms);
    json_add_int(json, "models", bench->size.models);
    json_add_number(json, "probe_interval_s", bench->probe_interval);
    json_add_int(json, "tries", bench->tries);
    list = json_add_object(json, "preferences");
    for (int p = 0; p < bench->preferences_len; p++) {
        cJSON *preference = json_add_object(list, bench->preferences[p]->name);

        json_add_number(preference, "a", bench->preferences[p]->a);
        json_add_number(preference, "b", bench->preferences[p]->b);
        add_families(preference, bench, p);
    }
    json_print(json, true, &text);
    printf("%s\n", buf_str(&text));
    buf_done(&text);
    cJSON_Delete(json);
}
