/* One value by its keyword's type: from text into the struct, and from the struct into the text that would be read as the same value.
 *
 * value_parse is used for defaults as well, so a default obeys the rules that users' values obey. value_format is exact: durations go
 * through whole units down to microseconds, money and numbers through decimal digits down to 1e-12; what was dumped loads as the same
 * configuration. Strings in the target are freed before they are replaced. */
#include "probed/config/parts.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const wants[] = {
    [KEYWORD_TEXT] = "text",
    [KEYWORD_PATH] = "a path",
    [KEYWORD_ROUTE_PATH] = "a path such as /v1/models",
    [KEYWORD_BOOL] = "true or false",
    [KEYWORD_COUNT] = "a whole number",
    [KEYWORD_NUMBER] = "a number",
    [KEYWORD_PERCENT] = "a percentage such as 5%",
    [KEYWORD_DURATION] = "a duration such as 30s",
    [KEYWORD_SIZE] = "a size such as 64KiB",
    [KEYWORD_MODE] = "an octal mode such as 0660",
    [KEYWORD_WORD] = "a word",
    [KEYWORD_MONEY] = "a sum such as 0.05 USD",
    [KEYWORD_MONEY_DAY] = "a sum a day such as 1 USD/day, or unlimited",
    [KEYWORD_SECTION] = "a mapping",
    [KEYWORD_OWN] = "a value",
};

void free_const(const void *p)
{
    void *q;
    memcpy(&q, &p, sizeof q);
    free(q);
}

bool name_is_good(const char *name, bool model)
{
    size_t len = strlen(name);
    if (len == 0 || len > (model ? 127u : 63u) || name[0] == '-' || name[0] == '.' || name[0] == '/')
        return false;
    size_t good = strspn(name, model ? "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:/@+"
                                     : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return good == len;
}

static int set_text(const struct keyword *k, const char *text, char **target, struct err *err)
{
    if (text[0] == '\0')
        return err_set(err, -EINVAL, "this is empty");
    if (k->max > 0 && strlen(text) > (size_t)k->max)
        return err_set(err, -ERANGE, "this is too long: at most %lld bytes", (long long)k->max);
    /* What follows is appended to a URL, and goes out in a request. */
    if (k->type == KEYWORD_ROUTE_PATH && (text[0] != '/' || strpbrk(text, " #\\")))
        return err_set(err, -EINVAL, "this should be a path that begins with \"/\", without blanks and \"#\"");
    if (k->type == KEYWORD_ROUTE_PATH && (strcasestr(text, "key=") || strcasestr(text, "token=")))
        return err_set(err, -EINVAL, "keys do not belong in a path: use \"key:\"");
    free(*target);
    *target = alloc_string(text);
    return 0;
}

static int set_bool(const char *text, bool *target, struct err *err)
{
    bool yes = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "on") == 0;
    bool no = strcmp(text, "false") == 0 || strcmp(text, "no") == 0 || strcmp(text, "off") == 0;
    if (!yes && !no)
        return err_set(err, -EINVAL, "this should be true or false");
    *target = yes;
    return 0;
}

static int set_count(const struct keyword *k, const char *text, int *target, struct err *err)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits] != '\0')
        return err_set(err, -EINVAL, "this should be a whole number without a unit, from %lld to %lld", (long long)k->min,
                       (long long)k->max);
    long long value = digits > 12 ? INT64_MAX : strtoll(text, NULL, 10);
    if (value < k->min || value > k->max)
        return err_set(err, -ERANGE, "out of range: %lld to %lld", (long long)k->min, (long long)k->max);
    *target = (int)value;
    return 0;
}

static int set_number(const struct keyword *k, const char *text, double *target, struct err *err)
{
    int64_t pico = 0;
    if (units_parse_decimal(text, PICO_PER_UNIT, &pico) < 0)
        return err_set(err, -EINVAL, "this should be a number such as 0.05, without a unit");
    if (pico < k->min * PICO_PER_UNIT || pico > k->max * PICO_PER_UNIT)
        return err_set(err, -ERANGE, "out of range: %lld to %lld", (long long)k->min, (long long)k->max);
    *target = (double)pico / (double)PICO_PER_UNIT;
    return 0;
}

static int set_percent(const struct keyword *k, const char *text, double *target, struct err *err)
{
    double value = 0;
    int e = units_parse_percent(text, &value, err);
    if (e < 0)
        return e;
    if (value * 100 < (double)k->min || value * 100 > (double)k->max)
        return err_set(err, -ERANGE, "out of range: %lld%% to %lld%%", (long long)k->min, (long long)k->max);
    *target = value;
    return 0;
}

