/* What colour a small picture has. */
#ifndef RELAYSIM_PICTURE_H
#define RELAYSIM_PICTURE_H

#include <stdbool.h>
#include <stddef.h>

struct colour {
    int red, green, blue;
};

/* Of the PNG in base64 (its "data:image/png;base64," may be there): the colour of its first pixel. False: it is none that can be read. */
bool picture_colour(const char *text, struct colour *ret);
/* "red", ...: the nearest of the names that stand in `among`, or of all when fewer than two do. */
const char *picture_colour_name(struct colour colour, const char *among);
/* Another one than that. */
const char *picture_wrong_name(const char *right, const char *among);

#endif
