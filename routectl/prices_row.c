/* The order of prices, and the words for them.
 *
 * They are ordered by what a request costs as it is charged: the advertised price times what was found to be charged of it, and the tokens
 * as they are counted there. An implausible price is an alert and no bargain: it comes after all that can be believed, and what is not
 * known comes last. */
#include "routectl/prices_row.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routectl/amounts.h"
#include "routectl/fields.h"
#include "routectl/figures.h"
#include "shared/alloc.h"

#define TOKENS_PER_PRICE 1e6
#define DRIFT_ALERT      2 /* charged so many times what is advertised */

/* The cost of a request by three prices; those of tokens or the one of a call may be missing. */
static double request_cost(const cJSON *prices)
{
    double input = field_number(prices, "input"), output = field_number(prices, "output"), call = field_number(prices, "call");
    bool tokens = input >= 0 && output >= 0;

    if (!tokens && !(call >= 0))
        return NAN;
    return (tokens ? (input * PRICES_INPUT + output * PRICES_OUTPUT) / TOKENS_PER_PRICE : 0) + (call >= 0 ? call : 0);
}

static int standing_of(const cJSON *row, double cost)
{
    const char *state = field_words(row, "state");
    if (!isfinite(cost) || strcmp(state, "unknown") == 0)
        return 2;
    return strcmp(state, "implausible") == 0;
}

static int by_cost(const void *a, const void *b)
{
    const struct priced *x = a, *y = b;
    if (x->standing != y->standing)
        return x->standing - y->standing;
    if (x->standing < 2 && x->cost != y->cost)
        return x->cost < y->cost ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

struct priced *prices_sort(const cJSON *rows, size_t *ret_len)
{
    size_t size = cJSON_IsArray(rows) ? (size_t)cJSON_GetArraySize(rows) : 0, len = 0;
    struct priced *list = alloc_zero(size + 1, sizeof *list);
    const cJSON *row;

    if (size > 0) {
        cJSON_ArrayForEach(row, rows)
        {
            double cost = request_cost(json_at(row, "effective"));
            cost = isfinite(cost) ? cost : request_cost(row);
            if (cJSON_IsObject(row)) {
                list[len] = (struct priced){.json = row, .cost = cost * 1000, .standing = standing_of(row, cost), .at = len};
                len++;
            }
        }
    }
    qsort(list, len, sizeof *list, by_cost);
    *ret_len = len;
    return list;
}

struct cell prices_verified(const cJSON *verified)
{
    const char *state = json_string(verified, "state");
    double ratio = field_number(verified, "ratio"), low = field_number(verified, "low"), high = field_number(verified, "high");
    struct cell cell = cell_string(state);

    if (!state)
        return cell_unknown();
    if (strcmp(state, "insufficient_data") == 0)
        return cell_styled(cell_shown(cell, "insufficient data"), STYLE_DIM);
    if (!(ratio >= 0) || ratio > 1e6)
        return cell;
    if (strcmp(state, "dearer") == 0)
        return cell_styled(cell_shown(cell, "%.2fx dearer", ratio), ratio >= DRIFT_ALERT ? STYLE_BAD : STYLE_WARN);
    if (strcmp(state, "cheaper") == 0)
        return cell_styled(cell_shown(cell, "%.2fx cheaper", ratio), STYLE_GOOD);
    cell.style = strcmp(state, "as_advertised") == 0 ? STYLE_GOOD : STYLE_PLAIN;
    if (high >= low && high - low < 1e6)
        return cell_shown(cell, "%.2f ±%.2f", ratio, (high - low) / 2);
    return cell_shown(cell, "%.2f", ratio);
}

void prices_add_verified(struct buf *ret, const cJSON *verified, double now)
{
    double ratio = field_number(verified, "ratio"), windows = field_number(verified, "windows");
    double low = field_number(verified, "low"), high = field_number(verified, "high");
    struct cell at = amount_when(verified, "at", now);
    const char *evidence = json_string(verified, "evidence");

    if (isfinite(ratio)) {
        buf_printf(ret, "%.3g of the advertised price", ratio);
        if (isfinite(low) && isfinite(high))
            buf_printf(ret, " (%.3g to %.3g)", low, high);
    } else {
        buf_add_str(ret, "insufficient data");
    }
    if (field_words(verified, "why")[0])
        buf_printf(ret, ": %s", field_words(verified, "why"));
    if (windows > 0 && windows < 1e12)
        buf_printf(ret, ", %.0f comparison%s", windows, windows == 1 ? "" : "s");
    if (evidence)
        buf_printf(ret, ", by %s%s", evidence, field_true(verified, "of_mix") ? " of several routes together" : "");
    if (at.kind != CELL_UNKNOWN)
        buf_printf(ret, ", last %s ago", at.shown);
}

void prices_add_inflation(struct buf *ret, const cJSON *inflation)
{
    double ratio = field_number(inflation, "ratio"), samples = field_number(inflation, "samples");

    if (isfinite(ratio))
        buf_printf(ret, "%.2f times the known number", fmin(ratio, 1e6));
    else
        buf_add_str(ret, "insufficient data");
    if (samples > 0 && samples < 1e12)
        buf_printf(ret, ", %.0f sample%s", samples, samples == 1 ? "" : "s");
}

static void add_note(struct buf *ret, const char *words)
{
    buf_printf(ret, "%s%s", ret->len > 0 ? ", " : "", words);
}

void prices_add_notes(struct buf *ret, const struct priced *row)
{
    const char *state = field_words(row->json, "state"), *source = field_words(row->json, "source");
    double off = field_number(row->json, "off_reference"), inflation = field_number(row->json, "inflation.ratio");
    int tiers = cJSON_GetArraySize(json_at(row->json, "tiers"));
    char words[96];

    if (row->standing == 2)
        add_note(ret, "no price known");
    if (strcmp(state, "implausible") == 0) {
        snprintf(words, sizeof words, off > 0 && off < 1e9 ? "implausible: %.3gx the reference" : "implausible", off);
        add_note(ret, words);
    }
    if (strcmp(state, "stale") == 0)
        add_note(ret, "stale");
    if (strcmp(source, "reference") == 0)
        add_note(ret, "the reference's, not its own");
    if (strcmp(field_words(row->json, "inflation.state"), "inflated") == 0) {
        snprintf(words, sizeof words, inflation > 0 && inflation < 1e6 ? "counts %.2fx the tokens" : "counts more tokens", inflation);
        add_note(ret, words);
    }
    if (tiers > 0) {
        snprintf(words, sizeof words, "%d tier%s", tiers, tiers == 1 ? "" : "s");
        add_note(ret, words);
    }
    if (field_true(row->json, "free"))
        add_note(ret, "free");
}
