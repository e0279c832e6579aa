/* DEFLATE (RFC 1951) and gzip (RFC 1952), as little as is needed of them.
 *
 * Packing takes one block of the fixed code and, for repeats, the last place with the same four bytes: enough to make a price list ten
 * times smaller, and a list of blanks a thousand times, which is what a client has to be careful of. Unpacking knows all three kinds of
 * blocks, and stops at the caller's cap. Pure. */
#include "tests/relaysim/deflate.h"

#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

#define MATCH_MIN    4
#define MATCH_MAX    258
#define WINDOW       32768
#define HASH_BITS    14
#define CODE_BITS    15
#define LITERALS     288
#define DISTANCES    30
#define END_OF_BLOCK 256

static const uint16_t length_base[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                         31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
static const uint8_t length_extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
static const uint16_t distance_base[30] = {1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
                                           193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
static const uint8_t distance_extra[30] = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                           6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};

/* --- packing --------------------------------------------------------------------------------------------------------- */

struct packer {
    struct buf *out;
    uint32_t bits;
    int count;
};

static void put_bits(struct packer *p, uint32_t value, int count)
{
    p->bits |= value << p->count;
    for (p->count += count; p->count >= 8; p->count -= 8, p->bits >>= 8)
        buf_add_char(p->out, (char)(p->bits & 0xff));
}

/* Huffman codes go in with their first bit first. */
static void put_code(struct packer *p, uint32_t code, int count)
{
    uint32_t turned = 0;
    for (int i = 0; i < count; i++)
        turned |= (code >> i & 1) << (count - 1 - i);
    put_bits(p, turned, count);
}

static void put_symbol(struct packer *p, unsigned symbol)
{
    if (symbol < 144)
        put_code(p, 0x30 + symbol, 8);
    else if (symbol < 256)
        put_code(p, 0x190 + symbol - 144, 9);
    else if (symbol < 280)
        put_code(p, symbol - 256, 7);
    else
        put_code(p, 0xc0 + symbol - 280, 8);
}

static unsigned find_base(const uint16_t *base, unsigned n, unsigned value)
{
    unsigned i = n - 1;
    while (base[i] > value)
        i--;
    return i;
}

static void put_match(struct packer *p, unsigned length, unsigned distance)
{
    unsigned l = find_base(length_base, 29, length), d = find_base(distance_base, 30, distance);
    put_symbol(p, 257 + l);
    put_bits(p, length - length_base[l], length_extra[l]);
    put_code(p, d, 5);
    put_bits(p, distance - distance_base[d], distance_extra[d]);
}

static unsigned hash4(const char *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return (v * 2654435761u) >> (32 - HASH_BITS);
}

static unsigned match_length(const char *a, const char *b, const char *end)
{
    unsigned n = 0;
    while (n < MATCH_MAX && b + n < end && a[n] == b[n])
        n++;
    return n;
}

static void pack(const char *data, size_t len, struct packer *p)
{
    size_t *seen = alloc_zero((size_t)1 << HASH_BITS, sizeof *seen); /* place + 1 */
    put_bits(p, 1, 1);
    put_bits(p, 1, 2);
    for (size_t i = 0; i < len;) {
        unsigned length = 0, distance = 0;
        if (i + MATCH_MIN <= len) {
            size_t *slot = &seen[hash4(data + i)], at = *slot;
            if (at && i - (at - 1) <= WINDOW) {
                distance = (unsigned)(i - (at - 1));
                length = match_length(data + at - 1, data + i, data + len);
            }
            *slot = i + 1;
        }
        if (length >= MATCH_MIN) {
            put_match(p, length, distance);
            i += length;
        } else {
            put_symbol(p, (unsigned char)data[i++]);
        }
    }
    put_symbol(p, END_OF_BLOCK);
    put_bits(p, 0, (8 - p->count) % 8);
    free(seen);
}

static uint32_t crc32_of(const char *data, size_t len)
{
    uint32_t table[256], crc = ~0u;
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320u : 0);
    }
    for (size_t i = 0; i < len; i++)
        crc = crc >> 8 ^ table[(crc ^ (unsigned char)data[i]) & 0xff];
    return ~crc;
}

static void put_word(struct buf *ret, uint32_t word)
{
    for (int i = 0; i < 4; i++)
        buf_add_char(ret, (char)(word >> 8 * i & 0xff));
}

