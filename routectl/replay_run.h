/* A replay: one history through one or two configurations at once, judged as it goes. */
#ifndef ROUTECTL_REPLAY_RUN_H
#define ROUTECTL_REPLAY_RUN_H

#include "routectl/replay_side.h"
#include "routectl/replay_source.h"

#define REPLAY_SIDES 2

struct replay_setup {
    const struct command *command;
    const char *file;                  /* NULL = the daemon's history */
    const char *program;               /* probed */
    const char *configs[REPLAY_SIDES]; /* the old one, the new one or NULL */
    usec_t since, until;               /* wall clock; 0 = not bounded */
    usec_t every;
    bool progress;
};

struct replay_run {
    const struct replay_setup *setup;
    struct replay_source source;
    struct sightings *sightings;
    struct replay_side sides[REPLAY_SIDES];
    size_t sides_len;

    bool begun, ended; /* the first record has come; the last one has */
    usec_t first, last;
    usec_t grid, hard; /* when the next tables are asked for; hard 0 = not */
    struct replay_step {
        usec_t at, until; /* until 0 = not known yet */
    } * steps;            /* asked for and not yet judged, oldest at head */
    size_t head, len, size;
    usec_t shown; /* progress */

    uint64_t records, sighted, moved; /* moved: whose time went backwards */
    uint64_t tables;
    usec_t judged_from, judged_until, gaps; /* gaps: time that has no records */
};

/* EXIT_OK with everything judged; else the complaint has been made. replay_run_done in any case. */
enum exit_code replay_run(struct replay_run *run, const struct replay_setup *setup) ATTR_UNUSED_RESULT;
void replay_run_done(struct replay_run *run);

#endif
