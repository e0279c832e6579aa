/* new-api's tiered expressions, as far as they say prices.
 *
 *     len <= 272000 ? tier("standard", p * 2.5 + c * 15 + cr * 0.25 + cc * 3.125) : tier("long_context", p * 5 + c * 22.5)
 *
 * p, c, cr, cc are input, output, cache reads and writes, in units of money per million tokens. Understood is: a sum of such products, in
 * tier("name", ...) or bare, chosen by comparisons of len (or p) with a number, nested as one likes. Products of other kinds of tokens
 * (pictures, sound, hour-long caches) are read over: a request of text has none. Anything else (calls, other variables, rules on the
 * request) makes the whole expression "not known". A recursive reader with a cap on its depth; it keeps nothing. */
#include <stdlib.h>
#include <string.h>

#include "probed/price/prices_parts.h"

#define DEPTH_MAX  16
#define LENGTH_MAX 4096

struct leaf {
    int64_t from;
    struct price_figures price;
};
struct expression {
    const struct price_reading *reading;
    const char *at;
    struct leaf leaves[TIERS_DRAFT];
    size_t len;
    unsigned depth;
};

static bool read_choice(struct expression *e, int64_t low, int64_t high);

static void skip_blanks(struct expression *e)
{
    e->at += strspn(e->at, " \t\r\n");
}

static bool take(struct expression *e, const char *token)
{
    skip_blanks(e);
    size_t len = strlen(token);
    if (strncmp(e->at, token, len) != 0)
        return false;
    e->at += len;
    return true;
}

static bool take_number(struct expression *e, char ret[DECIMAL_MAX])
{
    skip_blanks(e);
    const char *p = e->at + strspn(e->at, "0123456789.");
    if (p == e->at)
        return false;
    if (*p == 'e' || *p == 'E') {
        const char *digits = p + 1 + (p[1] == '-' || p[1] == '+');
        size_t n = strspn(digits, "0123456789");
        p = n ? digits + n : p;
    }
    if (!decimal_span((struct span){e->at, (size_t)(p - e->at)}, ret))
        return false;
    e->at = p;
    return true;
}

static bool take_word(struct expression *e, char *ret, size_t size)
{
    skip_blanks(e);
    size_t len = strspn(e->at, "abcdefghijklmnopqrstuvwxyz0123456789_");
    if (len == 0 || len >= size || (e->at[0] >= '0' && e->at[0] <= '9'))
        return false;
    memcpy(ret, e->at, len);
    ret[len] = '\0';
    e->at += len;
    return true;
}

static bool read_product(struct expression *e, struct price_figures *price)
{
    static const char *const others[] = {"cc1h", "img", "img_o", "img_cr", "ai", "ao"};
    char number[DECIMAL_MAX], word[16];
    bool number_first = take_number(e, number);
    if (number_first ? !take(e, "*") || !take_word(e, word, sizeof word)
                     : !take_word(e, word, sizeof word) || !take(e, "*") || !take_number(e, number))
        return false;
    int64_t *figure = strcmp(word, "p") == 0    ? &price->input
                      : strcmp(word, "c") == 0  ? &price->output
                      : strcmp(word, "cr") == 0 ? &price->cache_read
                      : strcmp(word, "cc") == 0 ? &price->cache_write
                                                : NULL;
    if (figure) {
        if (*figure != PRICE_UNKNOWN)
            return false; /* named twice */
        *figure = family_per_million(e->reading, number);
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (strcmp(word, others[i]) == 0)
            return true;
    return false;
}

static bool read_sum(struct expression *e, int64_t low, int64_t high)
{
    struct leaf leaf = {low, {PRICE_UNKNOWN, PRICE_UNKNOWN, PRICE_UNKNOWN, PRICE_UNKNOWN, PRICE_UNKNOWN}};
    do
        if (!read_product(e, &leaf.price))
            return false;
    while (take(e, "+"));
    if (low >= high)
        return true; /* can never be chosen */
    if (e->len == ARRAY_LEN(e->leaves))
        return false;
    e->leaves[e->len++] = leaf;
    return true;
}

static bool read_tier(struct expression *e, int64_t low, int64_t high)
{
    if (take(e, "tier")) {
        if (!take(e, "(") || !take(e, "\""))
            return false;
        e->at += strcspn(e->at, "\"\\");
        return take(e, "\"") && take(e, ",") && read_sum(e, low, high) && take(e, ")");
    }
    const char *start = e->at;
    if (take(e, "("))
        return read_choice(e, low, high) && take(e, ")");
    e->at = start;
    return read_sum(e, low, high);
}

/* "len <= 272000 ?": where its yes ends. False: there is none here, and nothing was taken. */
static bool take_condition(struct expression *e, int64_t *bound, bool *yes_is_low)
{
    const char *start = e->at;
    char word[16], number[DECIMAL_MAX];
    if (take_word(e, word, sizeof word) && (strcmp(word, "len") == 0 || strcmp(word, "p") == 0)) {
        skip_blanks(e);
        *yes_is_low = *e->at == '<';
        if (take(e, "<") || take(e, ">")) {
            bool equal = *e->at == '=' && take(e, "=");
            if (take_number(e, number) && units_parse_decimal(number, 1, bound) == 0 && *bound < INT64_MAX && take(e, "?")) {
                /* The first length that is on the upper side. */
                *bound += equal == *yes_is_low;
                return true;
            }
        }
    }
    e->at = start;
    return false;
}

static bool read_branches(struct expression *e, int64_t low, int64_t high)
{
    int64_t bound;
    bool yes_is_low;
    if (!take_condition(e, &bound, &yes_is_low))
        return read_tier(e, low, high);
    int64_t below = bound < high ? bound : high, above = bound > low ? bound : low;
    return yes_is_low ? read_choice(e, low, below) && take(e, ":") && read_choice(e, above, high)
                      : read_choice(e, above, high) && take(e, ":") && read_choice(e, low, below);
}

static bool read_choice(struct expression *e, int64_t low, int64_t high)
{
    if (e->depth == DEPTH_MAX)
        return false;
    e->depth++;
    bool good = read_branches(e, low, high);
    e->depth--;
    return good;
}

bool expression_read(const struct price_reading *r, const char *text, struct price_row *row)
{
    struct expression e = {.reading = r, .at = text};
    if (strlen(text) > LENGTH_MAX || !read_choice(&e, 0, INT64_MAX))
        return false;
    skip_blanks(&e);
    if (*e.at)
        return false;
    struct tiers tiers = {.len = 0};
    struct price_figures base = row->price;
    for (size_t i = 0; i < e.len; i++) {
        struct price_figures *at = e.leaves[i].from == 0 ? &base : tiers_from(&tiers, e.leaves[i].from);
        if (!at)
            return false;
        *at = e.leaves[i].price;
    }
    row->price = base;
    row_set_tiers(row, &tiers);
    return true;
}
