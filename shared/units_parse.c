/* Quantities that people write: durations, sizes, percentages, money, prices.
 *
 * Each is a decimal number and a unit, with blanks allowed between them and nowhere else. The number is read exactly (units_decimal.c).
 * A failure leaves *ret alone and says in one sentence what would be right; the offending text is quoted, cut to a sane length. A number
 * without a unit is never guessed at: "30" may be seconds to one reader and minutes to another. No state, no locale. */
#include <errno.h>
#include <string.h>

#include "shared/units.h"

#define DURATION_MAX    (3653 * USEC_PER_DAY)
#define NUMBER_TEXT_MAX 64
#define PERCENT_SCALE   ((int64_t)1000000000000)

/* Text as it is being read. */
struct reader {
    const char *at;
    char number[NUMBER_TEXT_MAX];
    char unit[CURRENCY_MAX];
};

struct unit {
    const char *name;
    int64_t scale;
};

static const struct unit duration_units[] = {
    {"w", 7 * USEC_PER_DAY}, {"d", USEC_PER_DAY}, {"h", USEC_PER_HOUR}, {"m", USEC_PER_MINUTE}, {"s", USEC_PER_SEC},
    {"ms", USEC_PER_MSEC},   {"us", 1},
};
static const struct unit size_units[] = {
    {"B", 1},
    {"kB", 1000},
    {"KB", 1000},
    {"MB", 1000 * 1000},
    {"GB", 1000 * 1000 * 1000},
    {"KiB", 1024},
    {"MiB", 1024 * 1024},
    {"GiB", 1024 * 1024 * 1024},
};

static void skip_blanks(struct reader *r)
{
    while (*r->at == ' ' || *r->at == '\t')
        r->at++;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Digits and at most one point; the rest is units_parse_decimal's to judge. No exponents and signs here: nobody writes them by hand. */
static bool read_number(struct reader *r)
{
    size_t n = strspn(r->at, "0123456789.");
    if (n == 0 || n >= sizeof(r->number))
        return false;
    memcpy(r->number, r->at, n);
    r->number[n] = '\0';
    r->at += n;
    skip_blanks(r);
    return true;
}

/* Letters; "" when there are none. */
static bool read_unit(struct reader *r)
{
    size_t n = 0;
    while (is_letter(r->at[n]))
        n++;
    if (n >= sizeof(r->unit))
        return false;
    memcpy(r->unit, r->at, n);
    r->unit[n] = '\0';
    r->at += n;
    return true;
}

static const struct unit *find_unit(const struct unit *units, size_t len, const char *name)
{
    for (size_t i = 0; i < len; i++)
        if (strcmp(units[i].name, name) == 0)
            return &units[i];
    return NULL;
}

static int bad_duration(const char *text, struct err *err)
{
    return err_set(err, -EINVAL, "\"%.60s\" is no duration: write a number and a unit (us, ms, s, m, h, d, w), like \"30s\" or \"1h 30m\"",
                   text);
}

int units_parse_duration(const char *text, usec_t *ret, struct err *err)
{
    if (strcmp(text, "0") == 0) {
        *ret = 0;
        return 0;
    }
    struct reader r = {.at = text};
    const struct unit *last = NULL;
    usec_t sum = 0;
    do {
        if (!read_number(&r) || !read_unit(&r))
            return bad_duration(text, err);
        const struct unit *unit = find_unit(duration_units, ARRAY_LEN(duration_units), r.unit);
        /* Several parts go from large to small, each unit once. */
        if (!unit || (last && unit <= last))
            return bad_duration(text, err);
        last = unit;
        usec_t part = 0;
        int e = units_parse_decimal(r.number, unit->scale, &part);
        if (e == -EINVAL)
            return bad_duration(text, err);
        if (e < 0 || part > DURATION_MAX - sum)
            return err_set(err, -ERANGE, "\"%.60s\" is too long: at most 10 years", text);
        sum += part;
        if (*r.at)
            skip_blanks(&r);
    } while (*r.at);
    if (r.at > text && (r.at[-1] == ' ' || r.at[-1] == '\t'))
        return bad_duration(text, err);
    *ret = sum;
    return 0;
}

int units_parse_size(const char *text, uint64_t *ret, struct err *err)
{
    struct reader r = {.at = text};
    const struct unit *unit = NULL;
    int64_t value = 0;
    int e = -EINVAL;
    if (read_number(&r) && read_unit(&r) && *r.at == '\0')
        unit = find_unit(size_units, ARRAY_LEN(size_units), r.unit);
    if (unit)
        e = units_parse_decimal(r.number, unit->scale, &value);
    if (e == -EINVAL)
        return err_set(err, e, "\"%.60s\" is no size: write a number and a unit (B, kB, MB, GB, KiB, MiB, GiB), like \"64KiB\"", text);
    if (e < 0)
        return err_set(err, e, "\"%.60s\" is too large", text);
    *ret = (uint64_t)value;
    return 0;
}

int units_parse_percent(const char *text, double *ret, struct err *err)
{
    struct reader r = {.at = text};
    int64_t value = 0;
    int e = -EINVAL;
    if (read_number(&r) && strcmp(r.at, "%") == 0)
        e = units_parse_decimal(r.number, PERCENT_SCALE, &value);
    if (e == -EINVAL)
        return err_set(err, e, "\"%.60s\" is no percentage: write a number and %%, like \"99.9%%\"", text);
    if (e < 0 || value > 100 * PERCENT_SCALE)
        return err_set(err, -ERANGE, "\"%.60s\" is out of range: 0%% to 100%%", text);
    /* One division of two exact numbers: 99.9% is the double nearest to 0.999. */
    *ret = (double)value / (double)(100 * PERCENT_SCALE);
    return 0;
}

static bool is_currency(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++)
        if (name[i] < 'A' || name[i] > 'Z')
            return false;
    return n >= 2;
}

