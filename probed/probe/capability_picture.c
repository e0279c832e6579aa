/* The picture whose colour is asked for: a PNG made here, so that no file and no library is needed. Vendors refuse pictures of a few pixels, so it has 64 by 64;
 * one bit a pixel, all zero, into a palette of one colour, stored without compression, makes that 650 bytes. */
#include <stdint.h>

#include "probed/probe/capability_try.h"

#define ROW (1 + PICTURE_SIDE / 8) /* the filter's byte, and a bit a pixel */

static const struct {
    const char *name;
    unsigned char rgb[3];
} colours[PICTURE_COLOURS] = {{"red", {225, 20, 20}}, {"green", {20, 170, 40}}, {"blue", {25, 45, 225}}};

const char *picture_colour_name(enum picture_colour colour)
{
    return (size_t)colour < PICTURE_COLOURS ? colours[colour].name : "?";
}

static void put32(unsigned char *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(v >> (24 - 8 * i));
}

/* CRC-32 as PNG has it. */
static uint32_t crc(uint32_t sum, const unsigned char *data, size_t len)
{
    sum = ~sum;
    for (size_t i = 0; i < len; i++) {
        sum ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            sum = sum & 1 ? 0xedb88320u ^ (sum >> 1) : sum >> 1;
    }
    return ~sum;
}

static void add_chunk(struct buf *ret, const char *type, const unsigned char *data, size_t len)
{
    unsigned char number[4];
    put32(number, (uint32_t)len);
    buf_add(ret, number, sizeof number);
    buf_add(ret, type, 4);
    buf_add(ret, data, len);
    put32(number, crc(crc(0, (const unsigned char *)type, 4), data, len));
    buf_add(ret, number, sizeof number);
}

/* A zlib stream of one stored block of zeros: Adler-32 of n zeros is n in its upper half and 1 in its lower. */
static void add_pixels(struct buf *ret)
{
    enum { LEN = ROW * PICTURE_SIDE };
    static const unsigned char head[7] = {0x78, 0x01, 0x01, LEN & 0xff, LEN >> 8, ~LEN & 0xff, (~LEN >> 8) & 0xff};
    unsigned char data[sizeof head + LEN + 4] = {0};
    for (size_t i = 0; i < sizeof head; i++)
        data[i] = head[i];
    put32(data + sizeof head + LEN, (uint32_t)LEN << 16 | 1);
    add_chunk(ret, "IDAT", data, sizeof data);
}

void picture_make(enum picture_colour colour, struct buf *ret)
{
    static const unsigned char signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    unsigned char header[13] = {0};
    put32(header, PICTURE_SIDE);
    put32(header + 4, PICTURE_SIDE);
    header[8] = 1; /* bits a pixel */
    header[9] = 3; /* into a palette */
    buf_add(ret, signature, sizeof signature);
    add_chunk(ret, "IHDR", header, sizeof header);
    add_chunk(ret, "PLTE", colours[colour].rgb, 3);
    add_pixels(ret);
    add_chunk(ret, "IEND", NULL, 0);
}

void picture_add_base64(struct buf *ret, const void *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = data;
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t v = (uint32_t)in[i] << 16 | (n > 1 ? (uint32_t)in[i + 1] << 8 : 0) | (n > 2 ? in[i + 2] : 0);
        char out[4] = {digits[v >> 18], digits[v >> 12 & 63], n > 1 ? digits[v >> 6 & 63] : '=', n > 2 ? digits[v & 63] : '='};
        buf_add(ret, out, sizeof out);
    }
}
