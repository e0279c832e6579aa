/* Numbers for people: about three significant digits, a unit that fits, and never kinder than the truth (99.996% is not 100%). */
#include "routectl/figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

char *figure_span(char *buf, size_t size, usec_t duration)
{
    long long s = (long long)(duration / USEC_PER_SEC);
    if (duration < 0)
        snprintf(buf, size, "0 s");
    else if (duration < USEC_PER_SEC)
        snprintf(buf, size, "%lld ms", (long long)(duration / USEC_PER_MSEC));
    else if (s < 100)
        snprintf(buf, size, "%lld s", s);
    else if (s < 3600)
        snprintf(buf, size, "%lldm %llds", s / 60, s % 60);
    else if (s < 86400)
        snprintf(buf, size, "%lldh %lldm", s / 3600, s / 60 % 60);
    else
        snprintf(buf, size, "%lldd %lldh", s / 86400, s / 3600 % 24);
    return buf;
}

static struct cell number_cell(double value)
{
    return (struct cell){.kind = CELL_NUMBER, .number = value};
}

static struct cell duration_cell(double value, double ms)
{
    struct cell cell = number_cell(value);
    if (ms < 0.9995)
        return cell_shown(cell, "%.0f us", ms * 1000);
    if (ms < 9.995)
        return cell_shown(cell, "%.2g ms", ms);
    if (ms < 999.5)
        return cell_shown(cell, "%.0f ms", ms);
    if (ms < 9995)
        return cell_shown(cell, "%.2f s", ms / 1000);
    if (ms < 99950)
        return cell_shown(cell, "%.1f s", ms / 1000);
    char span[32];
    return cell_shown(cell, "%s", figure_span(span, sizeof span, (usec_t)(ms * 1000)));
}

struct cell figure_msec(usec_t duration)
{
    double ms = (double)duration / 1000;
    return duration < 0 ? cell_unknown() : duration_cell(ms, ms);
}

struct cell figure_seconds(double seconds)
{
    return isfinite(seconds) && seconds >= 0 && seconds < 1e12 ? duration_cell(seconds, seconds * 1000) : cell_unknown();
}

struct cell figure_ratio(double ratio)
{
    if (!isfinite(ratio))
        return cell_unknown();
    double percent = floor(ratio * 10000) / 100;
    if (ratio >= 1)
        return cell_shown(number_cell(ratio), "100%%");
    return cell_shown(number_cell(ratio), percent >= 90 ? "%.2f%%" : "%.1f%%", percent);
}

struct cell figure_share(uint32_t slots)
{
    double share = (double)slots / TABLE_SLOTS;
    if (slots == 0)
        return cell_styled(cell_shown(number_cell(0), "0%%"), STYLE_DIM);
    return cell_shown(number_cell(share), share < 0.01 ? "%.1f%%" : "%.0f%%", share * 100);
}

struct cell figure_score(double score)
{
    return isfinite(score) ? cell_shown(number_cell(score), "%.3f", score) : cell_unknown();
}

char *figure_amount(char *buf, size_t size, double units, const char *currency)
{
    static const struct {
        const char *code, *sign;
    } signs[] = {{"USD", "$"}, {"CNY", "¥"}, {"EUR", "€"}, {"GBP", "£"}};
    const char *sign = "";
    int decimals = 2;

    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (currency && strcmp(currency, signs[i].code) == 0)
            sign = signs[i].sign;
    }
    double size_of = fabs(units);
    if (size_of > 0 && size_of < 1)
        decimals = (int)fmin(12, 2 - floor(log10(size_of)));
    char number[48];
    snprintf(number, sizeof number, "%.*f", decimals, size_of);
    /* Cents stay, what is finer goes when it says nothing. */
    for (size_t n = strlen(number); decimals > 2 && number[n - 1] == '0'; decimals--)
        number[--n] = '\0';
    snprintf(buf, size, "%s%s%s%s%s", units < 0 ? "-" : "", sign, number, sign[0] || !currency || !currency[0] ? "" : " ",
             sign[0] || !currency ? "" : currency);
    return buf;
}

struct cell figure_price(int64_t pico_per_token, const char *currency)
{
    char amount[64];
    double units = (double)pico_per_token / (double)PICO_PER_UNIT_PER_MTOK;
    if (pico_per_token < 0)
        return cell_unknown();
    if (pico_per_token == 0)
        return cell_shown(number_cell(0), "free");
    return cell_shown(number_cell(units), "%s", figure_amount(amount, sizeof amount, units, currency));
}

struct cell figure_money(int64_t pico, const char *currency)
{
    char amount[64];
    double units = (double)pico / (double)PICO_PER_UNIT;
    return cell_shown(number_cell(units), "%s", figure_amount(amount, sizeof amount, units, currency));
}

struct cell figure_change(double from, double to)
{
    if (!isfinite(from) || !isfinite(to) || from < 0 || to < 0)
        return cell_unknown();
    if (from == to)
        return cell_shown(number_cell(0), "same");
    if (from == 0)
        return cell_styled(cell_shown(cell_unknown(), "from free"), STYLE_WARN);
    double change = to / from - 1;
    struct cell cell = number_cell(change);
    if (change > 10)
        cell = cell_shown(cell, "x %.0f", to / from);
    else
        cell = cell_shown(cell, fabs(change) < 0.0995 ? "%+.1f%%" : "%+.0f%%", change * 100);
    return cell_styled(cell, change > 0 ? STYLE_WARN : STYLE_GOOD);
}

struct cell figure_age(usec_t at, usec_t now)
{
    char span[32];
    if (at <= 0)
        return cell_shown(cell_unknown(), "never");
    struct cell cell = number_cell((double)(at / 1000) / 1000);
    if (now - at < USEC_PER_SEC) /* also when the clocks disagree a little */
        return cell_shown(cell, "0 s");
    return cell_shown(cell, "%s", figure_span(span, sizeof span, now - at));
}

enum style figure_state_style(const char *name)
{
    switch (name ? route_state_from_name(name) : -1) {
    case ROUTE_UP:
        return STYLE_GOOD;
    case ROUTE_DEGRADED:
    case ROUTE_LIMITED:
        return STYLE_WARN;
    case ROUTE_DOWN:
    case ROUTE_UNUSABLE:
    case ROUTE_MISSING:
        return STYLE_BAD;
    case ROUTE_NEW:
    case ROUTE_DRAINED:
        return STYLE_DIM;
    default:
        return STYLE_PLAIN;
    }
}

struct cell figure_state_name(const char *name)
{
    return cell_styled(cell_string(name), figure_state_style(name));
}

struct cell figure_state(enum route_state state)
{
    return figure_state_name(route_state_name(state));
}

char *figure_thousands(char *buf, size_t size, int64_t value)
{
    char digits[32];
    size_t n = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)value), at = 0;
    for (size_t i = 0; i < n && at + 2 < size; i++) {
        size_t left = n - i;
        if (i > 0 && digits[i - 1] != '-' && left % 3 == 0)
            buf[at++] = ',';
        buf[at++] = digits[i];
    }
    buf[at] = '\0';
    return buf;
}

void figure_bar(struct buf *ret, double ratio, size_t columns)
{
    static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    if (!isfinite(ratio) || ratio <= 0)
        return;
    size_t eighths = (size_t)lround(fmin(ratio, 1) * (double)columns * 8);
    eighths = eighths > 0 ? eighths : 1; /* something is never shown as nothing */
    for (size_t i = 0; i < eighths / 8; i++)
        buf_add_str(ret, "█");
    buf_add_str(ret, parts[eighths % 8]);
}
