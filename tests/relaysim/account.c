/* The money of a relay's one customer.
 *
 * A charge is made when the answer is decided on and shows when it is posted: at once, late by a drawn delay (post_delay), or together with
 * others at the end of each post_lump. What shows is what the balance pages tell; what is true is told by the command `account` alone.
 * Others may use the same account at a steady rate (foreign), and gifts expire. Nothing here runs by itself: each look at the account
 * brings it up to now first. */
#include "tests/relaysim/account.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/alloc.h"
#include "shared/json.h"
#include "tests/relaysim/reactor.h"
#include "tests/relaysim/relay.h"

#define PICO 1e12
#define MONEY_MAX                                                                                                                          \
    ((int64_t)1000000000000000000) /* of each sum, a million units: what is made of several of them stays within an int64_t                \
                                    */

int64_t account_pico(double money)
{
    double pico = round(money * PICO), most = (double)MONEY_MAX;
    return (int64_t)(pico > most ? most : pico < -most ? -most : pico);
}

static void add_money(int64_t *sum, int64_t amount)
{
    int64_t total = *sum + amount; /* both are within MONEY_MAX, or twice that */
    *sum = total > MONEY_MAX ? MONEY_MAX : total < -MONEY_MAX ? -MONEY_MAX : total;
}

double account_money(int64_t pico)
{
    return (double)pico / PICO;
}

void account_free(struct account *account)
{
    if (!account)
        return;
    free(account->charges);
    free(account->late);
    free(account);
}

/* --- time ------------------------------------------------------------------------------------------------------------ */

static int64_t used(const struct account *a)
{
    return a->posted + a->foreign;
}

int64_t account_left(const struct account *a)
{
    return a->put_in - a->expired - used(a);
}

int64_t account_left_true(const struct account *a)
{
    return account_left(a) - (a->charged - a->posted);
}

int64_t account_gift_left(const struct account *a)
{
    int64_t gone = used(a) - a->gift_used_from, left = a->gift - (gone > 0 ? gone : 0);
    return left > 0 ? left : 0;
}

static void use_foreign(struct account *a, usec_t now)
{
    double hours = (double)(now - a->foreign_at) / (double)USEC_PER_HOUR;
    int64_t amount = account_pico(hours * account_money(a->foreign_rate));
    if (a->foreign_rate && !amount)
        return; /* too soon to say; the time is not lost */
    add_money(&a->foreign, amount);
    a->foreign_at = now;
}

static void post_late(struct account *a, usec_t now)
{
    size_t kept = 0;
    for (size_t i = 0; i < a->late_len; i++)
        if (a->late[i].due <= now)
            add_money(&a->posted, a->late[i].amount);
        else
            a->late[kept++] = a->late[i];
    if (kept == a->late_len)
        return;
    a->late_len = kept;
    for (size_t i = 0; i < a->charges_len; i++)
        a->charges[i].posted |= a->charges[i].due <= now;
}

static void expire_gift(struct account *a, usec_t now)
{
    if (!a->gift_expires || a->gift_expires > now)
        return;
    add_money(&a->expired, account_gift_left(a));
    a->gift = 0;
    a->gift_expires = 0;
}

/* A gift is added to what is left of the one before. */
static void give(struct account *a, int64_t amount, double expires_ms)
{
    add_money(&a->put_in, amount);
    add_money(&a->gifts, amount);
    a->gift = account_gift_left(a) + amount;
    a->gift_used_from = used(a);
    a->gift_expires = expires_ms >= 0 ? steady_now() + (usec_t)(expires_ms * 1000) : 0;
}

struct account *account_of(struct relay *relay)
{
    usec_t now = steady_now();
    struct account *a = relay->account;
    if (!a) {
        a = relay->account = alloc_zero(1, sizeof *a);
        a->began = a->foreign_at = now;
        a->put_in = account_pico(relay->behaviour->balance);
        a->foreign_rate = account_pico(relay->behaviour->foreign);
        if (relay->behaviour->gift > 0)
            give(a, account_pico(relay->behaviour->gift), relay->behaviour->gift_expires);
    }
    use_foreign(a, now);
    post_late(a, now);
    expire_gift(a, now);
    return a;
}

/* --- money in -------------------------------------------------------------------------------------------------------- */

void account_apply(struct relay *relay, const cJSON *json)
{
    const struct behaviour *b = relay->behaviour;
    bool balance = cJSON_HasObjectItem(json, "balance"), gift = cJSON_HasObjectItem(json, "gift");
    bool is_new = !relay->account;
    if (is_new && !gift)
        return;
    struct account *a = account_of(relay); /* up to now at the rate that held; a new one is as the behaviour says already */
    if (is_new)
        return;
    a->foreign_rate = account_pico(b->foreign);
    if (balance)
        add_money(&a->put_in, account_pico(b->balance) - account_left(a));
    if (gift && b->gift > 0)
        give(a, account_pico(b->gift), b->gift_expires);
}

