/* Any text as a quantity: each parser takes it or says a sentence and leaves the result alone; what is taken prints and reads back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/text.h"
#include "shared/units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool holds)
{
    if (!holds)
        abort();
}

static void check_err(const struct err *err)
{
    insist(err->text[0] && strlen(err->text) < ERR_TEXT_MAX && text_is_utf8(err->text, strlen(err->text)) && !strchr(err->text, '\n'));
}

static void check_money(const char *text, int (*parse)(const char *, struct money *, struct err *))
{
    struct err err = {.text = ""};
    struct money m = {.pico = -7, .currency = "?"}, again;
    if (parse(text, &m, &err) < 0) {
        check_err(&err);
        insist(m.pico == -7 && m.currency[0] == '?');
        return;
    }
    char printed[64];
    insist(m.pico >= 0 && strlen(m.currency) >= 2);
    units_format_money(printed, sizeof(printed), m.pico, m.currency);
    insist(units_parse_money(printed, &again, NULL) == 0 && again.pico == m.pico && strcmp(again.currency, m.currency) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 100000)
        return 0;
    CLEANUP(alloc_freep) char *text = alloc_string_n((const char *)data, size);
    struct err err = {.text = ""};
    char printed[64];

    usec_t duration = -7, again = 0;
    if (units_parse_duration(text, &duration, &err) == 0) {
        insist(duration >= 0);
        insist(units_parse_duration(units_format_duration(printed, sizeof(printed), duration), &again, NULL) == 0);
    } else {
        check_err(&err);
        insist(duration == -7);
    }
    uint64_t bytes = 7, bytes_again;
    if (units_parse_size(text, &bytes, &err) == 0)
        insist(units_parse_size(units_format_size(printed, sizeof(printed), bytes), &bytes_again, NULL) == 0);
    else
        insist(bytes == 7);
    double share = -7;
    if (units_parse_percent(text, &share, &err) == 0)
        insist(share >= 0 && share <= 1);
    else
        insist(share == -7);
    check_money(text, units_parse_money);
    check_money(text, units_parse_price);
    check_money(text, units_parse_money_per_day);

    static const int64_t scales[] = {0, 1, PICO_PER_UNIT, INT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(scales); i++) {
        int64_t value = -7;
        if (units_parse_decimal(text, scales[i], &value) < 0)
            insist(value == -7);
        units_format_money(printed, sizeof(printed), value, NULL);
        units_format_duration(printed, sizeof(printed), value);
        units_format_time(printed, sizeof(printed), value);
    }

    CLEANUP(buf_done) struct buf b = BUF_INIT;
    text_add_cell(&b, text, size % 50, TEXT_LEFT, true);
    insist(text_width(buf_str(&b)) == size % 50);
    buf_clear(&b);
    text_escape_terminal(&b, (const char *)data, size, size);
    insist(text_is_utf8(buf_str(&b), b.len) && strlen(buf_str(&b)) == b.len);
    return 0;
}
