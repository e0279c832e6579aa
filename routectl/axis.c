/* The axes of a picture.
 *
 * Values: the steps between ticks are 1, 2 or 5 times a power of ten, and the axis ends on ticks. Times and speeds begin at nothing, so
 * that twice as high is twice as much; so do prices, unless they move so little that nothing would be seen. Availability ends at 100 %.
 *
 * Times: full minutes, hours, midnights, Mondays, firsts of a month of local time. The steps are taken in fields of the calendar and not in
 * seconds, so that midnight stays midnight when the clocks change. */
#include "routectl/axis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "shared/compiler.h"

/* --- round numbers ---------------------------------------------------------------------------------------------------- */

/* The least of 1, 2, 5 times a power of ten that is not below x (> 0). */
static double round_up(double x)
{
    double power = pow(10, floor(log10(x)));
    static const double steps[] = {1, 2, 5, 10};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        if (x <= steps[i] * power * (1 + 1e-9))
            return steps[i] * power;
    }
    return 10 * power;
}

static double round_down(double x)
{
    double power = pow(10, floor(log10(x)));
    static const double steps[] = {5, 2, 1};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        if (x >= steps[i] * power * (1 - 1e-9))
            return steps[i] * power;
    }
    return power;
}

/* How many decimals a multiple of step needs. */
static int decimals_of(double step)
{
    int decimals = 0;
    while (decimals < 9 && fabs(step - round(step)) > 1e-6 * step) {
        step *= 10;
        decimals++;
    }
    return decimals;
}

/* step: between ticks; most: of the axis. On a logarithmic one each label stands for itself and step is its own value. */
static void label_value(char *buf, enum series_unit unit, double value, double step, double most)
{
    switch (unit) {
    case SERIES_MSEC:
        if (value == 0)
            snprintf(buf, AXIS_LABEL_MAX, "0");
        else if (most >= 2000)
            snprintf(buf, AXIS_LABEL_MAX, "%.*f s", decimals_of(step / 1000), value / 1000);
        else
            snprintf(buf, AXIS_LABEL_MAX, "%.*f ms", decimals_of(step), value);
        break;
    case SERIES_RATIO:
        snprintf(buf, AXIS_LABEL_MAX, "%.*f%%", decimals_of(step * 100), value * 100);
        break;
    case SERIES_MONEY:
        snprintf(buf, AXIS_LABEL_MAX, "%s$%.*f", value < 0 ? "-" : "", decimals_of(step) == 1 ? 2 : decimals_of(step),
                 fabs(value)); /* cents */
        break;
    default:
        snprintf(buf, AXIS_LABEL_MAX, "%.*f", decimals_of(step), value);
        break;
    }
}

static void add_tick(struct axis *axis, enum series_unit unit, double value, double step, double most)
{
    if (axis->len == AXIS_TICKS_MAX)
        return;
    struct axis_tick *tick = &axis->ticks[axis->len++];
    tick->at = value;
    label_value(tick->label, unit, value, step, most);
}

static void linear(struct axis *axis, enum series_unit unit, size_t wanted)
{
    double step = round_up((axis->most - axis->least) / (double)wanted);
    if (unit == SERIES_RANK)
        step = fmax(step, 1);
    double first = floor(axis->least / step + 1e-9), last = ceil(axis->most / step - 1e-9);
    if (unit == SERIES_RATIO)
        last = fmin(last, round(1 / step));
    if (unit != SERIES_RANK) {
        axis->least = first * step;
        axis->most = unit == SERIES_RATIO ? 1 : last * step;
    }
    for (double i = first; i <= last; i++) {
        if (i * step >= axis->least - step / 1000 && i * step <= axis->most + step / 1000)
            add_tick(axis, unit, i * step, step, axis->most);
    }
}

