/* Questions to the history: a request whose answer comes from another thread, later.
 *
 * The owner is asked and the connection suspended; when the answer comes it is resumed, MHD calls for the request again, and asking_answer
 * sends what there is. An asking lives from there to the end of its request (dispatch_done). It is
 *
 *   suspended  in api->askings; the question is the owner's, who will call answer_came once; or
 *   over       answered, or given up: the answer took too long, the client left, or the daemon stops. Whoever ends it takes the question
 * back first, so that answer_came is never called for one that is gone.
 *
 * MHD does not notice that the client of a suspended connection left, so the descriptor is watched here, as for a watcher. */
#include "probed/serve/api_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

struct asking {
    struct client *c;
    bool lines;                                                             /* NDJSON, with the number to go on with */
    bool suspended, asked;                                                  /* asked: the owner has the question */
    enum { ASKING_ANSWERED, ASKING_LATE, ASKING_LEFT, ASKING_STOPPED } how; /* it ended */
    struct history_answer answer;                                           /* ours */
    struct loop_io *io;                                                     /* tells that the client left */
    struct loop_timer *late;
    TAILQ_ENTRY(asking) all;
};

static void take_back(struct asking *a)
{
    const struct api_owner *owner = &a->c->api->owner;

    if (a->asked)
        owner->forget(owner->arg, a);
    a->asked = false;
}

/* Lets MHD call for the request again. */
static void resume(struct asking *a)
{
    if (!a->suspended)
        return;
    a->suspended = false;
    TAILQ_REMOVE(&a->c->api->askings, a, all);
    loop_io_set(a->io, 0);
    loop_timer_stop(a->late);
    MHD_resume_connection(a->c->connection);
}

/* From the loop, never from within MHD. */
static void give_up(struct asking *a, int how)
{
    struct api *api = a->c->api;

    take_back(a);
    a->how = how;
    resume(a);
    api_run(api); /* may free a */
}

static void client_left(void *arg, int fd, unsigned events)
{
    struct asking *a = arg;
    struct pollfd state = {.fd = fd, .events = POLLIN};

    (void)events;
    /* It hung up; or it sent its next request already, or said that there will be none: then there is nothing to look at until the answer
     * is out. */
    if (poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLERR)) != 0)
        give_up(a, ASKING_LEFT);
    else
        loop_io_set(a->io, 0);
}

static void too_late(void *arg)
{
    give_up(arg, ASKING_LATE);
}

static void answer_came(void *arg, struct history_answer *answer)
{
    struct asking *a = arg;
    struct api *api = a->c->api;

    a->asked = false;
    a->how = ASKING_ANSWERED;
    a->answer = *answer;
    memset(&answer->body, 0, sizeof answer->body); /* taken */
    if (!a->suspended)
        return; /* the owner had it at hand: asking_start goes on with it */
    resume(a);
    api_run(api);
}

static enum MHD_Result send_answer(struct asking *a)
{
    struct client *c = a->c;
    size_t len = a->answer.body.len;

    if (a->answer.status != MHD_HTTP_OK)
        return answer_problem(c, (unsigned)a->answer.status, "%s", a->answer.problem);
    char *data = buf_take(&a->answer.body);
    struct MHD_Response *response = MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);

    if (response == NULL) {
        free(data);
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", a->lines ? "application/x-ndjson" : "application/json");
    if (a->lines) {
        char next[32];

        snprintf(next, sizeof next, "%" PRId64, a->answer.next);
        MHD_add_response_header(response, "X-Probed-Next", next);
    }
    return answer_send(c, MHD_HTTP_OK, response);
}

enum MHD_Result asking_answer(struct client *c)
{
    struct asking *a = c->asking;

    switch (a->how) {
    case ASKING_LEFT:
        return MHD_NO;
    case ASKING_LATE:
        return answer_problem(c, MHD_HTTP_SERVICE_UNAVAILABLE, "the history did not answer in time");
    case ASKING_STOPPED:
        return answer_problem(c, MHD_HTTP_SERVICE_UNAVAILABLE, "probed is stopping");
    default:
        return send_answer(a);
    }
}

static void suspend(struct asking *a)
{
    struct api *api = a->c->api;

    a->suspended = true;
    TAILQ_INSERT_TAIL(&api->askings, a, all);
    a->io = loop_io_new(api->loop, "history", a->c->fd, client_left, a);
    loop_io_set(a->io, LOOP_READ);
    a->late = loop_timer_new(api->loop, "history", too_late, a);
    loop_timer_set(a->late, loop_now(api->loop) + api->times.history);
    a->c->deadline = 0; /* its part is done */
    MHD_suspend_connection(a->c->connection);
}

enum MHD_Result asking_start(struct client *c, const struct history_query *query)
{
    const struct api_owner *owner = &c->api->owner;
    struct err err = {.text = ""};
    struct asking *a = alloc_zero(1, sizeof *a);

    a->c = c;
    a->lines = query->kind == HISTORY_DUMP;
    c->asking = a;
    a->asked = true;
    int error = owner->ask(owner->arg, query, answer_came, a, &err);

    if (error < 0) {
        a->asked = false;
        if (error == -EBUSY)
            c->api->refused++;
        return answer_problem(c, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", err.text);
    }
    if (!a->asked)
        return asking_answer(c);
    suspend(a);
    return MHD_YES;
}

void asking_free(struct asking *a)
{
    if (a == NULL)
        return;
    take_back(a);
    if (a->suspended)
        TAILQ_REMOVE(&a->c->api->askings, a, all);
    loop_io_free(a->io);
    loop_timer_free(a->late);
    buf_done(&a->answer.body);
    a->c->asking = NULL;
    free(a);
}

void asking_end_all(struct api *api)
{
    struct asking *a = NULL;

    while ((a = TAILQ_FIRST(&api->askings)) != NULL) {
        take_back(a);
        a->how = ASKING_STOPPED;
        resume(a);
    }
}
