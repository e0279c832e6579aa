/* JSON into bytes. Whether a comma is due is told by the last byte: after an opening bracket none is, after anything else one is (a text
 * ends with its quote, so its brackets are not met). */
#include "probed/store/reply.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json.h"

static void begin(struct buf *to, const char *name)
{
    char last = to->len > 0 ? to->data[to->len - 1] : '[';

    if (last != '{' && last != '[')
        buf_add_char(to, ',');
    if (name != NULL) {
        buf_add_char(to, '"');
        buf_add_str(to, name);
        buf_add(to, "\":", 2);
    }
}

void reply_add_object(struct buf *to, const char *name)
{
    begin(to, name);
    buf_add_char(to, '{');
}

void reply_add_array(struct buf *to, const char *name)
{
    begin(to, name);
    buf_add_char(to, '[');
}

void reply_close(struct buf *to, char bracket)
{
    buf_add_char(to, bracket);
}

void reply_add_null(struct buf *to, const char *name)
{
    begin(to, name);
    buf_add(to, "null", 4);
}

void reply_add_text(struct buf *to, const char *name, const char *text)
{
    if (text == NULL || text[0] == '\0') {
        reply_add_null(to, name);
        return;
    }
    begin(to, name);
    json_quote(to, text);
}

void reply_add_bool(struct buf *to, const char *name, bool value)
{
    begin(to, name);
    buf_add_str(to, value ? "true" : "false");
}

void reply_add_decimal(struct buf *to, const char *name, int64_t value, unsigned places)
{
    char text[40], *at = text + sizeof text;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;

    begin(to, name);
    for (; places > 0 && rest % 10 == 0; places--)
        rest /= 10;
    for (; places > 0; places--, rest /= 10) {
        *--at = (char)('0' + rest % 10);
        if (places == 1)
            *--at = '.';
    }
    do
        *--at = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (value < 0)
        *--at = '-';
    buf_add(to, at, (size_t)(text + sizeof text - at));
}

void reply_add_int(struct buf *to, const char *name, int64_t value)
{
    reply_add_decimal(to, name, value, 0);
}

void reply_add_real(struct buf *to, const char *name, double value, unsigned places)
{
    double scaled = value * pow(10, places);

    if (!isfinite(scaled) || fabs(scaled) > 1e18)
        reply_add_null(to, name);
    else
        reply_add_decimal(to, name, llround(scaled), places);
}

/* value / by, rounded half away from zero; by > 0. */
static int64_t divided(int64_t value, int64_t by)
{
    int64_t rest = value % by;

    return value / by + (rest >= by - by / 2 ? 1 : rest <= by / 2 - by ? -1 : 0);
}

void reply_add_time(struct buf *to, const char *name, usec_t wall)
{
    reply_add_decimal(to, name, divided(wall, USEC_PER_MSEC), 3);
}

void reply_add_ms(struct buf *to, const char *name, usec_t duration)
{
    if (duration < 0)
        reply_add_null(to, name);
    else
        reply_add_decimal(to, name, duration, 3);
}

void reply_add_price(struct buf *to, const char *name, int64_t pico_per_token)
{
    if (pico_per_token < 0)
        reply_add_null(to, name);
    else
        reply_add_decimal(to, name, pico_per_token, 6);
}
