/* What top keeps of the daemon's status and of its events: small, plain, and only what it shows. */
#ifndef ROUTECTL_TOP_NEWS_H
#define ROUTECTL_TOP_NEWS_H

#include "routectl/writer.h"
#include "shared/json.h"
#include "shared/table.h"

#define TOP_EVENTS_MAX 400
#define TOP_NAMES_MAX  4096

struct top_name {
    char *name, *about; /* about NULL = nothing to say */
};

struct top_status {
    bool known;
    char version[32], vantage[64], currency[16];
    char default_policy[64];
    char store[96];            /* why the history is not recorded; "" = it is, or nobody said */
    double limit, spent, left; /* a day; NAN = no limit or unknown */
    int64_t in_flight;         /* probes; -1 = unknown */
    struct top_name *policies;
    size_t policies_len;
    struct top_name *models;
    size_t models_len;
};
void top_status_done(struct top_status *status);
void top_status_read(struct top_status *ret, const cJSON *json); /* replaces what was there */

struct top_event {
    usec_t at;
    enum style style;
    char sign; /* the same without colours */
    char *text;
    char *policy, *model; /* that it is about; NULL = all */
};

struct top_events { /* the newest, oldest first */
    struct top_event items[TOP_EVENTS_MAX];
    size_t len;
    int64_t after; /* the daemon's number of the newest; -1 = none yet */
    bool told;     /* the daemon tells them; else they are what was seen here */
    bool asked;    /* it has answered once, whatever it said */
};
void top_events_done(struct top_events *events);
/* Is it about what is shown: this policy, and this model ("" = all)? */
bool top_event_concerns(const struct top_event *event, const char *policy, const char *model);
/* Takes an answer of /v1/events. True if there was something new. The first one replaces what was seen here. */
bool top_events_tell(struct top_events *events, const cJSON *json);
/* What changed between two tables, for a daemon that keeps no events. Before may be NULL. */
bool top_events_see(struct top_events *events, const struct table *before, const struct table *after, usec_t now);

#endif
