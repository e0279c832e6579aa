/* Accounts' memory from damaged or hostile bytes: it is refused, or it is one that works: takes further readings, requests and charges,
 * tells, and is saved again. Corpus: what real accounts wrote. */
#include <math.h>
#include <stdlib.h>

#include "probed/core/accounts.h"

#define NOW (1700200000 * USEC_PER_SEC)

static void insist(bool holds)
{
    if (!holds)
        abort();
}

static void look(const struct accounts *a, usec_t now)
{
    for (int i = 0; i < 3; i++) {
        struct account_ratio r;
        struct account_inflation f;

        accounts_ratio(a, i, now, &r);
        insist(r.state < ACCOUNT_STATES && r.why < ACCOUNT_WHYS && (r.state == ACCOUNT_INSUFFICIENT) == (r.why != ACCOUNT_WHY_SURE));
        insist(!isnan(r.ratio) && !isnan(r.low) && !isnan(r.high));
        insist(accounts_factor(a, i, now) >= 0);
        accounts_inflation(a, i, now, &f);
        insist(!isnan(f.ratio) && f.samples >= 0);
    }
    struct account_credit c;

    accounts_credit(a, 0, now, &c);
    insist(c.burn >= -1 && c.changes_len >= 0 && c.changes_len <= ACCOUNT_CHANGES && !isnan(c.days) && !isnan(c.days_low) &&
           !isnan(c.days_high));
}

static void go_on(struct accounts *a)
{
    struct account_reading reading = account_reading_make();
    usec_t now = NOW;

    look(a, now);
    reading.left = 5 * PICO_PER_UNIT;
    reading.own_key = true;
    for (int i = 0; i < 60; i++, now += 9 * USEC_PER_MINUTE) {
        struct observation o = observation_make(PROBE_CHAT, now, outcome_make(STAGE_DONE, i % 7 ? OUTCOME_OK : OUTCOME_TIMEOUT, 200));

        o.prompt_tokens = 30 + i;
        o.output_tokens = 9;
        o.known_low = 30;
        o.known_high = 90;
        accounts_observe(a, i % 3, &o, i % 2 ? 20000000 : -1, now);
        reading.left -= 20000000;
        accounts_balance(a, 0, &reading, now);
    }
    look(a, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct accounts *a = accounts_new();
    int platform = accounts_platform(a, "relay");
    struct buf bytes = BUF_INIT;
    const char *const models[] = {"a", "b", "c"};

    for (int i = 0; i < 3; i++) {
        struct tariff price = tariff_make();
        int route = accounts_route(a, platform, models[i]);

        price.price.input = 150000 * (i + 1);
        price.price.output = 600000;
        accounts_price(a, route, &price, 0);
    }
    accounts_set_rules(a, -1, &(struct account_rules){.low_credit = PICO_PER_UNIT, .runway_days = 3}, 0);
    if (accounts_restore(a, data, size, NOW) == 0) {
        go_on(a);
        accounts_save(a, &bytes);
        insist(bytes.len > 0 && !bytes.full);
    }
    buf_done(&bytes);
    accounts_free(a);
    return 0;
}
