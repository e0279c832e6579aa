/* Exact decimal arithmetic for money: a decimal string times a scale, as an integer.
 *
 * Prices arrive as "0.00000008333333333333334", "1.5e-07" or "3.0001999999999996E-7", and what a price becomes must not depend on
 * binary fractions. The digits are multiplied by the scale by hand (schoolbook, one digit at a time), then the point is moved, then the
 * first digit behind it rounds half away from zero: one rounding, of the exact product. Bounded memory, no floating point, no locale. */
#include <errno.h>
#include <string.h>

#include "shared/units.h"

#define DIGITS_MAX 200
/* An int64_t has 19 digits. */
#define SCALE_DIGITS 19
/* Exponents beyond this are all the same: zero or too large. */
#define EXPONENT_MAX 100000

struct decimal {
    bool negative;
    unsigned char digits[DIGITS_MAX]; /* most significant first, no zeros in front */
    size_t len;
    long exponent; /* value = digits x 10^exponent */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool take_digit(struct decimal *d, char c)
{
    if (d->len == 0 && c == '0')
        return true;
    if (d->len == DIGITS_MAX)
        return false;
    d->digits[d->len++] = (unsigned char)(c - '0');
    return true;
}

/* [-]digits[.digits][(e|E)[+-]digits]; digits before or behind the point may be missing, not both. */
static bool read_decimal(const char *s, struct decimal *ret)
{
    bool any = false;
    if (*s == '-') {
        ret->negative = true;
        s++;
    }
    for (; is_digit(*s); s++, any = true)
        if (!take_digit(ret, *s))
            return false;
    if (*s == '.') {
        if (!is_digit(*++s))
            return false;
        for (; is_digit(*s); s++, any = true) {
            if (!take_digit(ret, *s))
                return false;
            if (--ret->exponent < -EXPONENT_MAX)
                return false;
        }
    }
    if (!any)
        return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        bool down = *s == '-';
        if (*s == '-' || *s == '+')
            s++;
        if (!is_digit(*s))
            return false;
        long exponent = 0;
        for (; is_digit(*s); s++)
            if (exponent <= EXPONENT_MAX)
                exponent = exponent * 10 + (*s - '0');
        ret->exponent += down ? -exponent : exponent;
    }
    return *s == '\0';
}

/* product[0..n) = digits x scale, most significant first; returns n. */
static size_t multiply(const struct decimal *d, uint64_t scale, unsigned char product[DIGITS_MAX + SCALE_DIGITS])
{
    unsigned char reversed[DIGITS_MAX + SCALE_DIGITS];
    size_t n = 0;
    uint64_t carry = 0;
    unsigned __int128 sum;
    for (size_t i = d->len; i > 0; i--) {
        sum = (unsigned __int128)d->digits[i - 1] * scale + carry;
        reversed[n++] = (unsigned char)(sum % 10);
        carry = (uint64_t)(sum / 10);
    }
    for (; carry > 0; carry /= 10)
        reversed[n++] = (unsigned char)(carry % 10);
    for (size_t i = 0; i < n; i++)
        product[i] = reversed[n - 1 - i];
    return n;
}

int units_parse_decimal(const char *text, int64_t scale, int64_t *ret)
{
    struct decimal d = {.len = 0};
    if (!text || scale < 0 || !read_decimal(text, &d))
        return -EINVAL;
    unsigned char product[DIGITS_MAX + SCALE_DIGITS];
    size_t n = multiply(&d, (uint64_t)scale, product);
    size_t start = 0;
    while (start < n && product[start] == 0)
        start++;

    /* How many digits stand before the point once it has moved. */
    long whole = (long)(n - start) + d.exponent;
    uint64_t value = 0;
    const uint64_t limit = d.negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    if (start == n || whole < 0) {
        *ret = 0;
        return 0;
    }
    for (long i = 0; i < whole; i++) {
        size_t at = start + (size_t)i;
        unsigned digit = at < n ? product[at] : 0;
        if (value > (limit - digit) / 10)
            return -ERANGE;
        value = value * 10 + digit;
    }
    size_t behind = start + (size_t)whole;
    if (behind < n && product[behind] >= 5) {
        if (value >= limit)
            return -ERANGE;
        value++;
    }
    *ret = d.negative ? (int64_t)(0 - value) : (int64_t)value;
    return 0;
}