static void logarithmic(struct axis *axis, enum series_unit unit, size_t wanted)
{
    axis->least = round_down(axis->least);
    axis->most = round_up(axis->most);
    double decades = log10(axis->most / axis->least);
    static const double all[] = {1, 2, 5};
    bool each = decades * 3 <= (double)wanted * 1.5;
    int skip = (int)ceil(decades / (double)wanted / 1.5); /* of whole decades, where there are very many */
    int first = (int)floor(log10(axis->least) + 1e-9), last = (int)floor(log10(axis->most) + 1e-9);

    for (int power = first; power <= last; power++) {
        for (size_t i = 0; i < ARRAY_LEN(all); i++) {
            double value = all[i] * pow(10, power);
            bool end = fabs(value / axis->most - 1) < 1e-6 || fabs(value / axis->least - 1) < 1e-6;
            bool decade = i == 0 && (skip < 2 || (power - first) % skip == 0);
            if (value >= axis->least * (1 - 1e-9) && value <= axis->most * (1 + 1e-9) && (end || decade || each))
                add_tick(axis, unit, value, value, value >= 1000 ? 2000 : value);
        }
    }
}

/* The least of an axis of availability. */
static double ratio_floor(double least)
{
    static const double floors[] = {0.99, 0.98, 0.95, 0.9, 0.8, 0.5};
    for (size_t i = 0; i < ARRAY_LEN(floors); i++) {
        if (least >= floors[i])
            return floors[i];
    }
    return 0;
}

static void make_room(struct axis *axis, enum series_unit unit)
{
    double span = axis->most - axis->least;
    switch (unit) {
    case SERIES_RATIO:
        axis->least = ratio_floor(axis->least);
        axis->most = 1;
        break;
    case SERIES_RANK:
        axis->least = 1;
        axis->most = fmax(axis->most, 2);
        axis->down = true;
        break;
    case SERIES_MONEY:
        if (axis->least > 0 && span > 0 && span < 0.2 * axis->most) {
            axis->least = fmax(0, axis->least - 0.05 * axis->most);
            break;
        }
        __attribute__((fallthrough));
    default:
        axis->least = fmin(axis->least, 0);
        break;
    }
    if (!(axis->most > axis->least))
        axis->most = axis->least + 1;
}

void axis_values(struct axis *ret, enum series_unit unit, const struct series_range *range, size_t wanted)
{
    wanted = wanted < 2 ? 2 : wanted > AXIS_TICKS_MAX * 2 / 3 ? AXIS_TICKS_MAX * 2 / 3 : wanted;
    *ret = (struct axis){.least = range->least, .most = range->most, .log = range->log && range->least > 0};
    if (ret->log) {
        logarithmic(ret, unit, wanted);
        return;
    }
    make_room(ret, unit);
    linear(ret, unit, wanted);
}

/* --- round times ------------------------------------------------------------------------------------------------------ */

enum field { SECONDS, DAYS, MONTHS };
enum shape { SHAPE_SECOND, SHAPE_MINUTE, SHAPE_DAY, SHAPE_MONTH, SHAPE_YEAR };

static const struct time_step {
    enum field field;
    int by;
    double seconds;
    enum shape shape;
} time_steps[] = {
    {SECONDS, 1, 1, SHAPE_SECOND},
    {SECONDS, 5, 5, SHAPE_SECOND},
    {SECONDS, 15, 15, SHAPE_SECOND},
    {SECONDS, 30, 30, SHAPE_SECOND},
    {SECONDS, 60, 60, SHAPE_MINUTE},
    {SECONDS, 120, 120, SHAPE_MINUTE},
    {SECONDS, 300, 300, SHAPE_MINUTE},
    {SECONDS, 600, 600, SHAPE_MINUTE},
    {SECONDS, 900, 900, SHAPE_MINUTE},
    {SECONDS, 1800, 1800, SHAPE_MINUTE},
    {SECONDS, 3600, 3600, SHAPE_MINUTE},
    {SECONDS, 7200, 7200, SHAPE_MINUTE},
    {SECONDS, 10800, 10800, SHAPE_MINUTE},
    {SECONDS, 21600, 21600, SHAPE_MINUTE},
    {SECONDS, 43200, 43200, SHAPE_MINUTE},
    {DAYS, 1, 86400, SHAPE_DAY},
    {DAYS, 2, 2 * 86400, SHAPE_DAY},
    {DAYS, 7, 7 * 86400, SHAPE_DAY},
    {DAYS, 14, 14 * 86400, SHAPE_DAY},
    {MONTHS, 1, 30.4 * 86400, SHAPE_MONTH},
    {MONTHS, 3, 91.3 * 86400, SHAPE_MONTH},
    {MONTHS, 6, 182.6 * 86400, SHAPE_MONTH},
    {MONTHS, 12, 365.25 * 86400, SHAPE_YEAR},
    {MONTHS, 24, 730.5 * 86400, SHAPE_YEAR},
    {MONTHS, 60, 1826 * 86400., SHAPE_YEAR},
    {MONTHS, 120, 3652 * 86400., SHAPE_YEAR},
};