int account_put(struct relay *relay, double amount, const char *kind, double expires_ms, struct err *err)
{
    struct account *a = account_of(relay);
    if (!(amount > -1e6 && amount < 1e6))
        return err_set(err, -EINVAL, "amount: a number between -1000000 and 1000000 is wanted");
    if (strcmp(kind, "gift") == 0) {
        give(a, account_pico(amount), expires_ms);
    } else if (strcmp(kind, "topup") == 0) {
        add_money(&a->put_in, account_pico(amount));
        add_money(&a->topped_up, account_pico(amount));
    } else if (strcmp(kind, "correction") == 0) {
        add_money(&a->put_in, account_pico(amount));
    } else {
        return err_set(err, -EINVAL, "kind: topup, gift or correction is wanted");
    }
    return 0;
}

/* --- money out ------------------------------------------------------------------------------------------------------- */

static struct charge *keep_charge(struct account *a)
{
    if (a->charges_len == a->charges_size && a->charges_size < CHARGES_KEPT) {
        a->charges_size = a->charges_size ? a->charges_size * 2 : 16;
        a->charges = alloc_resize(a->charges, a->charges_size, sizeof *a->charges);
    }
    size_t at = a->charges_next;
    a->charges_next = (a->charges_next + 1) % CHARGES_KEPT;
    if (a->charges_len < CHARGES_KEPT)
        a->charges_len++;
    return &a->charges[at];
}

static usec_t find_due(const struct account *a, struct relay *relay, const struct behaviour *b, usec_t now)
{
    usec_t due = now + spread_draw(&b->post_delay, &relay->random), lump = (usec_t)(b->post_lump * 1000);
    if (lump > 0)
        due = a->began + (due - a->began + lump - 1) / lump * lump;
    return due;
}

void account_charge(struct relay *relay, const struct behaviour *b, const struct bill *bill)
{
    struct account *a = account_of(relay);
    usec_t now = steady_now();
    struct charge *c = keep_charge(a);
    *c = (struct charge){.number = bill->number,
                         .made = now,
                         .due = find_due(a, relay, b, now),
                         .made_at = (int64_t)time(NULL),
                         .amount = account_pico(bill->charged),
                         .prompt_tokens = bill->told_prompt,
                         .completion_tokens = bill->told_completion,
                         .reasoning_tokens = bill->told_reasoning,
                         .cached_tokens = bill->cached,
                         .stream = bill->stream};
    strncpy(c->model, bill->model ? bill->model : "", sizeof c->model - 1);
    c->posted = c->due <= now;
    add_money(&a->charged, c->amount);
    if (c->posted) {
        add_money(&a->posted, c->amount);
    } else {
        if (a->late_len == a->late_size) {
            a->late_size = a->late_size ? a->late_size * 2 : 16;
            a->late = alloc_resize(a->late, a->late_size, sizeof *a->late);
        }
        a->late[a->late_len++] = *c;
    }
    a->requests++;
    add_money(&a->advertised, account_pico(bill->advertised));
    add_money(&a->fair, account_pico(bill->fair));
    a->prompt_tokens += bill->prompt_tokens;
    a->completion_tokens += bill->completion_tokens;
    a->reasoning_tokens += bill->reasoning_tokens;
    a->told_prompt_tokens += bill->told_prompt;
    a->told_completion_tokens += bill->told_completion;
}

/* --- looking --------------------------------------------------------------------------------------------------------- */

/* The i-th newest, shown or not. */
static const struct charge *from_newest(const struct account *a, size_t i)
{
    return i < a->charges_len ? &a->charges[(a->charges_next + CHARGES_KEPT - 1 - i) % CHARGES_KEPT] : NULL;
}

const struct charge *account_posted(const struct account *a, size_t i)
{
    const struct charge *c;
    for (size_t n = 0; (c = from_newest(a, n)); n++)
        if (c->posted && !i--)
            return c;
    return NULL;
}

const struct charge *account_find(const struct account *a, uint64_t number)
{
    const struct charge *c;
    for (size_t n = 0; (c = from_newest(a, n)); n++)
        if (c->number == number)
            return c->posted ? c : NULL;
    return NULL;
}

void account_to_json(struct relay *relay, cJSON *json)
{
    const struct account *a = account_of(relay);
    const struct {
        const char *name;
        int64_t pico;
    } sums[] = {{"left", account_left(a)}, {"left_true", account_left_true(a)}, {"put_in", a->put_in},   {"topped_up", a->topped_up},
                {"gifts", a->gifts},       {"gift_left", account_gift_left(a)}, {"expired", a->expired}, {"charged", a->charged},
                {"posted", a->posted},     {"pending", a->charged - a->posted}, {"foreign", a->foreign}, {"advertised", a->advertised},
                {"fair", a->fair}};
    const struct {
        const char *name;
        uint64_t n;
    } counts[] = {{"requests", a->requests},
                  {"pending_requests", a->late_len},
                  {"prompt_tokens", a->prompt_tokens},
                  {"completion_tokens", a->completion_tokens},
                  {"reasoning_tokens", a->reasoning_tokens},
                  {"told_prompt_tokens", a->told_prompt_tokens},
                  {"told_completion_tokens", a->told_completion_tokens}};
    for (size_t i = 0; i < ARRAY_LEN(sums); i++)
        json_add_number(json, sums[i].name, account_money(sums[i].pico));
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        json_add_int(json, counts[i].name, (int64_t)counts[i].n);
}
