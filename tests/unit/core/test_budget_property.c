/* The budget in a thousand random worlds: see spender.h. The disk is a list of records that is added up anew at each start, as the ledger's file is. */
#include "tests/unit/core/spender.h"

#define RECORDS (3 * SPENDER_PROBES)

struct record {
    enum { RESERVED, SETTLED, RESET } kind;
    char platform[16], model[16];
    int64_t reserved, actual;
    usec_t at;
    bool tripped, matched;
};

static struct record records[RECORDS];
static int records_len;

static struct record *add_record(int kind, const char *platform, const char *model)
{
    assert_true(records_len < RECORDS);
    struct record *r = &records[records_len++];
    *r = (struct record){.kind = kind};
    snprintf(r->platform, sizeof r->platform, "%s", platform);
    snprintf(r->model, sizeof r->model, "%s", model);
    return r;
}

static void on_reserve(void *arg, const char *platform, const char *model, int64_t pico, usec_t now)
{
    (void)arg;
    struct record *r = add_record(RESERVED, platform, model);
    r->reserved = r->actual = pico;
    r->at = now;
}

static void on_settle(void *arg, const char *platform, const char *model, int64_t reserved, usec_t reserved_at, int64_t actual, bool tripped)
{
    (void)arg;
    struct record *r = add_record(SETTLED, platform, model);
    r->tripped = tripped;
    for (int i = records_len - 1; actual >= 0 && i >= 0; i--) {
        struct record *to = &records[i];
        if (to->kind == RESERVED && to->at == reserved_at && to->reserved == reserved && !to->matched && strcmp(to->model, model) == 0 &&
            strcmp(to->platform, platform) == 0) {
            to->actual = actual;
            to->matched = true;
            return;
        }
    }
    assert_true(actual < 0);
}

static void on_reset(void *arg, const char *platform, const char *model)
{
    (void)arg;
    add_record(RESET, platform, model);
}

/* What is dated in the future (the clock was set back) counts as now, and is dated so from then on. */
static struct budget *on_start(void *arg, const struct budget_limits *limits, usec_t now)
{
    struct budget *b = budget_new(limits);
    (void)arg;
    for (int i = 0; i < records_len; i++) {
        struct record *r = &records[i];
        if (r->kind == RESERVED) {
            r->at = r->at > now ? now : r->at;
            budget_restore(b, r->platform, r->model, r->at / USEC_PER_HOUR, r->actual, false);
            budget_reset(b, budget_route(b, r->platform, r->model));
        } else if (r->kind == RESET) {
            budget_reset(b, budget_route(b, r->platform, r->model));
        } else {
            budget_restore(b, r->platform, r->model, 0, 0, r->tripped);
        }
    }
    return b;
}

static void on_end(void *arg) { (void)arg; }

static void on_wipe(void *arg)
{
    (void)arg;
    records_len = 0;
}

static const struct spender_disk disk = {NULL, on_wipe, on_start, on_reserve, on_settle, on_reset, on_end};

static void test_a_thousand_worlds(void **state)
{
    (void)state;
    spender_worlds(&disk, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_thousand_worlds)};
    return cmocka_run_group_tests_name("the budget cannot be overspent", tests, NULL, NULL);
}
