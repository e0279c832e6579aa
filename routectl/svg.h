/* Pictures of series as inline SVG: values in, text out. */
#ifndef ROUTECTL_SVG_H
#define ROUTECTL_SVG_H

#include "routectl/series.h"
#include "shared/buf.h"

struct svg_setup {
    enum series_unit unit;
    double since, until;    /* Unix seconds */
    unsigned width, height; /* of the drawing's own coordinates; it scales */
    const char *title;      /* for those who cannot see it; may be hostile */
    double rule;            /* a line across, the target; NAN = none */
    const char *rule_label;
    unsigned first_colour; /* class s0, s1 ... of the first series */
};

/* One <svg> element, without colours of its own: classes are s0 to s11 (series), band, grid, axis, rule. Each point has a title, which a
 * browser shows when it is pointed at. A single series has its low and high as a band. */
void svg_draw(const struct svg_setup *setup, const struct series *series, size_t len, struct buf *ret);

#endif