static void format_duration(struct buf *ret, usec_t value)
{
    static const struct {
        usec_t scale;
        const char *name;
    } units[] = {{USEC_PER_DAY, "d"}, {USEC_PER_HOUR, "h"}, {USEC_PER_MINUTE, "m"}, {USEC_PER_SEC, "s"}, {USEC_PER_MSEC, "ms"}, {1, "us"}};
    if (value == 0)
        buf_add_str(ret, "0s");
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (value < units[i].scale)
            continue;
        buf_printf(ret, "%lld%s", (long long)(value / units[i].scale), units[i].name);
        value %= units[i].scale;
        if (value > 0)
            buf_add_char(ret, ' ');
    }
}

static int set_duration(const struct keyword *k, const char *text, usec_t *target, struct err *err)
{
    usec_t value = 0;
    int e = units_parse_duration(text, &value, err);
    if (e < 0)
        return e;
    if (value < k->min || value > k->max) {
        struct buf range = BUF_CAP(128);
        format_duration(&range, k->min);
        buf_add_str(&range, " to ");
        format_duration(&range, k->max);
        e = err_set(err, -ERANGE, "out of range: %s", buf_str(&range));
        buf_done(&range);
        return e;
    }
    *target = value;
    return 0;
}

static int set_size(const struct keyword *k, const char *text, size_t *target, struct err *err)
{
    uint64_t value = 0;
    int e = units_parse_size(text, &value, err);
    if (e < 0)
        return e;
    if (value < (uint64_t)k->min || value > (uint64_t)k->max)
        return err_set(err, -ERANGE, "out of range: %lldB to %lldB", (long long)k->min, (long long)k->max);
    *target = (size_t)value;
    return 0;
}

static int set_mode(const char *text, mode_t *target, struct err *err)
{
    size_t len = strlen(text);
    if (len < 3 || len > 4 || strspn(text, "01234567") != len || (len == 4 && text[0] != '0'))
        return err_set(err, -EINVAL, "this should be an octal mode such as 0660");
    *target = (mode_t)strtoul(text, NULL, 8);
    return 0;
}

static int set_word(const struct keyword *k, const char *text, int *target, struct err *err)
{
    size_t len = 0;
    struct buf all = BUF_CAP(512);
    for (; k->words[len]; len++) {
        if (strcmp(k->words[len], text) == 0) {
            *target = (int)len + (int)k->min;
            buf_done(&all);
            return 0;
        }
        buf_printf(&all, "%s%s", len ? ", " : "", k->words[len]);
    }
    const char *nearest = text_nearest(text, k->words, len);
    int e = nearest ? err_set(err, -EINVAL, "\"%.40s\" is none of %s; did you mean \"%s\"?", text, buf_str(&all), nearest)
                    : err_set(err, -EINVAL, "\"%.40s\" is none of %s", text, buf_str(&all));
    buf_done(&all);
    return e;
}

static int set_money(const struct config *config, const struct keyword *k, const char *text, int64_t *target, struct err *err)
{
    struct money money;
    bool day = k->type == KEYWORD_MONEY_DAY;
    if (day && strcmp(text, "unlimited") == 0) {
        *target = BUDGET_UNLIMITED;
        return 0;
    }
    int e = day ? units_parse_money_per_day(text, &money, err) : units_parse_money(text, &money, err);
    if (e < 0)
        return e;
    int64_t pico = config_convert(config, money.pico, money.currency);
    if (pico < 0)
        return err_set(err, -EINVAL, "no rate for %s: give one in \"rates:\" or use %s", money.currency, config->currency);
    if (pico > k->max * PICO_PER_UNIT)
        return err_set(err, -ERANGE, "out of range: at most %lld %s", (long long)k->max, config->currency);
    *target = pico;
    return 0;
}

