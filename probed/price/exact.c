/* Exact arithmetic on the decimal numbers of price lists.
 *
 * A relay of the one-api family does not say a price, it says up to five factors of one (model ratio x completion ratio x group ratio x
 * money for a unit / quota for a unit). Each is decimal text; a product of binary fractions would depend on their order, and a price would
 * seem to change when nothing did. So the digits are multiplied as integers (limbs of nine digits), the decimal point is moved at the end,
 * and one rounding makes pico-units of it: the double of the exact value is cut, one is added, and that is halved, which is half up.
 * Bounded memory, no floating point, no state. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probed/price/prices_parts.h"

#define LIMB       1000000000u
#define LIMB_ZEROS 9
/* Six factors of 63 digits, scale and double: 405 digits. Moving the point to the right adds at most SHIFT_MAX. */
#define LIMBS_MAX    64
#define SHIFT_MAX    60
#define EXPONENT_MAX 1000

struct big {
    uint32_t limbs[LIMBS_MAX]; /* least significant first */
    size_t len;
};

/* False: it would not fit, which no price comes near. */
static bool big_multiply(struct big *big, uint32_t by, uint32_t plus)
{
    uint64_t carry = plus;
    for (size_t i = 0; i < big->len; i++) {
        carry += (uint64_t)big->limbs[i] * by;
        big->limbs[i] = (uint32_t)(carry % LIMB);
        carry /= LIMB;
    }
    if (carry == 0)
        return true;
    if (big->len == LIMBS_MAX)
        return false;
    big->limbs[big->len++] = (uint32_t)carry;
    return true;
}

/* By a number below 2^63: three factors below a limb. */
static bool big_multiply_wide(struct big *big, uint64_t by)
{
    struct big low = *big, high = *big;
    if (by < LIMB)
        return big_multiply(big, (uint32_t)by, 0);
    /* by = high x LIMB + low; high may itself be wide. */
    if (!big_multiply(&low, (uint32_t)(by % LIMB), 0) || !big_multiply_wide(&high, by / LIMB) || high.len == LIMBS_MAX)
        return false;
    memmove(high.limbs + 1, high.limbs, high.len * sizeof high.limbs[0]);
    high.limbs[0] = 0;
    high.len++;
    uint64_t carry = 0;
    for (size_t i = 0; i < high.len; i++) {
        carry += (uint64_t)high.limbs[i] + (i < low.len ? low.limbs[i] : 0);
        high.limbs[i] = (uint32_t)(carry % LIMB);
        carry /= LIMB;
    }
    *big = high;
    return carry == 0;
}

/* Cuts what does not divide. */
static void big_divide(struct big *big, uint64_t by)
{
    unsigned __int128 rest = 0;
    for (size_t i = big->len; i > 0; i--) {
        rest = rest * LIMB + big->limbs[i - 1];
        big->limbs[i - 1] = (uint32_t)(rest / by);
        rest %= by;
    }
    while (big->len > 0 && big->limbs[big->len - 1] == 0)
        big->len--;
}

/* text is a decimal number, known to be one; its digits come to big, where its point stands to exponent. */
static bool big_take(struct big *product, const char *text, long *exponent)
{
    bool behind = false;
    struct big digits = {.len = 0};
    for (; *text && *text != 'e' && *text != 'E'; text++) {
        if (*text == '.') {
            behind = true;
            continue;
        }
        if (!big_multiply(&digits, 10, (uint32_t)(*text - '0')))
            return false;
        *exponent -= behind;
    }
    if (*text) {
        long e = strtol(text + 1, NULL, 10);
        *exponent += e > EXPONENT_MAX ? EXPONENT_MAX : e < -EXPONENT_MAX ? -EXPONENT_MAX : e;
    }
    /* product x digits, a limb at a time. */
    struct big sum = {.len = 0};
    for (size_t i = digits.len; i > 0; i--) {
        if (sum.len == LIMBS_MAX)
            return false;
        if (sum.len > 0) {
            memmove(sum.limbs + 1, sum.limbs, sum.len * sizeof sum.limbs[0]);
            sum.limbs[0] = 0;
            sum.len++;
        }
        uint64_t carry = 0;
        for (size_t j = 0; j < product->len || carry > 0; j++) {
            if (j == LIMBS_MAX)
                return false;
            if (j == sum.len)
                sum.limbs[sum.len++] = 0;
            carry += sum.limbs[j] + (j < product->len ? (uint64_t)product->limbs[j] * digits.limbs[i - 1] : 0);
            sum.limbs[j] = (uint32_t)(carry % LIMB);
            carry /= LIMB;
        }
    }
    *product = sum;
    return true;
}

