/* Sums for people: large ones without cents and with commas between thousands, small ones as everywhere else (figures.h); balances to the
 * cent.
 *
 * What is not finite, or beyond any sum of ours, is unknown: an answer that was tampered with makes no line of a hundred digits. */
#include "routectl/amounts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "routectl/fields.h"
#include "routectl/figures.h"

#define UNITS_MAX   1e13
#define DAYS_MAX    1e6
#define SECONDS_MAX 1e11

static bool is_sum(double units)
{
    return isfinite(units) && fabs(units) < UNITS_MAX;
}

/* The number alone: "0.90", "12,345". */
static char *digits(char *buf, size_t size, double units)
{
    if (fabs(units) >= 999.995)
        return figure_thousands(buf, size, llround(units));
    return figure_amount(buf, size, units, NULL);
}

/* The number with the sign of the currency before it or its code behind, as figure_amount writes nothing at all: "$0.00", "0.00 POINTS". */
static char *with_currency(char *buf, size_t size, const char *number, bool negative, const char *currency)
{
    char sign[32];

    figure_amount(sign, sizeof sign, 0, currency);
    char *zero = strstr(sign, "0.00");
    const char *after = zero ? zero + strlen("0.00") : "";
    snprintf(buf, size, "%s%.*s%s%s", negative ? "-" : "", zero ? (int)(zero - sign) : 0, sign, number, after);
    return buf;
}

char *amount_shown(char *buf, size_t size, double units, const char *currency)
{
    char number[48];

    if (!is_sum(units)) {
        snprintf(buf, size, "?");
        return buf;
    }
    if (fabs(units) < 999.995)
        return figure_amount(buf, size, units, currency);
    figure_thousands(number, sizeof number, llround(fabs(units)));
    return with_currency(buf, size, number, units < 0, currency);
}

char *amount_exact(char *buf, size_t size, double units, const char *currency)
{
    char whole[40], number[48];

    if (!is_sum(units) || (units != 0 && fabs(units) < 0.005))
        return amount_shown(buf, size, units, currency);
    long long cents = llround(fabs(units) * 100);
    snprintf(number, sizeof number, "%s.%02lld", figure_thousands(whole, sizeof whole, cents / 100), cents % 100);
    return with_currency(buf, size, number, units < 0, currency);
}

static struct cell cell_of(double number)
{
    return (struct cell){.kind = CELL_NUMBER, .number = number};
}

struct cell amount_cell(double units, const char *currency)
{
    char shown[64];
    return is_sum(units) ? cell_shown(cell_of(units), "%s", amount_shown(shown, sizeof shown, units, currency)) : cell_unknown();
}

struct cell amount_balance(double units, const char *currency)
{
    char shown[64];
    if (!is_sum(units))
        return cell_unknown();
    return cell_styled(cell_shown(cell_of(units), "%s", amount_exact(shown, sizeof shown, units, currency)),
                       units < 0 ? STYLE_BAD : STYLE_PLAIN);
}

struct cell amount_price(double units, const char *currency)
{
    return units == 0 ? cell_shown(cell_of(0), "free") : amount_cell(units, currency);
}

void amount_add_range(struct buf *ret, double low, double high)
{
    char from[48], to[48];
    if (is_sum(low) && is_sum(high))
        buf_printf(ret, " (%s-%s)", digits(from, sizeof from, low), digits(to, sizeof to, high));
}

/* About three digits. */
static char *rounded(char *buf, size_t size, double units)
{
    return fabs(units) >= 99.5 ? figure_thousands(buf, size, llround(units)) : digits(buf, size, units);
}

struct cell amount_between(double low, double high)
{
    char from[64], to[64];
    if (!is_sum(low) || !is_sum(high))
        return cell_unknown();
    return cell_shown(cell_string(""), "%s-%s", rounded(from, sizeof from, low), rounded(to, sizeof to, high));
}

struct cell amount_number(double number, int decimals)
{
    return is_sum(number) ? cell_shown(cell_of(number), "%.*f", decimals, number) : cell_unknown();
}

struct cell amount_member(const cJSON *json, const char *path)
{
    return amount_number(field_number(json, path), 2);
}

struct cell amount_age(double seconds)
{
    if (!isfinite(seconds) || seconds < 0 || seconds > SECONDS_MAX)
        return cell_unknown();
    if (seconds < 99.5)
        return cell_shown(cell_of(seconds), "%.0fs", seconds);
    if (seconds < 99.5 * 60)
        return cell_shown(cell_of(seconds), "%.0fm", seconds / 60);
    if (seconds < 47.5 * 3600)
        return cell_shown(cell_of(seconds), "%.0fh", seconds / 3600);
    return cell_shown(cell_of(seconds), "%.0fd", seconds / 86400);
}

static void add_days(struct buf *ret, double days, bool tenths)
{
    char number[32];
    if (days < 0.05)
        buf_add_char(ret, '0');
    else if (tenths)
        buf_printf(ret, "%.1f", days);
    else
        buf_add_str(ret, figure_thousands(number, sizeof number, llround(days)));
}

struct cell amount_days(double days, double low, double high)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    bool range = low >= 0 && high > 0 && low < DAYS_MAX && high < DAYS_MAX;
    bool tenths = days < 9.95; /* below ten days they matter */

    if (!isfinite(days) || days < 0 || days > DAYS_MAX)
        return cell_unknown();
    add_days(&text, days, tenths);
    buf_add_str(&text, " d");
    if (range) {
        buf_add_str(&text, " (");
        add_days(&text, low, tenths);
        buf_add_char(&text, '-');
        add_days(&text, high, tenths);
        buf_add_char(&text, ')');
    }
    return cell_shown(cell_of(days), "%s", buf_str(&text));
}

struct cell amount_when(const cJSON *json, const char *path, double now)
{
    char span[32];
    usec_t at = field_time(json, path);
    double seconds = (double)at / 1e6 - now;

    if (at <= 0 || !isfinite(seconds))
        return cell_unknown();
    figure_span(span, sizeof span, (usec_t)(fmin(fabs(seconds), SECONDS_MAX) * 1e6));
    return cell_shown(cell_of((double)at / 1e6), seconds > 0 ? "in %s" : "%s", span);
}
