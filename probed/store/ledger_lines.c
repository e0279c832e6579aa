/* The lines of the ledger: one record each, as text with a checksum, and what a file of them adds up to.
 *
 *   B HOUR PICO TRIPPED PLATFORM MODEL CRC           what an hour holds
 *   R AT PICO PLATFORM MODEL CRC                     reserved
 *   S AT PICO ACTUAL TRIPPED PLATFORM MODEL CRC      settled: that reservation cost ACTUAL (-1: not known)
 *   T PLATFORM MODEL CRC                             the breaker was reset
 *
 * Names are percent-encoded so that blanks part the fields; CRC is the CRC-32 of everything before it, eight hex digits. A settlement takes effect on the
 * reservation with the same account, time and sum. If that line was lost the settlement adds its cost: too much is never
 * given back. Hours that are over long since are dropped; an hour in the future (the clock was wrong once) counts as this hour, so that a clock set back
 * cannot refill the budget. A reservation shows that the breaker was closed at that time. */
#include "probed/store/ledger_parts.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

#define HOURS 26 /* the window is 24 to 25 hours and some minutes */
#define OPEN_MAX 16 /* reservations of one account that may still be settled; one is usual */
#define TABLE_SIZE 8192 /* a power of 2; chains do the rest */
#define ACCOUNTS_MAX 200000

/* --- one line --------------------------------------------------------------------------------------------------------- */

/* CRC-32 (IEEE 802.3), four bits at a time. */
static uint32_t crc32_of(const char *data, size_t len)
{
    static const uint32_t step[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)data[i];
        crc = (crc >> 4) ^ step[crc & 15];
        crc = (crc >> 4) ^ step[crc & 15];
    }
    return ~crc;
}

static void write_name(struct buf *ret, const char *name)
{
    buf_add_char(ret, ' ');
    if (*name == '\0') /* "-" alone is the empty name; a real "-" is encoded */
        buf_add_char(ret, '-');
    for (const char *p = name; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        if (c <= ' ' || c == '%' || c == 0x7f || (c == '-' && name[1] == '\0'))
            buf_printf(ret, "%%%02x", c);
        else
            buf_add_char(ret, *p);
    }
}

bool ledger_line_write(struct buf *ret, const struct ledger_line *line)
{
    size_t start = ret->len;
    switch (line->kind) {
    case LEDGER_BUCKET:
        buf_printf(ret, "B %" PRId64 " %" PRId64 " %d", line->hour, line->pico, line->tripped);
        break;
    case LEDGER_RESERVE:
        buf_printf(ret, "R %" PRId64 " %" PRId64, line->at, line->pico);
        break;
    case LEDGER_SETTLE:
        buf_printf(ret, "S %" PRId64 " %" PRId64 " %" PRId64 " %d", line->at, line->pico, line->actual, line->tripped);
        break;
    case LEDGER_RESET:
        buf_add_char(ret, 'T');
        break;
    }
    write_name(ret, line->platform);
    write_name(ret, line->model);
    buf_printf(ret, " %08x\n", crc32_of(buf_str(ret) + start, ret->len - start));
    return ret->len - start <= LEDGER_LINE_MAX;
}

struct cursor {
    const char *at, *end;
    bool bad;
};

/* The next field, which ends at a blank or at the end; "" when there is none. */
static size_t next_field(struct cursor *c, const char **ret)
{
    if (c->at < c->end && *c->at == ' ')
        c->at++;
    *ret = c->at;
    while (c->at < c->end && *c->at != ' ')
        c->at++;
    size_t len = (size_t)(c->at - *ret);
    c->bad |= len == 0;
    return len;
}

