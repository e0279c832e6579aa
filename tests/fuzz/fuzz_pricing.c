/* Fetched prices from a checkpoint of any bytes: taken whole or not at all; what was taken is written as what reads back the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probed/pricing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pricing *p = pricing_new(NULL), *again = pricing_new(NULL);
    CLEANUP(buf_done) struct buf first = BUF_CAP((size_t)1 << 24);
    CLEANUP(buf_done) struct buf second = BUF_CAP((size_t)1 << 24);
    if (pricing_restore(p, data, size) == 0) {
        pricing_save(p, &first);
        if (pricing_restore(again, first.data, first.len) < 0)
            abort();
        pricing_save(again, &second);
        if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
            abort();
    }
    pricing_free(p);
    pricing_free(again);
    return 0;
}
