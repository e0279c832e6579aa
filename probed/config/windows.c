/* Planned maintenance: reading a stretch or a daily span, writing it, and asking whether a moment lies in one.
 *
 *   2026-12-01T02:00Z..2026-12-01T04:00Z          one stretch; an offset (+08:00) in place of Z
 *   02:00-03:00 +08:00                            every day; over midnight when the end is before the beginning; no offset = UTC
 *
 * Kept in UTC: a daily span as microseconds since midnight, so a moment is compared without any time zone database. Pure. */
#include "probed/config/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EXAMPLES "write \"2026-12-01T02:00Z..2026-12-01T04:00Z\" or \"02:00-03:00 +08:00\""

/* Exactly `digits` digits into *ret. */
static bool take_number(const char **at, int digits, int least, int most, int *ret)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if ((*at)[i] < '0' || (*at)[i] > '9')
            return false;
        value = value * 10 + ((*at)[i] - '0');
    }
    *at += digits;
    *ret = value;
    return value >= least && value <= most;
}

static bool take(const char **at, char c)
{
    if (**at != c)
        return false;
    ++*at;
    return true;
}

/* HH:MM or HH:MM:SS; 24:00 is allowed where a span ends. */
static bool take_clock(const char **at, usec_t *ret)
{
    int h, m, s = 0;
    if (!take_number(at, 2, 0, 24, &h) || !take(at, ':') || !take_number(at, 2, 0, 59, &m))
        return false;
    if (**at == ':' && (++*at, !take_number(at, 2, 0, 59, &s)))
        return false;
    *ret = h * USEC_PER_HOUR + m * USEC_PER_MINUTE + s * USEC_PER_SEC;
    return *ret <= USEC_PER_DAY;
}

/* Z, +HH:MM or -HH:MM: what to take away from local time. */
static bool take_offset(const char **at, usec_t *ret)
{
    *ret = 0;
    if (take(at, 'Z'))
        return true;
    int sign = **at == '-' ? -1 : 1, h, m;
    if (**at != '+' && **at != '-')
        return false;
    ++*at;
    if (!take_number(at, 2, 0, 14, &h) || !take(at, ':') || !take_number(at, 2, 0, 59, &m))
        return false;
    *ret = sign * (h * USEC_PER_HOUR + m * USEC_PER_MINUTE);
    return true;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64_t days_of(int y, int m, int d)
{
    y -= m <= 2;
    int64_t era = y / 400, yoe = y % 400, doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool take_moment(const char **at, usec_t *ret)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int y, m, d;
    usec_t clock, offset;
    if (!take_number(at, 4, 2000, 2200, &y) || !take(at, '-') || !take_number(at, 2, 1, 12, &m) || !take(at, '-') ||
        !take_number(at, 2, 1, 31, &d) || !(take(at, 'T') || take(at, ' ')) || !take_clock(at, &clock) || !take_offset(at, &offset))
        return false;
    bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    if (d > lengths[m - 1] + (m == 2 && leap))
        return false;
    *ret = days_of(y, m, d) * USEC_PER_DAY + clock - offset;
    return true;
}

static bool parse_stretch(const char *text, struct config_window *w)
{
    const char *at = text;
    if (!take_moment(&at, &w->from))
        return false;
    while (take(&at, ' '))
        ;
    if (strncmp(at, "..", 2) != 0)
        return false;
    at += 2;
    while (take(&at, ' '))
        ;
    return take_moment(&at, &w->to) && *at == '\0';
}

static bool parse_daily(const char *text, struct config_window *w)
{
    const char *at = text;
    usec_t offset = 0;
    if (!take_clock(&at, &w->from) || !take(&at, '-') || !take_clock(&at, &w->to))
        return false;
    while (take(&at, ' '))
        ;
    if (*at && !take_offset(&at, &offset))
        return false;
    w->daily = true;
    w->from = (w->from - offset + 2 * USEC_PER_DAY) % USEC_PER_DAY;
    w->to = (w->to - offset + 2 * USEC_PER_DAY) % USEC_PER_DAY;
    return *at == '\0';
}

int window_parse(const char *text, struct config_window *ret, struct err *err)
{
    struct config_window w = {.daily = false};
    bool good = strlen(text) > 5 && text[4] == '-' ? parse_stretch(text, &w) : parse_daily(text, &w);
    if (!good)
        return err_set(err, -EINVAL, "this is no maintenance window: " EXAMPLES);
    if (w.daily ? w.from == w.to : w.from >= w.to)
        return err_set(err, -EINVAL, "this window ends %s it begins", w.daily || w.from == w.to ? "when" : "before");
    w.reason = ret->reason;
    *ret = w;
    return 0;
}

static void format_clock(struct buf *ret, usec_t t)
{
    buf_printf(ret, "%02d:%02d:%02d", (int)(t / USEC_PER_HOUR), (int)(t / USEC_PER_MINUTE % 60), (int)(t / USEC_PER_SEC % 60));
}

static void format_moment(struct buf *ret, usec_t t)
{
    char text[40];
    units_format_time(text, sizeof text, t);
    buf_printf(ret, "%.19sZ", text);
}

void window_format(const struct config_window *w, struct buf *ret)
{
    (w->daily ? format_clock : format_moment)(ret, w->from);
    buf_add_str(ret, w->daily ? "-" : "..");
    (w->daily ? format_clock : format_moment)(ret, w->to);
    if (w->daily)
        buf_add_str(ret, " +00:00");
}

static bool is_in(const struct config_window *w, usec_t wall)
{
    if (!w->daily)
        return wall >= w->from && wall < w->to;
    usec_t t = wall % USEC_PER_DAY;
    return w->from < w->to ? t >= w->from && t < w->to : t >= w->from || t < w->to;
}

const struct config_window *config_platform_maintenance(const struct config_platform *platform, usec_t wall)
{
    for (size_t i = 0; i < platform->windows_len; i++)
        if (is_in(&platform->windows[i], wall))
            return &platform->windows[i];
    return NULL;
}
