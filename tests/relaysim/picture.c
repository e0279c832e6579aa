/* What colour a small picture has: PNG with 8 or 16 bits a channel or a palette, of which the first pixel is looked at.
 *
 * That pixel is the same whatever filter its row has (its neighbours count as 0), so no filter has to be undone. The check sums are not
 * verified. Everything is bounded: a picture of more than PICTURE_MAX bytes is none. */
#include "tests/relaysim/picture.h"

#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "tests/relaysim/deflate.h"

#define PICTURE_MAX (1024 * 1024)

static const struct {
    const char *name;
    struct colour colour;
} colours[] = {{"red", {230, 20, 20}},    {"green", {20, 170, 40}},   {"blue", {30, 60, 230}},    {"yellow", {250, 230, 30}},
               {"black", {0, 0, 0}},      {"white", {255, 255, 255}}, {"orange", {250, 140, 10}}, {"purple", {128, 20, 150}},
               {"pink", {255, 150, 190}}, {"brown", {130, 75, 30}},   {"gray", {128, 128, 128}},  {"grey", {128, 128, 128}},
               {"cyan", {20, 230, 230}},  {"magenta", {240, 20, 240}}};
#define COLOURS (sizeof colours / sizeof *colours)

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c == '-' ? '+' : c == '_' ? '/' : c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static void read_base64(const char *text, struct buf *ret)
{
    unsigned bits = 0;
    int count = 0;
    for (; *text && *text != '=' && ret->len < PICTURE_MAX; text++) {
        int digit = base64_digit(*text);
        if (digit < 0)
            continue;
        bits = bits << 6 | (unsigned)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            buf_add_char(ret, (char)(bits >> count & 0xff));
        }
    }
}

struct png {
    int depth, kind;
    const unsigned char *palette;
    size_t palette_len;
    struct buf packed;
};

static size_t read_word(const unsigned char *p)
{
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

static bool read_chunks(const unsigned char *data, size_t len, struct png *ret)
{
    bool head = false;
    if (len < 8 || memcmp(data, "\x89PNG\r\n\x1a\n", 8) != 0)
        return false;
    for (size_t at = 8; len - at >= 12;) {
        size_t size = read_word(data + at);
        const unsigned char *kind = data + at + 4, *body = kind + 4;
        if (size > len - at - 12)
            return false;
        if (memcmp(kind, "IHDR", 4) == 0 && size >= 13) {
            ret->depth = body[8];
            ret->kind = body[9];
            head = true;
        } else if (memcmp(kind, "PLTE", 4) == 0) {
            ret->palette = body;
            ret->palette_len = size;
        } else if (memcmp(kind, "IDAT", 4) == 0) {
            buf_add(&ret->packed, body, size);
        }
        at += 12 + size;
    }
    return head && ret->packed.len > 2;
}

static bool first_pixel(const struct png *png, const unsigned char *row, size_t len, struct colour *ret)
{
    size_t step = png->depth == 16 ? 2 : 1;
    row++; /* the filter */
    len--;
    if (png->kind == 3) {
        size_t index = len ? (size_t)(row[0] >> (png->depth < 8 ? 8 - png->depth : 0)) : SIZE_MAX;
        if (index >= png->palette_len / 3)
            return false;
        *ret = (struct colour){png->palette[3 * index], png->palette[3 * index + 1], png->palette[3 * index + 2]};
        return true;
    }
    if (png->kind == 0 || png->kind == 4) {
        if (!len)
            return false;
        int grey = png->depth < 8 ? (row[0] >> (8 - png->depth)) * 255 / ((1 << png->depth) - 1) : row[0];
        *ret = (struct colour){grey, grey, grey};
        return true;
    }
    if (len < 3 * step || (png->kind != 2 && png->kind != 6))
        return false;
    *ret = (struct colour){row[0], row[step], row[2 * step]};
    return true;
}

bool picture_colour(const char *text, struct colour *ret)
{
    CLEANUP(buf_done) struct buf data = BUF_INIT;
    CLEANUP(buf_done) struct buf pixels = BUF_INIT;
    struct png png = {.depth = 0};
    const char *comma = strncasecmp(text, "data:", 5) == 0 ? strchr(text, ',') : NULL;
    read_base64(comma ? comma + 1 : text, &data);
    bool ok = read_chunks((const unsigned char *)buf_str(&data), data.len, &png) && png.depth > 0 &&
              deflate_unpack((const unsigned char *)png.packed.data + 2, png.packed.len - 2, PICTURE_MAX, &pixels) && pixels.len > 1 &&
              first_pixel(&png, (const unsigned char *)pixels.data, pixels.len, ret);
    buf_done(&png.packed);
    return ok;
}

static bool named(const char *name, const char *among)
{
    size_t len = strlen(name);
    for (const char *p = among; (p = strcasestr(p, name)); p++)
        if ((p == among || !isalpha((unsigned char)p[-1])) && !isalpha((unsigned char)p[len]))
            return true;
    return false;
}

/* The nearest of those that are allowed, but not `except`. */
static const char *nearest(struct colour c, const char *among, const char *except)
{
    int best = INT_MAX, offered = 0;
    const char *found = "red";
    for (size_t i = 0; i < COLOURS; i++)
        offered += named(colours[i].name, among);
    for (size_t i = 0; i < COLOURS; i++) {
        struct colour o = colours[i].colour;
        int far = (c.red - o.red) * (c.red - o.red) + (c.green - o.green) * (c.green - o.green) + (c.blue - o.blue) * (c.blue - o.blue);
        if (far < best && (offered < 2 || named(colours[i].name, among)) && (!except || strcmp(colours[i].name, except) != 0)) {
            best = far;
            found = colours[i].name;
        }
    }
    return found;
}

const char *picture_colour_name(struct colour colour, const char *among)
{
    return nearest(colour, among, NULL);
}

const char *picture_wrong_name(const char *right, const char *among)
{
    return nearest((struct colour){128, 128, 128}, among, right);
}