static bool is_decimal(const char *text)
{
    int64_t ignored;
    /* Too large is a number as well. */
    return text && text[0] != '-' && strlen(text) < DECIMAL_MAX && units_parse_decimal(text, 0, &ignored) != -EINVAL;
}

int64_t exact_product(const char *const *factors, size_t len, int64_t scale, int64_t divisor)
{
    struct big product = {.limbs = {2}, .len = 1};
    long exponent = 0;
    if (divisor <= 0 || !big_multiply_wide(&product, (uint64_t)scale))
        return PRICE_UNKNOWN;
    for (size_t i = 0; i < len; i++)
        if (!is_decimal(factors[i]) || !big_take(&product, factors[i], &exponent))
            return PRICE_UNKNOWN;
    while (product.len > 0 && product.limbs[product.len - 1] == 0)
        product.len--;
    if (product.len == 0)
        return 0;
    if (exponent > SHIFT_MAX)
        return PRICE_UNKNOWN;
    for (; exponent > 0; exponent--)
        if (!big_multiply(&product, 10, 0))
            return PRICE_UNKNOWN;
    for (; exponent <= -LIMB_ZEROS && product.len > 0; exponent += LIMB_ZEROS)
        big_divide(&product, LIMB);
    for (; exponent < 0 && product.len > 0; exponent++)
        big_divide(&product, 10);
    big_divide(&product, (uint64_t)divisor);
    unsigned __int128 value = 0;
    if (product.len > 3)
        return PRICE_UNKNOWN;
    for (size_t i = product.len; i > 0; i--)
        value = value * LIMB + product.limbs[i - 1];
    value = (value + 1) / 2;
    return value > (unsigned __int128)INT64_MAX ? PRICE_UNKNOWN : (int64_t)value;
}

const char *decimal_of(const cJSON *value, char buf[DECIMAL_MAX])
{
    const char *string = cJSON_IsString(value) ? value->valuestring : NULL;
    if (string && strlen(string) >= DECIMAL_MAX)
        return NULL;
    if (!value || !json_text(value, "", buf, DECIMAL_MAX))
        return NULL;
    return is_decimal(buf) ? buf : NULL;
}

const char *decimal_at(const cJSON *json, const char *path, char buf[DECIMAL_MAX])
{
    return decimal_of(json_at(json, path), buf);
}

const char *decimal_span(struct span span, char buf[DECIMAL_MAX])
{
    if (span.len == 0 || span.len >= DECIMAL_MAX + 2)
        return NULL;
    bool quoted = span_is(span, '"');
    size_t len = quoted ? span.len - 2 : span.len;
    if (len >= DECIMAL_MAX)
        return NULL;
    memcpy(buf, span.at + quoted, len);
    buf[len] = '\0';
    return strlen(buf) == len && is_decimal(buf) ? buf : NULL;
}

bool decimal_is_zero(const char *text)
{
    return strspn(text, "0.") == strcspn(text, "eE");
}

int64_t exact_price(const char *text, int64_t scale)
{
    int64_t value;
    return text && units_parse_decimal(text, scale, &value) == 0 && value >= 0 ? value : PRICE_UNKNOWN;
}