/* NUMBER CURRENCY, and then `tail` with blanks allowed around its slash. */
static int parse_money(const char *text, const char *tail, int64_t scale, struct money *ret)
{
    struct reader r = {.at = text};
    if (!read_number(&r) || !read_unit(&r) || !is_currency(r.unit))
        return -EINVAL;
    if (*tail) {
        skip_blanks(&r);
        if (*r.at++ != *tail++)
            return -EINVAL;
        skip_blanks(&r);
    }
    if (strcmp(r.at, tail) != 0)
        return -EINVAL;
    int64_t pico;
    int e = units_parse_decimal(r.number, scale, &pico);
    if (e < 0)
        return e;
    ret->pico = pico;
    memcpy(ret->currency, r.unit, sizeof(ret->currency));
    return 0;
}

static int money_error(const char *text, int code, const char *what, const char *like, struct err *err)
{
    if (code == -ERANGE)
        return err_set(err, code, "\"%.60s\" is too large", text);
    return err_set(err, code, "\"%.60s\" is no %s: write a number and a currency in capitals, like \"%s\"", text, what, like);
}

int units_parse_money(const char *text, struct money *ret, struct err *err)
{
    int e = parse_money(text, "", PICO_PER_UNIT, ret);
    return e < 0 ? money_error(text, e, "sum of money", "0.05 USD", err) : 0;
}

int units_parse_price(const char *text, struct money *ret, struct err *err)
{
    int e = parse_money(text, "/1M", PICO_PER_UNIT / 1000000, ret);
    if (e == -EINVAL)
        e = parse_money(text, "/1K", PICO_PER_UNIT / 1000, ret);
    return e < 0 ? money_error(text, e, "price of tokens", "0.15 USD/1M", err) : 0;
}

int units_parse_money_per_day(const char *text, struct money *ret, struct err *err)
{
    int e = parse_money(text, "/day", PICO_PER_UNIT, ret);
    return e < 0 ? money_error(text, e, "sum a day", "1 USD/day", err) : 0;
}

int units_parse_requests(const char *text, double *per_day, struct err *err)
{
    static const struct { const char *name; double a_day; } units[] = {
        {"d", 1},   {"day", 1},    {"h", 24},      {"hour", 24},     {"m", 1440},
        {"min", 1440}, {"minute", 1440}, {"s", 86400}, {"second", 86400}, {"month", 1.0 / 30},
    };
    struct reader r = {.at = text};
    int64_t millionths = 0;
    double factor = 1;
    int e = read_number(&r) ? units_parse_decimal(r.number, 1000000, &millionths) : -EINVAL;
    if (e == 0 && (*r.at == 'k' || *r.at == 'K' || *r.at == 'M' || *r.at == 'G'))
        factor = *r.at == 'M' ? 1e6 : *r.at == 'G' ? 1e9 : 1e3, r.at++;
    if (e == 0 && *r.at++ == '/')
        for (size_t i = 0; i < ARRAY_LEN(units); i++)
            if (strcmp(r.at, units[i].name) == 0) {
                double sum = (double)millionths / 1e6 * factor * units[i].a_day;
                if (sum > 1e12)
                    return err_set(err, -ERANGE, "\"%.60s\" is too much: at most 1e12 requests a day", text);
                *per_day = sum;
                return 0;
            }
    if (e == -ERANGE)
        return err_set(err, e, "\"%.60s\" is too much: at most 1e12 requests a day", text);
    return err_set(err, -EINVAL, "\"%.60s\" is no rate of requests: write a number, k or M if you like, and /day, /h, /min or /s, like \"50k/day\"", text);
}
