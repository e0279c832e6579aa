/* The HTTP server on the loop: libmicrohttpd with an external epoll descriptor, its connections, their deadlines and caps.
 *
 * MHD's descriptor is one loop_io; after every MHD_run the time it asks for goes into a timer, since its epoll is edge-triggered and would
 * otherwise leave data lying. Nothing here blocks and nothing runs MHD from inside MHD: api_publish and api_renew, which the owner may call
 * from within a request (an override), only mark watchers and set a timer.
 *
 * A connection goes through: connected (a whole request line is due in time), request (the whole of it is due), answer (it has to be taken
 * in time), idle (kept for the next request), and so on, or watching (watch.c). Each stretch has a deadline; MHD's own timeouts know only
 * silence, and a client that drips a byte now and then would stay for ever. A connection that is overdue is shut down, which MHD then
 * finds. Deadlines are all later than now when set, so one timer for the earliest is enough.
 *
 * Caps come from the configuration at each use, so that a reload moves them: clients, watchers, and a small reserve beyond, in which a
 * connection is told 503 (or served, if it is an admin's). Beyond the reserve it is closed as it comes. */
#include "probed/serve/api_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "shared/alloc.h"

#define API_TIMES                                                                                                                          \
    {                                                                                                                                      \
        .idle = 75 * USEC_PER_SEC, /* longer than nginx keeps a connection to an upstream (60 s), so that it closes first */               \
            .request = 30 * USEC_PER_SEC, .answer = 30 * USEC_PER_SEC, .heartbeat = 15 * USEC_PER_SEC,                                     \
            .history = 30 * USEC_PER_SEC                                                                                                   \
    }
/* MHD's own limit is beyond every cap of ours: it would leave connections waiting without a word. */
#define API_CONNECTIONS_MAX 65536u
/* MHD takes three turns to make, send and end an answer; each is a system call or two a watcher. */
#define API_LAST_RUNS 8

static void api_sweep(void *arg)
{
    struct api *api = arg;
    struct client *c = NULL;
    usec_t now = loop_now(api->loop);
    api->sweep_at = USEC_INFINITY;
    TAILQ_FOREACH(c, &api->clients, all)
    {
        if (c->deadline == 0)
            continue;
        if (c->deadline <= now) {
            c->deadline = 0;
            shutdown(c->fd, SHUT_RDWR);
        } else if (c->deadline < api->sweep_at)
            api->sweep_at = c->deadline;
    }
    if (api->sweep_at != USEC_INFINITY)
        loop_timer_set(api->sweep, api->sweep_at);
}

void api_deadline(struct client *c, usec_t after)
{
    struct api *api = c->api;
    c->deadline = loop_now(api->loop) + after;
    if (c->deadline < api->sweep_at) {
        api->sweep_at = c->deadline;
        loop_timer_set(api->sweep, c->deadline);
    }
}

void api_run(struct api *api)
{
    MHD_UNSIGNED_LONG_LONG wait = 0;
    MHD_run(api->mhd);
    if (MHD_get_timeout(api->mhd, &wait) == MHD_YES)
        loop_timer_set(api->again, loop_now(api->loop) + (usec_t)wait * USEC_PER_MSEC);
    else
        loop_timer_stop(api->again);
}

static void api_readable(void *arg, int fd, unsigned events)
{
    (void)fd;
    (void)events;
    api_run(arg);
}

static void api_again(void *arg)
{
    api_run(arg);
}

/* --- tables --- */

static void seen_free(struct api *api)
{
    for (size_t i = 0; api->table != NULL && i < api->table->len; i++)
        blob_unref(api->seen[i].head);
    free(api->seen);
    api->seen = NULL;
}

/* The stamp of the policy in the former table if nothing in it changed, else 0. */
static uint64_t seen_unchanged(const struct api *api, const struct table *table, const struct table_policy *policy)
{
    const struct table_policy *before = api->table != NULL ? table_find_policy(api->table, policy->name) : NULL;
    if (before == NULL || before->len != policy->len || api->table->flags != table->flags)
        return 0;
    for (size_t i = 0; i < policy->len; i++)
        if (before->rankings[i] != policy->rankings[i])
            return 0;
    return api->seen[before - api->table->policies].changed;
}

struct table *api_table(struct api *api)
{
    const struct table *current = api->owner.table(api->owner.arg);
    if (current == api->table)
        return api->table;
    /* Counting a reference is no change of what the table says. */
    struct table *table = table_ref((struct table *)(uintptr_t)current);
    struct policy_seen *seen = alloc_zero(table->len + 1, sizeof *seen);
    api->stamp++;
    for (size_t i = 0; i < table->len; i++) {
        uint64_t before = seen_unchanged(api, table, &table->policies[i]);
        seen[i].changed = before != 0 ? before : api->stamp;
    }
    seen_free(api);
    if (api->table != NULL)
        table_unref(api->table);
    api->table = table;
    api->seen = seen;
    loop_timer_set(api->forget, loop_now(api->loop)); /* when the owner has let go of the old one as well */
    watch_table_changed(api);
    return table;
}

static void api_forget(void *arg)
{
    cache_sweep(((struct api *)arg)->cache);
}

void api_publish(struct api *api)
{
    api_table(api);
}

void api_renew(struct api *api)
{
    watch_renewed(api);
}

/* --- connections --- */

static enum MHD_Result client_admit(void *arg, const struct sockaddr *address, socklen_t address_len)
{
    struct api *api = arg;
    const struct config *config = api->owner.config(api->owner.arg);
    (void)address;
    (void)address_len;
    size_t clients = config->clients > 0 ? (size_t)config->clients : 0, watchers = config->watchers > 0 ? (size_t)config->watchers : 0;
    if (api->connections < clients + watchers + API_RESERVE)
        return MHD_YES;
    api->refused++;
    return MHD_NO;
}