static int64_t next_number(struct cursor *c, int64_t min, int64_t max)
{
    const char *field;
    size_t len = next_field(c, &field);
    char digits[24], *end;
    if (c->bad || len >= sizeof(digits)) {
        c->bad = true;
        return 0;
    }
    memcpy(digits, field, len);
    digits[len] = '\0';
    errno = 0;
    long long value = strtoll(digits, &end, 10);
    c->bad |= errno != 0 || *end != '\0' || value < min || value > max || isspace((unsigned char)digits[0]);
    return c->bad ? 0 : value;
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void next_name(struct cursor *c, char *ret, size_t size)
{
    const char *field;
    size_t len = next_field(c, &field), n = 0;
    ret[0] = '\0';
    if (c->bad || (len == 1 && field[0] == '-'))
        return;
    for (size_t i = 0; i < len; i++) {
        int byte = (unsigned char)field[i];
        if (byte == '%') {
            int high = i + 2 < len ? hex_of(field[i + 1]) : -1, low = i + 2 < len ? hex_of(field[i + 2]) : -1;
            if (high < 0 || low < 0) {
                c->bad = true;
                return;
            }
            byte = high * 16 + low;
            i += 2;
        }
        if (byte == 0 || n + 1 >= size) {
            c->bad = true;
            return;
        }
        ret[n++] = (char)byte;
    }
    ret[n] = '\0';
}

static bool checksum_fits(const char *text, size_t *len)
{
    if (*len < 10 || *len > LEDGER_LINE_MAX || text[*len - 9] != ' ')
        return false;
    uint32_t told = 0;
    for (size_t i = *len - 8; i < *len; i++) {
        int digit = hex_of(text[i]);
        if (digit < 0)
            return false;
        told = told << 4 | (uint32_t)digit;
    }
    *len -= 9;
    return crc32_of(text, *len) == told;
}

bool ledger_line_read(const char *text, size_t len, struct ledger_line *ret)
{
    if (!checksum_fits(text, &len))
        return false;
    struct cursor c = {.at = text + 1, .end = text + len};
    *ret = (struct ledger_line){.kind = (enum ledger_kind)text[0], .actual = -1};
    switch (text[0]) {
    case LEDGER_BUCKET:
        ret->hour = next_number(&c, 0, USEC_INFINITY / USEC_PER_HOUR);
        ret->pico = next_number(&c, 0, LEDGER_PICO_MAX);
        ret->tripped = next_number(&c, 0, 1) == 1;
        break;
    case LEDGER_RESERVE:
        ret->at = next_number(&c, 0, INT64_MAX / 2);
        ret->pico = next_number(&c, 0, LEDGER_PICO_MAX);
        break;
    case LEDGER_SETTLE:
        ret->at = next_number(&c, 0, INT64_MAX / 2);
        ret->pico = next_number(&c, 0, LEDGER_PICO_MAX);
        ret->actual = next_number(&c, -1, LEDGER_PICO_MAX);
        ret->tripped = next_number(&c, 0, 1) == 1;
        break;
    case LEDGER_RESET:
        break;
    default:
        return false;
    }
    next_name(&c, ret->platform, sizeof(ret->platform));
    next_name(&c, ret->model, sizeof(ret->model));
    return !c.bad && c.at == c.end;
}

/* --- the sum of many -------------------------------------------------------------------------------------------------- */

struct reservation {
    usec_t at;
    int64_t pico;
};

struct account {
    struct account *next;
    char *platform, *model;
    int64_t pico[HOURS]; /* by hour modulo HOURS */
    struct reservation open[OPEN_MAX];
    unsigned open_len;
    bool tripped;
};

struct ledger_sum {
    int64_t hour; /* now */
    size_t len;
    struct account *table[TABLE_SIZE];
};

struct ledger_sum *ledger_sum_new(usec_t now)
{
    struct ledger_sum *sum = alloc_zero(1, sizeof(*sum));
    sum->hour = now / USEC_PER_HOUR;
    return sum;
}

struct ledger_sum *ledger_sum_free(struct ledger_sum *sum)
{
    if (sum != NULL) {
        for (size_t i = 0; i < TABLE_SIZE; i++) {
            while (sum->table[i] != NULL) {
                struct account *a = sum->table[i];
                sum->table[i] = a->next;
                alloc_freep(&a->platform);
                alloc_freep(&a->model);
                alloc_freep(&a);
            }
        }
        alloc_freep(&sum);
    }
    return NULL;
}

static struct account *account_of(struct ledger_sum *sum, const char *platform, const char *model)
{
    uint32_t hash = crc32_of(platform, strlen(platform)) * 31 + crc32_of(model, strlen(model));
    struct account **slot = &sum->table[hash % TABLE_SIZE];
    for (struct account *a = *slot; a != NULL; a = a->next)
        if (strcmp(a->platform, platform) == 0 && strcmp(a->model, model) == 0)
            return a;
    if (sum->len >= ACCOUNTS_MAX)
        return NULL;
    sum->len++;
    struct account *a = alloc_zero(1, sizeof(*a));
    a->platform = alloc_string(platform);
    a->model = alloc_string(model);
    a->next = *slot;
    *slot = a;
    return a;
}

/* Where an hour's money is kept; NULL = over long since. */
static int64_t *hour_of(const struct ledger_sum *sum, struct account *a, int64_t hour)
{
    if (hour <= sum->hour - HOURS)
        return NULL;
    return &a->pico[(hour > sum->hour ? sum->hour : hour) % HOURS];
}

static void add_money(int64_t *to, int64_t pico)
{
    if (to == NULL)
        return;
    if (__builtin_add_overflow(*to, pico, to) || *to > LEDGER_PICO_MAX)
        *to = LEDGER_PICO_MAX;
    if (*to < 0)
        *to = 0;
}

static void settle(const struct ledger_sum *sum, struct account *a, const struct ledger_line *line)
{
    int64_t *money = hour_of(sum, a, line->at / USEC_PER_HOUR);
    for (unsigned i = a->open_len; i-- > 0;) {
        if (a->open[i].at != line->at || a->open[i].pico != line->pico)
            continue;
        a->open[i] = a->open[--a->open_len];
        if (line->actual >= 0)
            add_money(money, line->actual - line->pico);
        return;
    }
    add_money(money, line->actual >= 0 ? line->actual : line->pico);
}

bool ledger_sum_add(struct ledger_sum *sum, const struct ledger_line *line)
{
    struct account *a = account_of(sum, line->platform, line->model);
    if (a == NULL)
        return false;
    switch (line->kind) {
    case LEDGER_BUCKET:
        add_money(hour_of(sum, a, line->hour), line->pico);
        a->tripped |= line->tripped;
        break;
    case LEDGER_RESERVE:
        add_money(hour_of(sum, a, line->at / USEC_PER_HOUR), line->pico);
        a->tripped = false;
        if (a->open_len == OPEN_MAX) /* the oldest will not be settled any more */
            memmove(a->open, a->open + 1, --a->open_len * sizeof(a->open[0]));
        a->open[a->open_len++] = (struct reservation){line->at, line->pico};
        break;
    case LEDGER_SETTLE:
        settle(sum, a, line);
        a->tripped |= line->tripped;
        break;
    case LEDGER_RESET:
        a->tripped = false;
        break;
    }
    return true;
}

/* Calls fn for each non-empty hour, and once for an open breaker without money: it outlives it. `less`: what is open is left out. */
static void each_hour(const struct ledger_sum *sum, const struct account *a, bool less,
                      void (*fn)(void *arg, const char *platform, const char *model, int64_t hour, int64_t pico, bool tripped), void *arg)
{
    bool said = false;
    for (int64_t hour = sum->hour - HOURS + 1; hour <= sum->hour; hour++) {
        if (hour < 0)
            continue;
        int64_t pico = a->pico[hour % HOURS];
        for (unsigned i = 0; less && i < a->open_len; i++)
            if (a->open[i].at / USEC_PER_HOUR == hour)
                pico -= a->open[i].pico;
        if (pico <= 0)
            continue;
        fn(arg, a->platform, a->model, hour, pico, a->tripped);
        said = true;
    }
    if (a->tripped && !said)
        fn(arg, a->platform, a->model, sum->hour, 0, true);
}

void ledger_sum_each(const struct ledger_sum *sum,
                     void (*fn)(void *arg, const char *platform, const char *model, int64_t hour, int64_t pico, bool tripped), void *arg)
{
    for (size_t i = 0; i < TABLE_SIZE; i++)
        for (const struct account *a = sum->table[i]; a != NULL; a = a->next)
            each_hour(sum, a, false, fn, arg);
}

/* The bytes as they are: both came from a line, and fit. */
static void copy_names(struct ledger_line *line, const char *platform, const char *model)
{
    snprintf(line->platform, sizeof(line->platform), "%s", platform);
    snprintf(line->model, sizeof(line->model), "%s", model);
}

static void write_bucket(void *arg, const char *platform, const char *model, int64_t hour, int64_t pico, bool tripped)
{
    struct ledger_line line = {.kind = LEDGER_BUCKET, .hour = hour, .pico = pico, .tripped = tripped};
    copy_names(&line, platform, model);
    ledger_line_write(arg, &line);
}

void ledger_sum_write(const struct ledger_sum *sum, bool open, struct buf *ret)
{
    buf_add_str(ret, LEDGER_HEAD "\n");
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        for (const struct account *a = sum->table[i]; a != NULL; a = a->next) {
            for (unsigned k = 0; open && k < a->open_len; k++) {
                if (a->open[k].at / USEC_PER_HOUR <= sum->hour - HOURS)
                    continue;
                struct ledger_line line = {.kind = LEDGER_RESERVE, .at = a->open[k].at, .pico = a->open[k].pico};
                copy_names(&line, a->platform, a->model);
                ledger_line_write(ret, &line);
            }
            each_hour(sum, a, open, write_bucket, ret); /* after the reservations, which say that the breaker is closed */
        }
    }
}

