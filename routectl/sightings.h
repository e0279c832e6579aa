/* What a history tells of its routes, held for as long as tables are still to be judged by it: a window that moves over the history. */
#ifndef ROUTECTL_SIGHTINGS_H
#define ROUTECTL_SIGHTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/units.h"

/* How long before a sighting it still tells how the route was: the slowest pace at which daemons probe, and some. */
#define SIGHTINGS_WINDOW (20 * USEC_PER_MINUTE)
/* Of one stretch at most about so many are looked at for a route; if there are more, each second or third or ... one stands for its neighbours. */
#define SIGHTINGS_MOST 64

struct sighting { /* one request to a route, a probe or a real one */
    usec_t at;
    uint64_t number; /* 1..; in all, in the order of telling */
    usec_t ttft;     /* of one that was answered; -1 = not known */
    usec_t wasted;   /* by one that failed, 0 = not known */
    bool ok;
};

/* A stretch of time, each moment of which is told by the first sighting that comes after it. */
struct seen {
    const struct seen_part { /* borrowed until the next sightings_tell or sightings_look */
        double part;         /* of the stretch, 0..1, for which it stands */
        struct sighting sighting;
    } *list;
    size_t len;
    double known, failed; /* parts of the stretch: with something to go by, and of that what fails */
};

struct sightings;
struct sightings *sightings_new(void);
struct sightings *sightings_free(struct sightings *s); /* NULL is fine; returns NULL */
/* The number of a route, which is made when it is new. -E2BIG: too many. */
int sightings_route(struct sightings *s, const char *platform, const char *model);
const char *sightings_platform(const struct sightings *s, int route);
const char *sightings_model(const struct sightings *s, int route);
/* Never earlier than what was told before. */
void sightings_tell(struct sightings *s, int route, usec_t at, bool ok, usec_t ttft, usec_t wasted);
/* From now on the stretch after `from`, up to and with `until`, is looked at; what lies before it is forgotten. Stretches only go forward.
 */
void sightings_look(struct sightings *s, usec_t from, usec_t until);
/* What the stretch was like for that route. */
struct seen sightings_of(const struct sightings *s, int route);
/* How many are held. */
size_t sightings_held(const struct sightings *s);

#endif
