/* One configuration in a replay: the child that replays the history under it, the tables that it answers with, and what following each of
 * its rankings would have brought. */
#ifndef ROUTECTL_REPLAY_SIDE_H
#define ROUTECTL_REPLAY_SIDE_H

#include "routectl/follow.h"
#include "routectl/replay_answer.h"
#include "routectl/replay_child.h"

#define REPLAY_FOLLOWED_MAX 20000 /* models of policies */

struct replay_followed {
    char *policy, *model;
    struct follow *follow;
    struct follow_ranking *last; /* as last answered: what has not changed is shared */
};

struct replay_table { /* counted */
    unsigned refs;
    size_t len;
    struct replay_entry {
        size_t followed;
        struct follow_ranking *ranking;
    } entries[];
};

struct replay_side {
    const char *config; /* its file */
    const char *policy; /* only this one; NULL = all */
    struct sightings *sightings;
    struct replay_child child;
    struct replay_answer answer;
    struct buf body; /* of the last answer, without its time */
    struct replay_table *last;
    struct replay_answered {
        usec_t t;
        struct replay_table *table;
    } * queue; /* answers that have not been judged yet, oldest at head */
    size_t head, len, size;
    struct replay_followed *followed;
    size_t followed_len, followed_size;
    char currency[CURRENCY_MAX];
    struct err err;
};

/* config, policy, sightings: borrowed. */
int replay_side_start(struct replay_side *side, const char *program, const char *config, const char *policy, struct sightings *sightings,
                      struct err *err) ATTR_UNUSED_RESULT;
void replay_side_done(struct replay_side *side); /* also of one that is {0} */
/* A replay_child_fn; arg is the side. -EPROTO with side->err said. */
int replay_side_take(void *arg, const char *line, size_t len);
/* The oldest answer; NULL = none yet. */
const struct replay_answered *replay_side_next(const struct replay_side *side);
/* The oldest answer was in force from its time until then, is judged by that and forgotten. */
void replay_side_judge(struct replay_side *side, usec_t until);

#endif
