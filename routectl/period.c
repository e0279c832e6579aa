/* Stretches of time as people name them.
 *
 * A month is one of the local calendar, from midnight to midnight, whatever the clocks did in it; so is a day. That a stretch of whole days
 * is shown by its first and its last day is for people: a program gets the two moments. */
#include "routectl/period.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void fields_of(usec_t at, struct tm *ret)
{
    time_t t = (time_t)(at / USEC_PER_SEC);
    if (!localtime_r(&t, ret))
        *ret = (struct tm){.tm_mday = 1, .tm_year = 70};
}

/* month counts from 0 and may be beyond 11. */
static usec_t month_begin(int year, int month)
{
    struct tm tm = {.tm_year = year - 1900, .tm_mon = month, .tm_mday = 1, .tm_isdst = -1};
    return (usec_t)mktime(&tm) * USEC_PER_SEC;
}

int period_parse_month(const char *text, struct period *ret, struct err *err)
{
    int year, month, used = 0;
    if (strspn(text, "0123456789-") != strlen(text) || sscanf(text, "%4d-%2d%n", &year, &month, &used) != 2 || text[used] || used != 7 ||
        year < 1971 || month < 1 || month > 12)
        return err_set(err, -EINVAL, "\"%.40s\" is no month: a year and a month are wanted, for example 2026-10", text);
    ret->since = month_begin(year, month - 1);
    ret->until = month_begin(year, month);
    return 0;
}

void period_month_of(usec_t at, struct period *ret)
{
    struct tm tm;
    fields_of(at, &tm);
    ret->since = month_begin(tm.tm_year + 1900, tm.tm_mon);
    ret->until = month_begin(tm.tm_year + 1900, tm.tm_mon + 1);
}

void period_choose(struct period *ret, usec_t since, usec_t until, usec_t now, usec_t usual)
{
    ret->until = until > 0 ? until : now;
    ret->since = since > 0 ? since : ret->until > usual ? ret->until - usual : 0;
}

char *period_zone(char *buf, usec_t at)
{
    struct tm tm;
    char name[32] = "";
    fields_of(at, &tm);
    strftime(name, sizeof name, "%Z", &tm);
    long minutes = tm.tm_gmtoff / 60;
    if (minutes == 0 && (strcmp(name, "UTC") == 0 || strcmp(name, "GMT") == 0 || !name[0]))
        snprintf(buf, PERIOD_SHOWN_MAX, "%s", name[0] ? name : "UTC");
    else
        snprintf(buf, PERIOD_SHOWN_MAX, "%s (UTC%c%02ld:%02ld)", name, minutes < 0 ? '-' : '+', (minutes < 0 ? -minutes : minutes) / 60,
                 (minutes < 0 ? -minutes : minutes) % 60);
    return buf;
}

char *period_time(char *buf, usec_t at)
{
    struct tm tm;
    fields_of(at, &tm);
    buf[strftime(buf, PERIOD_SHOWN_MAX, "%Y-%m-%d %H:%M", &tm)] = '\0';
    return buf;
}

char *period_day(char *buf, usec_t at)
{
    struct tm tm;
    fields_of(at, &tm);
    buf[strftime(buf, PERIOD_SHOWN_MAX, "%Y-%m-%d", &tm)] = '\0';
    return buf;
}

static bool is_midnight(usec_t at)
{
    struct tm tm;
    fields_of(at, &tm);
    return tm.tm_hour == 0 && tm.tm_min == 0 && tm.tm_sec == 0 && at % USEC_PER_SEC == 0;
}

char *period_shown(char *buf, const struct period *period)
{
    char since[PERIOD_SHOWN_MAX], until[PERIOD_SHOWN_MAX];
    bool days = is_midnight(period->since) && is_midnight(period->until);
    if (days) {
        period_day(since, period->since);
        period_day(until, period->until - 1);
    } else {
        period_time(since, period->since);
        period_time(until, period->until);
    }
    if (days && strcmp(since, until) == 0)
        snprintf(buf, PERIOD_SHOWN_MAX, "%.40s", since);
    else
        snprintf(buf, PERIOD_SHOWN_MAX, "%.40s to %.40s", since, until);
    return buf;
}
