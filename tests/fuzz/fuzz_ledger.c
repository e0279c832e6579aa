/* A ledger of any bytes: never crashes, and what it adds up to is written so that it adds up to the same again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probed/store/ledger_parts.h"
#include "shared/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW ((usec_t)1793000000 * USEC_PER_SEC)

/* The sum of sums, order aside. */
static void digest(void *arg, const char *platform, const char *model, int64_t hour, int64_t pico, bool tripped)
{
    uint64_t *sum = arg, h = 1469598103934665603u;
    for (const char *p = platform; *p != '\0'; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    for (const char *p = model; *p != '\0'; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    if (pico < 0 || hour > NOW / USEC_PER_HOUR)
        abort();
    *sum += h * (uint64_t)(hour + 1) + (uint64_t)pico * 31 + tripped;
}

/* In two pieces, cut where `cut` says. */
static struct ledger_sum *read_whole(const char *data, size_t size, size_t cut, bool *not_ours)
{
    struct ledger_sum *sum = ledger_sum_new(NOW);
    struct ledger_reading reading;
    ledger_reading_init(&reading, sum);
    ledger_reading_feed(&reading, data, cut);
    ledger_reading_feed(&reading, data + cut, size - cut);
    ledger_reading_end(&reading);
    *not_ours = reading.not_ours;
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* The head and the checksums are ours, or nothing would ever get past them: each line of the input is a line's text without its checksum, and
     * every second input is taken as it is. */
    uint64_t first = 0, second = 0, cut_sum = 0;
    bool not_ours;
    if (size == 0)
        return 0;
    struct buf text = BUF_INIT;
    if (data[0] & 1) {
        buf_add(&text, data + 1, size - 1);
    } else {
        struct ledger_line line;
        buf_add_str(&text, LEDGER_HEAD "\n");
        for (size_t at = 1; at + 8 <= size; at += 8) { /* eight bytes make a record */
            const uint8_t *b = data + at;
            line = (struct ledger_line){.kind = (enum ledger_kind)"BRST"[b[0] & 3], .hour = NOW / USEC_PER_HOUR - 30 + b[1] % 34, .pico = b[2] * 1000};
            line.at = NOW - (b[3] % 30) * USEC_PER_HOUR + b[4] % 4;
            line.actual = b[5] == 0 ? -1 : b[5] * 1000;
            line.tripped = b[6] & 1;
            line.platform[0] = (char)b[7];
            line.model[0] = (char)(b[6] >> 1);
            ledger_line_write(&text, &line);
        }
    }
    struct ledger_sum *sum = read_whole(buf_str(&text), text.len, 0, &not_ours);
    ledger_sum_each(sum, digest, &first);
    struct ledger_sum *in_two = read_whole(buf_str(&text), text.len, text.len * data[0] / 255, &not_ours);
    ledger_sum_each(in_two, digest, &cut_sum);
    struct buf again = BUF_INIT;
    ledger_sum_write(sum, data[0] & 2, &again);
    struct ledger_sum *back = read_whole(buf_str(&again), again.len, 0, &not_ours);
    ledger_sum_each(back, digest, &second);
    if (first != second || first != cut_sum || not_ours)
        abort();
    ledger_sum_free(sum);
    ledger_sum_free(in_two);
    ledger_sum_free(back);
    buf_done(&text);
    buf_done(&again);
    return 0;
}