/* --- a file ----------------------------------------------------------------------------------------------------------- */

void ledger_reading_init(struct ledger_reading *r, struct ledger_sum *sum)
{
    *r = (struct ledger_reading){.sum = sum, .line = BUF_CAP(LEDGER_LINE_MAX)};
}

static void end_line(struct ledger_reading *r, bool torn)
{
    struct ledger_line line;
    if (!r->head_seen) {
        r->head_seen = true;
        r->not_ours = torn || r->line.full || strcmp(buf_str(&r->line), LEDGER_HEAD) != 0;
    } else if (r->line.len > 0 || r->line.full) {
        if (torn || r->line.full || !ledger_line_read(r->line.data, r->line.len, &line) || !ledger_sum_add(r->sum, &line))
            r->skipped++;
    }
    buf_clear(&r->line);
}

void ledger_reading_feed(struct ledger_reading *r, const char *data, size_t len)
{
    while (len > 0 && !r->not_ours) {
        const char *eol = memchr(data, '\n', len);
        size_t n = eol != NULL ? (size_t)(eol - data) : len;
        if (!r->line.full) /* too long: damaged, up to its end */
            buf_add(&r->line, data, n);
        if (eol == NULL)
            return;
        end_line(r, false);
        data += n + 1;
        len -= n + 1;
    }
}

void ledger_reading_end(struct ledger_reading *r)
{
    if (r->line.len > 0 || r->line.full)
        end_line(r, true);
    buf_done(&r->line);
}
