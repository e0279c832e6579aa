/* Quantities for people to read: the reverse of units_parse.c.
 *
 * Money is printed exactly, with as few digits as say it, and so reads back as the same amount. Durations are rounded to what is shown;
 * ages and waits need no more. Each function writes into the caller's buffer (cut to its size, NUL-terminated) and returns it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "shared/units.h"

static uint64_t magnitude_of(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

/* units / 10^places without the zeros at its end. */
static void format_decimal(char *buf, size_t size, int64_t units, unsigned places)
{
    uint64_t whole = magnitude_of(units), scale = 1;
    for (unsigned i = 0; i < places; i++)
        scale *= 10;
    uint64_t rest = whole % scale;
    whole /= scale;
    const char *sign = units < 0 ? "-" : "";
    if (rest == 0) {
        snprintf(buf, size, "%s%" PRIu64, sign, whole);
        return;
    }
    while (rest % 10 == 0) {
        rest /= 10;
        places--;
    }
    snprintf(buf, size, "%s%" PRIu64 ".%0*" PRIu64, sign, whole, (int)places, rest);
}

/* From a second up: the two largest units, rounded to the smaller. */
static void format_long(char *buf, size_t size, const char *sign, uint64_t us)
{
    static const struct {
        uint64_t scale;
        const char *name;
    } units[] = {{USEC_PER_DAY, "d"}, {USEC_PER_HOUR, "h"}, {USEC_PER_MINUTE, "m"}, {USEC_PER_SEC, "s"}, {USEC_PER_MSEC, "ms"}};
    size_t i = 0;
    while (i + 2 < ARRAY_LEN(units) && us < units[i].scale)
        i++;
    uint64_t step = units[i + 1].scale;
    us = (us + step / 2) / step * step;
    /* 59.9996 s has become a minute. */
    if (i > 0 && us >= units[i - 1].scale)
        i--;
    uint64_t major = us / units[i].scale, minor = us % units[i].scale / units[i + 1].scale;
    if (minor == 0)
        snprintf(buf, size, "%s%" PRIu64 "%s", sign, major, units[i].name);
    else
        snprintf(buf, size, "%s%" PRIu64 "%s %" PRIu64 "%s", sign, major, units[i].name, minor, units[i + 1].name);
}

char *units_format_duration(char *buf, size_t size, usec_t value)
{
    if (value == USEC_INFINITY) {
        snprintf(buf, size, "forever");
        return buf;
    }
    const char *sign = value < 0 ? "-" : "";
    uint64_t us = magnitude_of(value);
    char number[24];
    if (us == 0) {
        snprintf(buf, size, "0s");
    } else if (us < 1000) {
        snprintf(buf, size, "%s%" PRIu64 "us", sign, us);
    } else if (us < 9995) {
        format_decimal(number, sizeof(number), (int64_t)((us + 5) / 10), 2);
        snprintf(buf, size, "%s%sms", sign, number);
    } else if (us < 99950) {
        format_decimal(number, sizeof(number), (int64_t)((us + 50) / 100), 1);
        snprintf(buf, size, "%s%sms", sign, number);
    } else if (us < 999500) {
        snprintf(buf, size, "%s%" PRIu64 "ms", sign, (us + 500) / 1000);
    } else {
        format_long(buf, size, sign, us);
    }
    return buf;
}

char *units_format_size(char *buf, size_t size, uint64_t value)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB"};
    size_t i = 0;
    uint64_t scale = 1;
    while (i + 1 < ARRAY_LEN(names) && value / scale >= 1024) {
        scale *= 1024;
        i++;
    }
    /* Two places at most; hundredths of a part below one unit cannot overflow. */
    uint64_t whole = value / scale, hundredths = (value % scale * 100 + scale / 2) / scale;
    if (hundredths == 100) {
        whole++;
        hundredths = 0;
        if (whole == 1024 && i + 1 < ARRAY_LEN(names)) {
            whole = 1;
            i++;
        }
    }
    if (hundredths == 0)
        snprintf(buf, size, "%" PRIu64 "%s", whole, names[i]);
    else if (hundredths % 10 == 0)
        snprintf(buf, size, "%" PRIu64 ".%" PRIu64 "%s", whole, hundredths / 10, names[i]);
    else
        snprintf(buf, size, "%" PRIu64 ".%02" PRIu64 "%s", whole, hundredths, names[i]);
    return buf;
}

char *units_format_money(char *buf, size_t size, int64_t pico, const char *currency)
{
    char number[32];
    format_decimal(number, sizeof(number), pico, 12);
    if (currency && *currency)
        snprintf(buf, size, "%s %s", number, currency);
    else
        snprintf(buf, size, "%s", number);
    return buf;
}

char *units_format_price(char *buf, size_t size, int64_t pico_per_token)
{
    if (pico_per_token < 0)
        snprintf(buf, size, "-");
    else
        format_decimal(buf, size, pico_per_token, 6);
    return buf;
}

char *units_format_time(char *buf, size_t size, usec_t unix_usec)
{
    usec_t msec = unix_usec / USEC_PER_MSEC;
    if (unix_usec % USEC_PER_MSEC < 0)
        msec--;
    time_t sec = (time_t)(msec / 1000);
    long rest = (long)(msec % 1000);
    if (rest < 0) {
        rest += 1000;
        sec--;
    }
    struct tm tm;
    char date[64];
    if (!gmtime_r(&sec, &tm) || strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        snprintf(date, sizeof(date), "-");
    snprintf(buf, size, "%s.%03ldZ", date, rest);
    return buf;
}