/* In hours and minutes, which mktime takes by the calendar, and not in seconds, which it takes as time that passes. */
static void set_clock(struct tm *tm, int second)
{
    tm->tm_hour = second / 3600;
    tm->tm_min = second / 60 % 60;
    tm->tm_sec = second % 60;
}

/* The last round time that is not after t, in fields. */
static void round_time(struct tm *tm, const struct time_step *step)
{
    int second = tm->tm_hour * 3600 + tm->tm_min * 60 + tm->tm_sec;
    tm->tm_hour = tm->tm_min = tm->tm_sec = 0;
    switch (step->field) {
    case SECONDS:
        set_clock(tm, second - second % step->by);
        break;
    case DAYS:
        if (step->by >= 7)
            tm->tm_mday -= (tm->tm_wday + 6) % 7; /* Monday */
        break;
    case MONTHS:
        tm->tm_mday = 1;
        int month = tm->tm_year * 12 + tm->tm_mon;
        month -= month % step->by;
        tm->tm_year = month / 12;
        tm->tm_mon = month % 12;
        break;
    }
}

static void label_time(char *buf, const struct tm *tm, const struct time_step *step)
{
    bool midnight = tm->tm_hour == 0 && tm->tm_min == 0 && tm->tm_sec == 0;
    size_t len = 0;
    switch (midnight && step->shape < SHAPE_DAY ? SHAPE_DAY : step->shape) {
    case SHAPE_SECOND:
        len = strftime(buf, AXIS_LABEL_MAX, "%H:%M:%S", tm);
        break;
    case SHAPE_MINUTE:
        len = strftime(buf, AXIS_LABEL_MAX, "%H:%M", tm);
        break;
    case SHAPE_DAY:
        len = strftime(buf, AXIS_LABEL_MAX, "%m-%d", tm);
        break;
    case SHAPE_MONTH:
        len = strftime(buf, AXIS_LABEL_MAX, "%Y-%m", tm);
        break;
    case SHAPE_YEAR:
        len = strftime(buf, AXIS_LABEL_MAX, "%Y", tm);
        break;
    }
    buf[len] = '\0';
}

void axis_times(struct axis *ret, double since, double until, size_t wanted)
{
    time_t start = (time_t)floor(since);
    struct tm base;

    *ret = (struct axis){.least = since, .most = until > since ? until : since + 1};
    wanted = wanted < 1 ? 1 : wanted > AXIS_TICKS_MAX ? AXIS_TICKS_MAX : wanted;
    size_t choice = 0;
    while (choice + 1 < ARRAY_LEN(time_steps) && (ret->most - since) / time_steps[choice].seconds > (double)wanted)
        choice++;
    const struct time_step *step = &time_steps[choice];
    if (!localtime_r(&start, &base))
        return;
    round_time(&base, step);
    double last = -INFINITY;
    for (int i = 0; i <= AXIS_TICKS_MAX + 2 && ret->len < wanted; i++) {
        struct tm tm = base;
        int by = i * step->by;
        if (step->field == SECONDS)
            set_clock(&tm, tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec + by);
        tm.tm_mday += step->field == DAYS ? by : 0;
        tm.tm_mon += step->field == MONTHS ? by : 0;
        tm.tm_isdst = -1;
        double at = (double)mktime(&tm);
        if (at > ret->most)
            break;
        if (at < since || at <= last)
            continue;
        last = at;
        ret->ticks[ret->len].at = at;
        label_time(ret->ticks[ret->len++].label, &tm, step);
    }
}

double axis_place(const struct axis *axis, double value)
{
    double place;
    if (axis->log)
        place = value > 0 ? log(value / axis->least) / log(axis->most / axis->least) : -1;
    else
        place = (value - axis->least) / (axis->most - axis->least);
    return axis->down ? 1 - place : place;
}
