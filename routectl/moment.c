/* Moments as people write and read them.
 *
 * Local time, because a person remembers an outage by the clock on the wall; whoever wants another says so by TZ or by a "Z" at the end.
 * What is no date (2026-02-30) is refused and not moved to the next one. The clock is the caller's. */
#include "routectl/moment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int not_a_moment(const char *text, struct err *err)
{
    return err_set(err, -EINVAL,
                   "\"%.40s\" is no time: how long ago (90m, 7d), a day (2026-11-01), a time (2026-11-01T13:30:05, with Z in UTC), now, "
                   "or Unix seconds",
                   text);
}

/* The rest after the date: "", "T13:30", " 13:30:05". */
static const char *read_clock(const char *text, struct tm *tm)
{
    int used = 0;
    if (*text != 'T' && *text != ' ')
        return text;
    if (sscanf(text + 1, "%2d:%2d%n", &tm->tm_hour, &tm->tm_min, &used) != 2 || used < 3)
        return NULL;
    text += 1 + used;
    if (*text != ':')
        return text;
    used = 0;
    return sscanf(text, ":%2d%n", &tm->tm_sec, &used) == 1 ? text + used : NULL;
}

static bool same_day(const struct tm *a, const struct tm *b)
{
    return a->tm_year == b->tm_year && a->tm_mon == b->tm_mon && a->tm_mday == b->tm_mday;
}

static int read_date(const char *text, usec_t *ret)
{
    struct tm tm = {.tm_isdst = -1}, wanted;
    int used = 0;
    if (strspn(text, "0123456789-") < 8 || sscanf(text, "%4d-%2d-%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &used) != 3 || used < 8)
        return -EINVAL;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    const char *rest = read_clock(text + used, &tm);
    if (!rest || (*rest && strcmp(rest, "Z") != 0) || tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 ||
        tm.tm_sec < 0 || tm.tm_sec > 60)
        return -EINVAL;
    wanted = tm;
    time_t t = *rest ? timegm(&tm) : mktime(&tm);
    if (t < 0 || !same_day(&tm, &wanted))
        return -EINVAL;
    *ret = (usec_t)t * USEC_PER_SEC;
    return 0;
}

int moment_parse(const char *text, usec_t now, usec_t *ret, struct err *err)
{
    usec_t value;
    size_t digits = strspn(text, "0123456789");
    if (strcmp(text, "now") == 0) {
        *ret = now;
        return 0;
    }
    /* Eight digits would be a day without its dashes as well as a time in 1970. */
    if (digits >= 9 && text[digits + strspn(text + digits, ".0123456789")] == '\0' &&
        units_parse_decimal(text, USEC_PER_SEC, &value) == 0 && value < 100000000000 * USEC_PER_SEC) {
        *ret = value;
        return 0;
    }
    if (read_date(text, &value) == 0) {
        *ret = value;
        return 0;
    }
    if (units_parse_duration(text, &value, NULL) == 0 && value > 0 && value < now) {
        *ret = now - value;
        return 0;
    }
    return not_a_moment(text, err);
}

char *moment_format(char *buf, size_t size, usec_t at)
{
    time_t t = (time_t)(at / USEC_PER_SEC);
    struct tm tm;
    if (!localtime_r(&t, &tm) || strftime(buf, size, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        snprintf(buf, size, "%lld", (long long)t);
    return buf;
}
