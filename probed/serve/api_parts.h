/* What the files of the socket's API share among themselves; nobody else includes it.
 *
 * api.c        the HTTP server on the loop; connections, their deadlines and caps
 * listen.c     the socket itself: lock, stale file, mode, group, activation
 * roles.c      who is at the other end and what that lets them do
 * endpoints.c  the table of endpoints
 * dispatch.c   a request against that table: parameters, method, role, body
 * answer.c     answers: headers that all have, JSON, text, problems, entity tags
 * find.c       names in a request against the table: what is meant, or which names are near
 * cache.c      what is made of a ranking once (JSON, text, picks) and shared by all readers
 * reading.c    a table sent piece by piece out of that cache
 * row.c        one row of it, and what is said when there is none
 * asking.c     questions to the history: a request that waits for an answer from another thread
 * routes.c pick.c explain.c status.c watch.c history.c commands.c override.c   the endpoints */
#ifndef PROBED_SERVE_API_PARTS_H
#define PROBED_SERVE_API_PARTS_H

#include <microhttpd.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "probed/serve/api.h"
#include "shared/buf.h"

/* Caps. The socket is local, its clients are not all friends. */
#define API_URL_MAX           ((size_t)8 * 1024)
#define API_HEADERS_MAX       ((size_t)16 * 1024)
#define API_CONNECTION_MEMORY ((size_t)32 * 1024) /* MHD's pool a connection: what is larger gets MHD's own plain refusal */
#define API_BODY_MAX          ((size_t)64 * 1024)
#define API_NAME_MAX          128 /* bytes of a platform, model or policy name */
#define API_AFFINITY_MAX      512
#define API_PARAMETERS_MAX    8
#define API_MANY_MAX          HISTORY_SERIES_MAX /* times that a parameter may be given which may be given many times */
#define API_RESERVE           16 /* connections beyond the caps, in which admins are served and others told 503 */
#define API_RETRY_S           1  /* Retry-After of every 503: a table may come out each second */

/* --- listen.c --- */
struct listener {
    int fd, lock_fd; /* -1 = none */
    char path[108];
    bool bound; /* the file at path is ours to remove */
    dev_t dev;
    ino_t ino;
};
int listener_open(struct listener *l, const struct config *config, int listen_fd, struct err *err) ATTR_UNUSED_RESULT;
void listener_close(struct listener *l);

/* --- api.c --- */
struct api_times {    /* members so that tests can shorten them */
    usec_t idle;      /* from the last answer to the next whole request line */
    usec_t request;   /* first connect, or the request line, to the whole request */
    usec_t answer;    /* an answer (or one event of a watch) to be taken */
    usec_t heartbeat; /* longest silence towards a watcher */
    usec_t history;   /* for an answer from the history */
};

struct watcher;
struct asking;
struct endpoint;

struct client { /* one a connection */
    struct api *api;
    struct MHD_Connection *connection;
    int fd;
    usec_t deadline; /* steady; then the connection is cut. 0 = none */
    bool over;       /* came in beyond the cap: refused unless there is room by now or it is an admin's */
    /* The other end, from the kernel; groups are asked for when a role needs them. */
    bool known, groups_known;
    pid_t pid;
    uid_t uid;
    gid_t gid;
    gid_t *groups;
    size_t groups_len;
    struct watcher *watcher; /* while it is one; owned by its MHD response */
    struct asking *asking;   /* while its request waits for an answer from the history, or that is about to be sent */
    TAILQ_ENTRY(client) all;

    /* The request in hand (a connection has one at a time). */
    bool begun; /* the handler was called before for this request */
    bool head;  /* HEAD */
    const struct endpoint *endpoint;
    size_t url_len;
    const char *parameters[API_PARAMETERS_MAX]; /* as in endpoint->parameters; borrowed from MHD; NULL = not given */
    const char *many[API_MANY_MAX];             /* all values of the one that may be given many times */
    size_t many_len;
    struct buf body;
    bool body_over;
};

struct blob { /* shared immutable bytes */
    unsigned refs;
    size_t len;
    char data[];
};
struct blob *blob_take(struct buf *b); /* moves the content; b is empty then */
struct blob *blob_ref(struct blob *blob);
void blob_unref(struct blob *blob);

struct cache;
TAILQ_HEAD(watcher_list, watcher);
TAILQ_HEAD(asking_list, asking);

struct policy_seen {   /* one a policy of the table in hand */
    uint64_t changed;  /* stamp of the last table in which any of its rankings changed */
    struct blob *head; /* head of its JSON up to the first model; made when first asked for */
};