int value_parse(const struct config *config, const struct keyword *k, const char *text, void *target, struct err *err)
{
    _Static_assert(sizeof(enum dialect_id) == sizeof(int) && sizeof(enum probe_level) == sizeof(int), "WORD stores an int");
    switch (k->type) {
    case KEYWORD_TEXT:
    case KEYWORD_PATH:
    case KEYWORD_ROUTE_PATH:
        return set_text(k, text, target, err);
    case KEYWORD_BOOL:
        return set_bool(text, target, err);
    case KEYWORD_COUNT:
        return set_count(k, text, target, err);
    case KEYWORD_NUMBER:
        return set_number(k, text, target, err);
    case KEYWORD_PERCENT:
        return set_percent(k, text, target, err);
    case KEYWORD_DURATION:
        return set_duration(k, text, target, err);
    case KEYWORD_SIZE:
        return set_size(k, text, target, err);
    case KEYWORD_MODE:
        return set_mode(text, target, err);
    case KEYWORD_WORD:
        return set_word(k, text, target, err);
    case KEYWORD_MONEY:
    case KEYWORD_MONEY_DAY:
        return set_money(config, k, text, target, err);
    case KEYWORD_SECTION:
    case KEYWORD_OWN:
        break;
    }
    return err_set(err, -EINVAL, "this has a form of its own");
}

static void read_path(struct loader *l, const struct keyword *k, const char *text, struct fy_node *value, char **target)
{
    struct err err;
    char *whole = text[0] == '/' || l->file->dir[0] == '\0' ? alloc_string(text) : alloc_printf("%s/%s", l->file->dir, text);
    if (text[0] == '\0')
        report_error(l, value, "this is empty");
    else if (set_text(k, whole, target, &err) < 0)
        report_error(l, value, "%s", err.text);
    free(whole);
}

void value_read(struct loader *l, const struct keyword *k, struct fy_node *value, void *base)
{
    void *target = (char *)base + k->offset;
    if (k->type == KEYWORD_OWN) {
        k->read(l, value, base);
        return;
    }
    if (k->type == KEYWORD_SECTION) {
        section_read(l, k->section, value, target, NULL);
        return;
    }
    const char *text = node_text(l, value, wants[k->type]);
    struct err err;
    if (!text)
        return;
    if (k->type == KEYWORD_PATH)
        read_path(l, k, text, value, target);
    else if (value_parse(l->config, k, text, target, &err) < 0)
        report_error(l, value, "%s", err.text);
}

void value_format_pico(struct buf *ret, int64_t pico, int64_t unit)
{
    char text[48];
    if (unit == PICO_PER_UNIT_PER_MTOK)
        units_format_price(text, sizeof text, pico);
    else
        units_format_money(text, sizeof text, pico, NULL);
    buf_add_str(ret, text);
}

/* What percent and number mean is decimal: print the decimal that reads back as the same double. */
static void format_decimal(struct buf *ret, double value)
{
    value_format_pico(ret, llround(value * 1e12), PICO_PER_UNIT);
}

static void format_money(const struct config *config, const struct keyword *k, int64_t pico, struct buf *ret)
{
    char text[64];
    if (pico < 0) {
        buf_add_str(ret, "unlimited");
        return;
    }
    buf_printf(ret, "%s%s", units_format_money(text, sizeof text, pico, config->currency), k->type == KEYWORD_MONEY_DAY ? "/day" : "");
}

bool value_format(const struct config *config, const struct keyword *k, const void *base, struct buf *ret)
{
    const void *at = (const char *)base + k->offset;
    switch (k->type) {
    case KEYWORD_TEXT:
    case KEYWORD_PATH:
    case KEYWORD_ROUTE_PATH: {
        const char *text = *(const char *const *)at;
        bool given = text && text[0] != '\0';
        if (given)
            json_quote(ret, text);
        return given;
    }
    case KEYWORD_BOOL:
        buf_add_str(ret, *(const bool *)at ? "true" : "false");
        return true;
    case KEYWORD_COUNT:
        buf_printf(ret, "%d", *(const int *)at);
        return true;
    case KEYWORD_NUMBER:
        format_decimal(ret, *(const double *)at);
        return true;
    case KEYWORD_PERCENT:
        format_decimal(ret, *(const double *)at * 100);
        buf_add_char(ret, '%');
        return true;
    case KEYWORD_DURATION:
        format_duration(ret, *(const usec_t *)at);
        return true;
    case KEYWORD_SIZE:
        buf_printf(ret, "%zuB", *(const size_t *)at);
        return true;
    case KEYWORD_MODE:
        buf_printf(ret, "\"%04o\"", (unsigned)*(const mode_t *)at);
        return true;
    case KEYWORD_WORD:
        buf_add_str(ret, k->words[*(const int *)at - k->min]);
        return true;
    case KEYWORD_MONEY:
        if (*(const int64_t *)at < 0)
            return false; /* not given */
        __attribute__((fallthrough));
    case KEYWORD_MONEY_DAY:
        format_money(config, k, *(const int64_t *)at, ret);
        return true;
    case KEYWORD_SECTION:
    case KEYWORD_OWN:
        break;
    }
    return false;
}
