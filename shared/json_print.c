/* JSON out: trees, strings and numbers as text.
 *
 * cJSON's own printer compares with an epsilon, so that its numbers lose their last digits (a time in microseconds becomes
 * 1.7639e+15) or gain sixteen that nobody wrote; here a number is the shortest text that reads back as the same double. Strings are escaped
 * as JSON wants and beyond: what would move a terminal's cursor or reorder its text goes out as \uXXXX, since people point curl at the
 * socket. Trees come from json_parse or from our builders, so their depth is small; one that is deeper than twice JSON_DEPTH_MAX is cut
 * with null. Output goes to the caller's buffer and stops at its cap. No state. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json.h"
#include "shared/text.h"

#define INDENT 2

/* Writes units / 10^places in decimal, without the zeros at its end. */
static void format_fixed(char *buf, size_t size, int64_t units, unsigned places)
{
    static const int64_t power[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};
    uint64_t magnitude = units < 0 ? 0 - (uint64_t)units : (uint64_t)units;
    while (places > 0 && magnitude % 10 == 0) {
        magnitude /= 10;
        places--;
    }
    const char *sign = units < 0 ? "-" : "";
    uint64_t whole = magnitude / (uint64_t)power[places], rest = magnitude % (uint64_t)power[places];
    if (places == 0)
        snprintf(buf, size, "%s%" PRIu64, sign, whole);
    else
        snprintf(buf, size, "%s%" PRIu64 ".%0*" PRIu64, sign, whole, (int)places, rest);
}

char *json_format_number(char *buf, size_t size, double value)
{
    if (!isfinite(value)) {
        snprintf(buf, size, "null");
        return buf;
    }
    /* Nearly all of ours are decimals of few places. Quotients of exact doubles are rounded correctly, so a decimal of at most 15
     * digits that divides back to the same double is the shortest text for it. */
    static const struct {
        double scale;
        unsigned places;
    } tries[] = {{1, 0}, {1e3, 3}, {1e6, 6}, {1e9, 9}};
    for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
        double units = nearbyint(value * tries[i].scale);
        if (fabs(units) < 1e15 && units / tries[i].scale == value && (units != 0 || value == 0)) {
            format_fixed(buf, size, (int64_t)units, tries[i].places);
            return buf;
        }
    }
    /* Below the smallest normal number fewer digits may do. */
    char text[40];
    for (int digits = fabs(value) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    /* A program that called setlocale may have a decimal comma. */
    char *comma = strchr(text, ',');
    if (comma)
        *comma = '.';
    snprintf(buf, size, "%s", text);
    return buf;
}

static void quote_char(struct buf *ret, uint32_t c)
{
    static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i + 1 < sizeof(names); i += 2) {
        if (c == (uint32_t)names[i]) {
            const char escape[2] = {'\\', names[i + 1]};
            buf_add(ret, escape, sizeof(escape));
            return;
        }
    }
    if (c < 0x10000)
        buf_printf(ret, "\\u%04x", (unsigned)c);
    else
        buf_printf(ret, "\\u%04x\\u%04x", (unsigned)(0xD800 + ((c - 0x10000) >> 10)), (unsigned)(0xDC00 + ((c - 0x10000) & 0x3FF)));
}

void json_quote(struct buf *ret, const char *s)
{
    size_t len = strlen(s), plain = 0;
    buf_add_char(ret, '"');
    while (plain < len) {
        unsigned char first = (unsigned char)s[plain];
        if (first >= 0x20 && first < 0x7F && first != '"' && first != '\\') {
            plain++;
            continue;
        }
        uint32_t c;
        size_t n = text_decode(s + plain, len - plain, &c);
        if (c != TEXT_BROKEN && c != '"' && c != '\\' && !text_is_harmful(c)) {
            plain += n;
            continue;
        }
        buf_add(ret, s, plain);
        if (c == TEXT_BROKEN)
            buf_add_str(ret, "\xEF\xBF\xBD");
        else
            quote_char(ret, c);
        s += plain + n;
        len -= plain + n;
        plain = 0;
    }
    buf_add(ret, s, plain);
    buf_add_char(ret, '"');
}

static void new_line(struct buf *ret, bool indented, unsigned depth)
{
    if (!indented)
        return;
    buf_add_char(ret, '\n');
    for (unsigned i = 0; i < depth * INDENT; i++)
        buf_add_char(ret, ' ');
}

static void print_value(const cJSON *json, bool indented, unsigned depth, struct buf *ret);

static void print_container(const cJSON *json, bool indented, unsigned depth, struct buf *ret)
{
    bool object = cJSON_IsObject(json);
    buf_add_char(ret, object ? '{' : '[');
    for (const cJSON *item = json->child; item; item = item->next) {
        if (item != json->child)
            buf_add_char(ret, ',');
        new_line(ret, indented, depth + 1);
        if (object) {
            json_quote(ret, item->string ? item->string : "");
            buf_add_str(ret, indented ? ": " : ":");
        }
        print_value(item, indented, depth + 1, ret);
    }
    if (json->child)
        new_line(ret, indented, depth);
    buf_add_char(ret, object ? '}' : ']');
}

static void print_value(const cJSON *json, bool indented, unsigned depth, struct buf *ret)
{
    char number[40];
    if ((cJSON_IsObject(json) || cJSON_IsArray(json)) && depth < 2 * JSON_DEPTH_MAX)
        print_container(json, indented, depth, ret);
    else if (cJSON_IsString(json))
        json_quote(ret, json->valuestring);
    else if (cJSON_IsNumber(json))
        buf_add_str(ret, json_format_number(number, sizeof(number), json->valuedouble));
    else if (cJSON_IsRaw(json) && json->valuestring)
        buf_add_str(ret, json->valuestring);
    else if (cJSON_IsBool(json))
        buf_add_str(ret, cJSON_IsTrue(json) ? "true" : "false");
    else
        buf_add_str(ret, "null");
}

void json_print(const cJSON *json, bool indented, struct buf *ret)
{
    print_value(json, indented, 0, ret);
}