struct api {
    struct loop *loop;
    struct api_owner owner;
    struct api_times times;
    struct listener listener;
    struct MHD_Daemon *mhd;
    struct loop_io *io;
    struct loop_timer *again; /* when MHD wants to run without an event */
    struct loop_timer *sweep; /* the earliest deadline of a connection */
    usec_t sweep_at;          /* USEC_INFINITY = not set */
    TAILQ_HEAD(client_list, client) clients;
    size_t connections;
    bool ending;

    struct table *table; /* counted; the one that all below belongs to */
    struct policy_seen *seen;
    uint64_t stamp;
    struct cache *cache;
    struct loop_timer *forget; /* sweeps the cache after a new table */
    uint64_t random;

    struct watcher_list watchers, due; /* all; those to be woken */
    size_t watchers_len;
    struct loop_timer *pump; /* wakes the due, some a turn */
    struct loop_timer *beat;
    uint64_t lease_stamp; /* counts renewals and heartbeats */
    struct asking_list askings; /* those that are suspended */

    uint64_t requests, refused;
};

/* The owner's table; notices a new one (cache and watchers' marks are brought up to it). Borrowed. */
struct table *api_table(struct api *api);
/* Runs MHD once and arms its timer. */
void api_run(struct api *api);
void api_deadline(struct client *c, usec_t after);

/* --- roles.c --- */
void roles_learn(struct client *c);  /* who is it? once a connection */
void roles_forget(struct client *c); /* frees */
/* What they may do: enum role, or-ed. */
unsigned roles_of(struct client *c);
const char *role_name(enum role role);
/* "alice" or "uid 1000". */
void roles_describe(const struct client *c, char *buf, size_t size);

/* --- endpoints.c --- */
struct parameter {
    const char *name;
    size_t max; /* bytes */
    bool required;
    bool many; /* may be given API_MANY_MAX times; at most one of an endpoint */
};
struct endpoint {
    const char *method; /* "GET" (HEAD comes with it) or "POST" */
    const char *path;
    enum role role; /* any of these; 0 = whoever could connect */
    struct parameter parameters[API_PARAMETERS_MAX];
    enum MHD_Result (*handle)(struct client *c);
};
extern const struct endpoint endpoint_table[];
extern const size_t endpoint_table_len;

/* --- dispatch.c --- */
enum MHD_Result dispatch_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                 const char *upload_data, size_t *upload_data_size, void **con_cls);
void dispatch_done(struct client *c); /* the request is over, however it ended */
/* The value of a parameter of this endpoint, by its name; NULL = not given. */
const char *dispatch_parameter(const struct client *c, const char *name);

/* --- answer.c --- */
/* Adds what every answer has and queues it; takes the response. NULL response = out of memory in MHD: the connection is cut. */
enum MHD_Result answer_send(struct client *c, unsigned status, struct MHD_Response *response);
enum MHD_Result answer_json(struct client *c, unsigned status, cJSON *json); /* takes json */
enum MHD_Result answer_text(struct client *c, unsigned status, const char *text);
/* A problem with one sentence. */
enum MHD_Result answer_problem(struct client *c, unsigned status, const char *fmt, ...) ATTR_PRINTF(3, 4);
/* The same in two steps, for problems with members of their own. */
cJSON *answer_problem_new(unsigned status, const char *fmt, ...) ATTR_PRINTF(2, 3);
enum MHD_Result answer_problem_json(struct client *c, unsigned status, cJSON *problem); /* takes problem */
/* For HEAD where the length of the body is not known: this MHD would end a chunked answer to HEAD with a last chunk, which the client takes
 * for the start of the next answer. So the answer has no length at all, and the connection ends after it. */
struct MHD_Response *answer_head_only(void);
/* Adds a header; control characters in value become "?". */
void answer_header(struct MHD_Response *response, const char *name, const char *value);
/* X-Probed-Generation and X-Probed-Valid-Until. */
void answer_stamp(struct api *api, struct MHD_Response *response);
/* The entity tag of this table for this query, with its quotes. */
void answer_etag(const struct table *table, const char *path, const char *policy, const char *model, char *ret, size_t size);
/* Does If-None-Match name it? */
bool answer_unchanged(struct client *c, const char *etag);

