/* Asking the daemon, and what its refusals mean to a user: the words on standard error and the exit code. */
#ifndef ROUTECTL_FETCH_H
#define ROUTECTL_FETCH_H

#include "routectl/verb.h"
#include "shared/client.h"
#include "shared/json.h"

struct fetched {
    int status;         /* HTTP; 0 = no answer */
    cJSON *json;        /* the body; NULL if it was none */
    usec_t valid_until; /* end of the lease, wall clock; 0 = not told */
    bool stale;         /* it had run out when the answer came */
};
#define FETCHED_INIT                                                                                                                       \
    {                                                                                                                                      \
        .status = 0                                                                                                                        \
    }
void fetched_done(struct fetched *fetched);

/* EXIT_OK with a 2xx answer and a JSON body in ret; else the complaint has been made and the exit code says what to do. */
enum exit_code fetch(const struct command *command, const char *target, struct fetched *ret) ATTR_UNUSED_RESULT;
/* POST with a JSON body (borrowed). */
enum exit_code fetch_post(const struct command *command, const char *target, const cJSON *body, struct fetched *ret) ATTR_UNUSED_RESULT;
/* The same, but a refusal is left to the caller: EXIT_REFUSED or EXIT_NO_ROUTE with ret->json the problem and nothing said yet. */
enum exit_code fetch_quiet(const struct command *command, const char *method, const char *target, const cJSON *body,
                           struct fetched *ret) ATTR_UNUSED_RESULT;
/* Says why it was refused, once. */
void fetch_complain(const struct command *command, const struct fetched *fetched);

/* Appends "?name=value" or "&name=value", encoded; a NULL value appends nothing. */
void fetch_query(struct buf *target, const char *name, const char *value);
/* EXIT_STALE with a warning if the table that was shown is stale, else `otherwise`. */
enum exit_code fetch_verdict(const struct fetched *fetched, enum exit_code otherwise);
/* Wall clock. */
usec_t fetch_now(void);
/* Says how to reach a daemon that could not be reached (error: what client_request gave). */
void fetch_unreachable(const struct command *command, int error, const char *text);

#endif