void deflate_gzip(const char *data, size_t len, struct buf *ret)
{
    struct packer p = {.out = ret};
    buf_add(ret, "\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
    pack(data, len, &p);
    put_word(ret, crc32_of(data, len));
    put_word(ret, (uint32_t)len);
}

/* --- unpacking ------------------------------------------------------------------------------------------------------- */

struct unpacker {
    const unsigned char *at, *end;
    uint32_t bits;
    int count;
    bool bad;
    size_t max;
    struct buf *out;
};

struct code { /* canonical Huffman: how many symbols have each length, and all symbols in order */
    uint16_t counts[CODE_BITS + 1], symbols[LITERALS];
};

static unsigned take_bits(struct unpacker *u, int count)
{
    while (u->count < count) {
        if (u->at == u->end) {
            u->bad = true;
            return 0;
        }
        u->bits |= (uint32_t)*u->at++ << u->count;
        u->count += 8;
    }
    unsigned value = u->bits & ((1u << count) - 1);
    u->bits >>= count;
    u->count -= count;
    return value;
}

static void make_code(const uint8_t *lengths, unsigned n, struct code *ret)
{
    uint16_t at[CODE_BITS + 2] = {0};
    memset(ret, 0, sizeof *ret);
    for (unsigned i = 0; i < n; i++)
        ret->counts[lengths[i]]++;
    ret->counts[0] = 0;
    for (int bits = 1; bits <= CODE_BITS; bits++)
        at[bits + 1] = (uint16_t)(at[bits] + ret->counts[bits]);
    for (unsigned i = 0; i < n; i++)
        if (lengths[i])
            ret->symbols[at[lengths[i]]++] = (uint16_t)i;
}

static unsigned take_symbol(struct unpacker *u, const struct code *code)
{
    int value = 0, first = 0, index = 0;
    for (int bits = 1; bits <= CODE_BITS && !u->bad; bits++) {
        value |= (int)take_bits(u, 1);
        int count = code->counts[bits];
        if (value - count < first)
            return code->symbols[index + value - first];
        index += count;
        first = (first + count) << 1;
        value <<= 1;
    }
    u->bad = true;
    return 0;
}

static void unpack_stored(struct unpacker *u)
{
    u->bits = 0;
    u->count = 0;
    if (u->end - u->at < 4) {
        u->bad = true;
        return;
    }
    size_t len = u->at[0] | (size_t)u->at[1] << 8, not = u->at[2] | (size_t)u->at[3] << 8;
    u->at += 4;
    if (len != (~not &0xffff) || (size_t)(u->end - u->at) < len || u->out->len + len > u->max) {
        u->bad = true;
        return;
    }
    buf_add(u->out, u->at, len);
    u->at += len;
}

static void unpack_coded(struct unpacker *u, const struct code *literals, const struct code *distances)
{
    while (!u->bad) {
        unsigned symbol = take_symbol(u, literals);
        if (u->bad || symbol == END_OF_BLOCK)
            return;
        if (symbol < END_OF_BLOCK) {
            if (u->out->len >= u->max)
                u->bad = true;
            else
                buf_add_char(u->out, (char)symbol);
            continue;
        }
        symbol -= 257;
        unsigned length = symbol < 29 ? length_base[symbol] + take_bits(u, length_extra[symbol]) : 0, far = take_symbol(u, distances);
        unsigned distance = far < DISTANCES ? distance_base[far] + take_bits(u, distance_extra[far]) : 0;
        if (u->bad || !length || !distance || distance > u->out->len || u->out->len + length > u->max) {
            u->bad = true;
            return;
        }
        while (length--)
            buf_add_char(u->out, u->out->data[u->out->len - distance]);
    }
}

static void unpack_fixed(struct unpacker *u)
{
    uint8_t lengths[LITERALS];
    struct code literals, distances;
    memset(lengths, 8, 144);
    memset(lengths + 144, 9, 112);
    memset(lengths + 256, 7, 24);
    memset(lengths + 280, 8, 8);
    make_code(lengths, LITERALS, &literals);
    memset(lengths, 5, DISTANCES);
    make_code(lengths, DISTANCES, &distances);
    unpack_coded(u, &literals, &distances);
}

/* Lengths of both codes, themselves coded. */
static bool take_lengths(struct unpacker *u, const struct code *code, unsigned n, uint8_t *ret)
{
    for (unsigned i = 0; i < n;) {
        unsigned symbol = take_symbol(u, code), repeat = 1;
        uint8_t value = 0;
        if (symbol < 16)
            value = (uint8_t)symbol;
        else if (symbol == 16)
            repeat = 3 + take_bits(u, 2);
        else
            repeat = symbol == 17 ? 3 + take_bits(u, 3) : 11 + take_bits(u, 7);
        if (u->bad || i + repeat > n || (symbol == 16 && !i))
            return false;
        if (symbol == 16)
            value = ret[i - 1];
        memset(ret + i, value, repeat);
        i += repeat;
    }
    return true;
}

static void unpack_dynamic(struct unpacker *u)
{
    static const uint8_t order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[LITERALS + 32] = {0};
    struct code literals, distances;
    unsigned n = 257 + take_bits(u, 5), far = 1 + take_bits(u, 5), own = 4 + take_bits(u, 4);
    for (unsigned i = 0; i < own; i++)
        lengths[order[i]] = (uint8_t)take_bits(u, 3);
    make_code(lengths, 19, &literals);
    memset(lengths, 0, sizeof lengths);
    if (u->bad || n > 286 || far > DISTANCES || !take_lengths(u, &literals, n + far, lengths)) {
        u->bad = true;
        return;
    }
    make_code(lengths + n, far, &distances);
    make_code(lengths, n, &literals);
    unpack_coded(u, &literals, &distances);
}

bool deflate_unpack(const unsigned char *data, size_t len, size_t max, struct buf *ret)
{
    struct unpacker u = {.at = data, .end = data + len, .max = max, .out = ret};
    for (bool last = false; !last && !u.bad;) {
        last = take_bits(&u, 1);
        switch (take_bits(&u, 2)) {
        case 0:
            unpack_stored(&u);
            break;
        case 1:
            unpack_fixed(&u);
            break;
        case 2:
            unpack_dynamic(&u);
            break;
        default:
            u.bad = true;
        }
    }
    return !u.bad;
}