/* --- find.c --- */
struct found {
    struct table *table;
    size_t policy_index;
    const struct table_policy *policy;
    const struct ranking *ranking; /* NULL: no model was asked for */
};
/* Looks policy (NULL = the default) and model (NULL = none) up. True, or the 404 was queued and *ret_answered says how that went. */
bool find_ranking(struct client *c, const char *policy, const char *model, struct found *ret, enum MHD_Result *ret_answered);
/* Is there such a platform (and route, if model)? As above. */
bool find_route(struct client *c, const char *platform, const char *model, enum MHD_Result *ret_answered);
/* Adds "nearest": up to a few names that may have been meant. */
void find_suggest(cJSON *problem, const char *word, const char *const *names, size_t len);

/* --- cache.c --- */
struct picks;
struct cache *cache_new(void);
void cache_free(struct cache *cache);
void cache_sweep(struct cache *cache); /* lets go of rankings that are in no table any more */
/* Borrowed while the ranking is in the current table; ref to keep. */
struct blob *cache_json(struct cache *cache, const struct ranking *ranking);
struct blob *cache_text(struct cache *cache, const struct ranking *ranking, const char *policy);
/* Where the picks of this ranking are kept; *slot NULL = not made yet. Freed with picks_free. */
struct picks **cache_picks(struct cache *cache, const struct ranking *ranking);
/* How many rankings are held, for tests. */
size_t cache_len(const struct cache *cache);

/* --- reading.c --- */
enum reading_form { READING_JSON, READING_TEXT };
struct reading;
/* model NULL-ranking in found = all of the policy. prefix and suffix go before and after; copied. */
struct reading *reading_new(struct api *api, const struct found *found, enum reading_form form, const char *prefix, const char *suffix);
void reading_free(struct reading *r);
/* Bytes, or 0 at the end. */
size_t reading_copy(struct reading *r, char *dst, size_t size);
/* The whole length if it is cheap to know (one model), else 0. */
size_t reading_len(const struct reading *r);

/* --- row.c --- */
cJSON *row_to_json(const struct table_row *row); /* as in /v1/routes; new */
/* Moves members from a row's JSON; what it does not have becomes null. names ends with NULL. */
void row_move(cJSON *row, cJSON *to, const char *const *names);
/* 503: the ranking has no slots; says why each route has none. */
enum MHD_Result answer_no_route(struct client *c, const struct found *found);

/* --- pick.c --- */
void picks_free(struct picks *picks);

/* --- watch.c --- */
void watch_table_changed(struct api *api); /* a new table is api->table */
void watch_renewed(struct api *api);
void watch_end_all(struct api *api); /* wakes them all for their last words */
void watch_pump(void *arg);          /* timers' callbacks; arg = api */
void watch_beat(void *arg);

/* --- asking.c --- */
/* Asks the owner; the answer is sent when it is there. */
enum MHD_Result asking_start(struct client *c, const struct history_query *query);
/* MHD calls for the request again: its wait is over. */
enum MHD_Result asking_answer(struct client *c);
void asking_free(struct asking *a);      /* forgets the question */
void asking_end_all(struct api *api);    /* wakes them all for their last words */

/* --- override.c --- */
/* From a request body. 0, or -EINVAL with err said. `now` wall clock. */
int override_parse(const char *body, size_t len, usec_t now, struct api_override *ret, struct err *err) ATTR_UNUSED_RESULT;
cJSON *override_to_json(const struct api_override *o);
/* {"platform","model"} of POST /v1/probe. */
int override_parse_probe(const char *body, size_t len, char platform[64], char model[128], int *kind, struct err *err) ATTR_UNUSED_RESULT;

/* --- the endpoints --- */
enum MHD_Result status_get(struct client *c);
enum MHD_Result prices_get(struct client *c);
enum MHD_Result spend_get(struct client *c);
enum MHD_Result capabilities_get(struct client *c);
enum MHD_Result honesty_get(struct client *c);
enum MHD_Result forecast_get(struct client *c);
enum MHD_Result healthz_get(struct client *c);
enum MHD_Result routes_get(struct client *c);
enum MHD_Result routes_text_get(struct client *c);
enum MHD_Result best_get(struct client *c);
enum MHD_Result pick_get(struct client *c);
enum MHD_Result explain_get(struct client *c);
enum MHD_Result watch_get(struct client *c);
enum MHD_Result history_get(struct client *c);
enum MHD_Result events_get(struct client *c);
enum MHD_Result report_get(struct client *c);
enum MHD_Result dump_get(struct client *c);
enum MHD_Result override_post(struct client *c);
enum MHD_Result reload_post(struct client *c);
enum MHD_Result probe_post(struct client *c);

#endif
