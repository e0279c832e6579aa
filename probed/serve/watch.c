/* GET /v1/watch: the table as server-sent events, to any number of watchers up to the cap.
 *
 * A watcher is a connection that MHD has suspended. It is woken (put on the due list, resumed by the pump some a turn, so that 1,000 of
 * them do not hold the loop) when its part of the table changed or the lease was renewed; MHD then asks watch_read for bytes until it says
 * that there are none, and the connection is suspended again. What is sent is a reading of the table of that moment, out of bytes that all
 * watchers share.
 *
 * A watcher that takes its time costs the table that it is being sent and nothing more: nothing is queued for it; when it is done with one
 * event it gets the newest table, whatever came between. One that does not take an event in the time for an answer is cut.
 *
 * MHD does not notice that the client of a suspended connection left. So the descriptor is watched here as well, and the lease (or, if that
 * is renewed seldom, the last one again) is told at least every 15 s, which also shows the client that the daemon lives. */
#include "probed/serve/api_parts.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "shared/alloc.h"

#define WATCH_BLOCK ((size_t)16 * 1024)
/* Watchers woken in one turn of the loop: each costs some 10 us of copying and a system call, and no turn should take 10 ms. */
#define WATCH_TURN 64

struct watcher {
    struct api *api;
    struct client *c;
    char *policy, *model; /* NULL = the default, all */
    /* What it has been sent. */
    struct ranking *ranking; /* counted; of its model */
    uint64_t changed;        /* stamp of its policy, if it watches all models */
    uint8_t flags;           /* of the table */
    bool told;               /* it has a table, by an event or as it said itself */
    uint64_t lease_stamp;
    /* What it is being sent. */
    struct reading *reading;
    char comment[80];
    size_t comment_at, comment_len;
    bool suspended, left, finished, is_due;
    struct loop_io *io; /* tells that the client left, while suspended */
    TAILQ_ENTRY(watcher) all, due;
};

/* False: its policy or model is gone from the table. */
static bool watch_find(const struct watcher *w, struct found *ret)
{
    *ret = (struct found){.table = w->api->table};
    ret->policy = table_find_policy(ret->table, w->policy);
    if (ret->policy == NULL)
        return false;
    ret->policy_index = (size_t)(ret->policy - ret->table->policies);
    if (w->model != NULL)
        ret->ranking = table_policy_find(ret->policy, w->model);
    return w->model == NULL || ret->ranking != NULL;
}

static bool watch_has(const struct watcher *w, const struct found *found)
{
    if (!w->told || w->flags != found->table->flags)
        return false;
    return w->model != NULL ? w->ranking == found->ranking : w->changed == w->api->seen[found->policy_index].changed;
}

static void watch_mark(struct watcher *w, const struct found *found)
{
    if (w->ranking != NULL)
        ranking_unref(w->ranking);
    w->ranking = NULL;
    if (found->ranking != NULL) /* counting a reference is no change of it */
        w->ranking = ranking_ref((struct ranking *)(uintptr_t)found->ranking);
    w->changed = w->api->seen[found->policy_index].changed;
    w->flags = found->table->flags;
    w->told = true;
}

static void watch_say(struct watcher *w, const char *comment)
{
    w->comment_at = 0;
    w->comment_len = (size_t)snprintf(w->comment, sizeof w->comment, ": %s\n\n", comment);
}

static void watch_start_event(struct watcher *w, const struct found *found)
{
    char prefix[96];
    snprintf(prefix, sizeof prefix, "id: %" PRIu64 "-%" PRIu64 "\nevent: table\ndata: ", found->table->epoch, found->table->generation);
    w->reading = reading_new(w->api, found, READING_JSON, prefix, "\n\n");
    watch_mark(w, found);
    w->lease_stamp = w->api->lease_stamp - 1; /* a new table has a new lease, which follows as a comment */
    api_deadline(w->c, w->api->times.answer);
}

/* Finds something to send. False: there is nothing (for ever, if finished). */
static bool watch_next(struct watcher *w)
{
    struct found found;
    if (w->finished)
        return false;
    if (w->api->ending || !watch_find(w, &found)) {
        watch_say(w, w->api->ending ? "probed is stopping" : "this policy or model is gone");
        w->finished = true;
    } else if (!watch_has(w, &found)) {
        watch_start_event(w, &found);
    } else if (w->lease_stamp != w->api->lease_stamp) {
        char lease[48];
        snprintf(lease, sizeof lease, "lease %" PRId64, w->api->owner.valid_until(w->api->owner.arg) / USEC_PER_SEC);
        watch_say(w, lease);
        w->lease_stamp = w->api->lease_stamp;
        api_deadline(w->c, w->api->times.answer);
    } else
        return false;
    return true;
}

/* From what is being sent. */
static size_t watch_copy(struct watcher *w, char *dst, size_t size)
{
    size_t n = 0;
    if (w->reading != NULL) {
        n = reading_copy(w->reading, dst, size);
        if (n < size) {
            reading_free(w->reading);
            w->reading = NULL;
        }
        return n;
    }
    n = w->comment_len - w->comment_at < size ? w->comment_len - w->comment_at : size;
    memcpy(dst, w->comment + w->comment_at, n);
    w->comment_at += n;
    return n;
}

static void watch_client_left(void *arg, int fd, unsigned events)
{
    struct watcher *w = arg;
    struct pollfd state = {.fd = fd, .events = POLLIN};
    (void)events;
    /* It hung up, or it only said that it will send no more (or sent something that nobody asked for): that is no reason to stop, nor to
     * look again. */
    if (w->suspended && poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLERR)) != 0) {
        w->left = true;
        w->suspended = false;
        loop_io_set(w->io, 0);
        MHD_resume_connection(w->c->connection);
        api_run(w->api); /* frees w */
        return;
    }
    loop_io_set(w->io, 0);
}