static struct client *client_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

static void client_new(struct api *api, struct MHD_Connection *connection, void **socket_context)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const struct config *config = api->owner.config(api->owner.arg);
    struct client *c = alloc_zero(1, sizeof *c);
    c->api = api;
    c->connection = connection;
    c->fd = info->connect_fd;
    TAILQ_INSERT_TAIL(&api->clients, c, all);
    api->connections++;
    c->over = config->clients >= 0 && api->connections - api->watchers_len > (size_t)config->clients;
    roles_learn(c);
    api_deadline(c, api->times.request);
    *socket_context = c;
}

static void client_free(struct client *c)
{
    dispatch_done(c);
    roles_forget(c);
    TAILQ_REMOVE(&c->api->clients, c, all);
    c->api->connections--;
    free(c);
}

static void client_notify(void *arg, struct MHD_Connection *connection, void **socket_context, enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        client_new(arg, connection, socket_context);
    else if (*socket_context != NULL) {
        client_free(*socket_context);
        *socket_context = NULL;
    }
}

/* The request line came; what is returned here is con_cls in all that follows. */
static void *client_request_line(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct client *c = client_of(connection);
    (void)arg;
    if (c != NULL) {
        c->url_len = strlen(uri);
        api_deadline(c, c->api->times.request);
    }
    return c;
}

static void client_request_done(void *arg, struct MHD_Connection *connection, void **con_cls, enum MHD_RequestTerminationCode code)
{
    struct client *c = *con_cls;
    (void)arg;
    (void)connection;
    (void)code;
    if (c == NULL)
        return;
    dispatch_done(c);
    api_deadline(c, c->api->times.idle);
    *con_cls = NULL;
}

/* --- life --- */

static int api_start(struct api *api, struct err *err)
{
    api->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, client_admit, api, dispatch_request, api,
                                MHD_OPTION_LISTEN_SOCKET, api->listener.fd,                //
                                MHD_OPTION_CONNECTION_LIMIT, API_CONNECTIONS_MAX,          //
                                MHD_OPTION_CONNECTION_MEMORY_LIMIT, API_CONNECTION_MEMORY, //
                                MHD_OPTION_NOTIFY_CONNECTION, client_notify, api,          //
                                MHD_OPTION_URI_LOG_CALLBACK, client_request_line, api,     //
                                MHD_OPTION_NOTIFY_COMPLETED, client_request_done, api,     //
                                MHD_OPTION_END);
    const union MHD_DaemonInfo *info = api->mhd != NULL ? MHD_get_daemon_info(api->mhd, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (info == NULL)
        return err_set(err, -EIO, "the HTTP server on %s did not start", api->listener.path);
    api->io = loop_io_new(api->loop, "api", info->epoll_fd, api_readable, api);
    loop_io_set(api->io, LOOP_READ);
    return 0;
}

struct api *api_new(struct loop *loop, const struct api_owner *owner, int listen_fd, struct err *err)
{
    struct api *api = alloc_zero(1, sizeof *api);
    api->loop = loop;
    api->owner = *owner;
    api->times = (struct api_times)API_TIMES;
    api->sweep_at = USEC_INFINITY;
    TAILQ_INIT(&api->clients);
    TAILQ_INIT(&api->watchers);
    TAILQ_INIT(&api->due);
    TAILQ_INIT(&api->askings);
    api->cache = cache_new();
    api->again = loop_timer_new(loop, "api", api_again, api);
    api->sweep = loop_timer_new(loop, "api sweep", api_sweep, api);
    api->forget = loop_timer_new(loop, "api cache", api_forget, api);
    api->pump = loop_timer_new(loop, "watch pump", watch_pump, api);
    api->beat = loop_timer_new(loop, "watch beat", watch_beat, api);
    if (getrandom(&api->random, sizeof api->random, 0) != (ssize_t)sizeof api->random)
        api->random = (uint64_t)loop_wall(loop); /* it spreads load; nothing secret hangs on it */
    if (listener_open(&api->listener, owner->config(owner->arg), listen_fd, err) < 0 || api_start(api, err) < 0)
        return api_free(api);
    api_table(api);
    return api;
}

struct api *api_free(struct api *api)
{
    if (api == NULL)
        return NULL;
    if (api->mhd != NULL) {
        /* The listening socket stays ours to close and to remove. */
        MHD_quiesce_daemon(api->mhd);
        bool asked = !TAILQ_EMPTY(&api->askings);
        watch_end_all(api);
        asking_end_all(api);
        /* Their last words go out now or never: whoever takes nothing is not waited for. Nothing is suspended any more, as MHD_stop_daemon
         * demands. */
        for (int i = 0; i < API_LAST_RUNS && (asked || !TAILQ_EMPTY(&api->watchers)); i++)
            MHD_run(api->mhd);
        MHD_stop_daemon(api->mhd);
    }
    loop_io_free(api->io);
    loop_timer_free(api->again);
    loop_timer_free(api->sweep);
    loop_timer_free(api->forget);
    loop_timer_free(api->pump);
    loop_timer_free(api->beat);
    cache_free(api->cache);
    seen_free(api);
    if (api->table != NULL)
        table_unref(api->table);
    listener_close(&api->listener);
    free(api);
    return NULL;
}

struct api_stats api_stats(const struct api *api)
{
    return (struct api_stats){
        .clients = (int)(api->connections - api->watchers_len),
        .watchers = (int)api->watchers_len,
        .requests = api->requests,
        .refused = api->refused,
    };
}
