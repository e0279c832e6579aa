/* REPORT: how long a model was in which state, and its incidents.
 *
 * A state holds until the next one. The time before the first one that is known is no one's: up-time is a part of the time with a known
 * state. An incident is one state that is not as it should be, from its begin to its end, both cut to the window; `new`, `up` and `drained`
 * are none. */
#include <stdlib.h>
#include <string.h>

#include "probed/store/question_parts.h"
#include "probed/store/reply.h"
#include "shared/alloc.h"
#include "shared/text.h"

static bool is_down(const char *state)
{
    return strcmp(state, "down") == 0 || strcmp(state, "unusable") == 0 || strcmp(state, "missing") == 0;
}

static bool is_incident(const char *state)
{
    return is_down(state) || strcmp(state, "degraded") == 0 || strcmp(state, "limited") == 0;
}

void states_done(struct states *states)
{
    free(states->incidents);
    *states = (struct states){.len = 0};
}

static void add_incident(struct states *s, const struct incident *incident)
{
    if (s->incidents == NULL)
        s->incidents = alloc_zero(HISTORY_INCIDENTS_MAX, sizeof *s->incidents);
    if (s->len == HISTORY_INCIDENTS_MAX) {
        memmove(s->incidents, s->incidents + 1, (HISTORY_INCIDENTS_MAX - 1) * sizeof *s->incidents);
        s->len--;
        s->more++;
    }
    s->incidents[s->len++] = *incident;
}

/* A state held from `held.from` to `until`. */
static void end(struct states *s, struct incident *held, usec_t until, bool ongoing)
{
    if (held->state[0] == '\0' || until <= held->from)
        return;
    held->until = until;
    held->ongoing = ongoing;
    s->known += until - held->from;
    if (is_down(held->state))
        s->down += until - held->from;
    if (is_incident(held->state))
        add_incident(s, held);
}

void states_read(struct question *q, int64_t route, struct states *ret)
{
    usec_t now = clock_steady(&q->clock, q->now, true) + 1, to = q->to < now ? q->to : now;
    struct incident held = {.state = ""};
    sqlite3_stmt *statement =
        question_sql(q, "SELECT t, state FROM state WHERE route = ?1 AND t < ?3 AND t >= coalesce((SELECT max(t) FROM state"
                        " WHERE route = ?1 AND t <= ?2), ?2) ORDER BY t");

    *ret = (struct states){.len = 0};
    question_bind(q, statement, 1, route);
    question_bind(q, statement, 2, q->from);
    question_bind(q, statement, 3, to);
    while (question_row(q, statement)) {
        usec_t t = sqlite3_column_int64(statement, 0);
        const char *state = question_text(statement, 1);

        if (strcmp(state, held.state) == 0)
            continue;
        end(ret, &held, t, false);
        held = (struct incident){.from = t > q->from ? t : q->from};
        text_copy(held.state, sizeof held.state, state, strlen(state));
    }
    end(ret, &held, to, true);
    sqlite3_finalize(statement);
}

void states_write(struct question *q, const struct states *states)
{
    struct buf *to = q->body;

    if (states->known > 0)
        reply_add_real(to, "uptime", 1 - (double)states->down / (double)states->known, 6);
    else
        reply_add_null(to, "uptime");
    reply_add_decimal(to, "down_s", states->down / 1000, 3);
    reply_add_decimal(to, "state_known_s", states->known / 1000, 3);
    reply_add_array(to, "incidents");
    for (size_t i = 0; i < states->len; i++) {
        const struct incident *incident = &states->incidents[i];

        reply_add_object(to, NULL);
        reply_add_time(to, "from", clock_wall(&q->clock, incident->from));
        if (incident->ongoing)
            reply_add_null(to, "until");
        else
            reply_add_time(to, "until", clock_wall(&q->clock, incident->until));
        reply_add_text(to, "state", incident->state);
        reply_add_decimal(to, "seconds", (incident->until - incident->from) / 1000, 3);
        reply_add_bool(to, "ongoing", incident->ongoing);
        reply_close(to, '}');
    }
    reply_close(to, ']');
    if (states->more > 0)
        reply_add_int(to, "incidents_more", (int64_t)states->more);
}