static ssize_t watch_read(void *arg, uint64_t pos, char *dst, size_t size)
{
    struct watcher *w = arg;
    size_t n = 0;
    (void)pos;
    if (w->left)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    do
        n += watch_copy(w, dst + n, size - n);
    while (n < size && watch_next(w));
    if (n > 0)
        return (ssize_t)n;
    if (w->finished)
        return MHD_CONTENT_READER_END_OF_STREAM;
    MHD_suspend_connection(w->c->connection);
    w->suspended = true;
    w->c->deadline = 0; /* it has all there is */
    if (w->io == NULL) {
        w->io = loop_io_new(w->api->loop, "watch", w->c->fd, watch_client_left, w);
        loop_io_set(w->io, LOOP_READ);
    }
    return 0;
}

static void watch_free(void *arg)
{
    struct watcher *w = arg;
    loop_io_free(w->io);
    TAILQ_REMOVE(&w->api->watchers, w, all);
    w->api->watchers_len--;
    if (w->is_due)
        TAILQ_REMOVE(&w->api->due, w, due);
    w->c->watcher = NULL;
    reading_free(w->reading);
    if (w->ranking != NULL)
        ranking_unref(w->ranking);
    free(w->policy);
    free(w->model);
    free(w);
}

/* Is the table that the client says it has (header or parameter) the current one? */
static bool watch_client_has(struct client *c)
{
    char id[48];
    const char *said = dispatch_parameter(c, "last_event_id");
    if (said == NULL)
        said = MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, "Last-Event-ID");
    snprintf(id, sizeof id, "%" PRIu64 "-%" PRIu64, c->api->table->epoch, c->api->table->generation);
    return said != NULL && strcmp(said, id) == 0;
}

static struct watcher *watch_new(struct client *c, const struct found *found)
{
    struct api *api = c->api;
    struct watcher *w = alloc_zero(1, sizeof *w);
    const char *policy = dispatch_parameter(c, "policy"), *model = dispatch_parameter(c, "model");
    w->api = api;
    w->c = c;
    w->policy = policy != NULL ? alloc_string(policy) : NULL;
    w->model = model != NULL ? alloc_string(model) : NULL;
    w->lease_stamp = api->lease_stamp - 1; /* one comment at once: whoever has the table already sees that it is heard */
    if (watch_client_has(c))
        watch_mark(w, found);
    if (TAILQ_EMPTY(&api->watchers))
        loop_timer_set(api->beat, loop_now(api->loop) + api->times.heartbeat);
    TAILQ_INSERT_TAIL(&api->watchers, w, all);
    api->watchers_len++;
    c->watcher = w;
    return w;
}

enum MHD_Result watch_get(struct client *c)
{
    struct found found;
    enum MHD_Result answered = MHD_NO;
    const struct config *config = c->api->owner.config(c->api->owner.arg);
    if (!find_ranking(c, dispatch_parameter(c, "policy"), dispatch_parameter(c, "model"), &found, &answered))
        return answered;
    if (c->api->watchers_len >= (size_t)(config->watchers > 0 ? config->watchers : 0)) {
        c->api->refused++;
        return answer_problem(c, MHD_HTTP_SERVICE_UNAVAILABLE, "%zu watchers are connected, which is the cap", c->api->watchers_len);
    }
    struct MHD_Response *response = NULL;
    if (c->head)
        response = answer_head_only();
    else {
        struct watcher *w = watch_new(c, &found);
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, WATCH_BLOCK, watch_read, w, watch_free);
        if (response == NULL)
            watch_free(w);
    }
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", "text/event-stream");
    MHD_add_response_header(response, "X-Accel-Buffering", "no"); /* nginx would hold events back */
    return answer_send(c, MHD_HTTP_OK, response);
}

static void watch_make_due(struct watcher *w)
{
    /* One that is being written to finds out by itself when it is done. */
    if (!w->suspended || w->is_due)
        return;
    w->is_due = true;
    TAILQ_INSERT_TAIL(&w->api->due, w, due);
    if (!loop_timer_active(w->api->pump))
        loop_timer_set(w->api->pump, loop_now(w->api->loop));
}

void watch_pump(void *arg)
{
    struct api *api = arg;
    for (int i = 0; i < WATCH_TURN && !TAILQ_EMPTY(&api->due); i++) {
        struct watcher *w = TAILQ_FIRST(&api->due);
        TAILQ_REMOVE(&api->due, w, due);
        w->is_due = false;
        if (w->suspended) {
            w->suspended = false;
            MHD_resume_connection(w->c->connection);
        }
    }
    if (!TAILQ_EMPTY(&api->due))
        loop_timer_set(api->pump, loop_now(api->loop));
    api_run(api);
}

void watch_table_changed(struct api *api)
{
    struct watcher *w = NULL;
    struct found found;
    TAILQ_FOREACH(w, &api->watchers, all)
    if (w->suspended && (!watch_find(w, &found) || !watch_has(w, &found)))
        watch_make_due(w);
}

void watch_renewed(struct api *api)
{
    struct watcher *w = NULL;
    api->lease_stamp++;
    TAILQ_FOREACH(w, &api->watchers, all)
    watch_make_due(w);
    if (!TAILQ_EMPTY(&api->watchers))
        loop_timer_set(api->beat, loop_now(api->loop) + api->times.heartbeat);
}

void watch_beat(void *arg)
{
    watch_renewed(arg);
}

void watch_end_all(struct api *api)
{
    struct watcher *w = NULL;
    api->ending = true;
    TAILQ_FOREACH(w, &api->watchers, all)
    if (w->suspended) {
        w->suspended = false;
        MHD_resume_connection(w->c->connection);
    }
}
