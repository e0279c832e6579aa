/* For the tests of the chat reading: a stream written as pieces with times, read into an observation. */
#ifndef TESTS_UNIT_PROBE_CHAT_TRY_H
#define TESTS_UNIT_PROBE_CHAT_TRY_H

#include <string.h>

#include "probed/probe/chat.h"

#define MS   USEC_PER_MSEC
#define SENT (100 * MS) /* the request was started at 90 ms */

struct piece {
    usec_t after; /* since SENT */
    const char *bytes;
};
#define END                                                                                                                                \
    {                                                                                                                                      \
        0, NULL                                                                                                                            \
    }

struct try_setup {
    enum dialect_id dialect;
    const char *model;        /* NULL = "gpt-4o-mini" */
    int status;               /* 0 = 200 */
    enum outcome_kind kind;   /* of the transport; OK */
    const char *content_type; /* NULL = text/event-stream */
    bool timed_out;           /* by the caller's own timer */
    usec_t ended;             /* since SENT; 0 = with the last piece */
};

/* The challenge of all tests: the answer is "omar". */
static inline struct challenge try_challenge(void)
{
    return (struct challenge){
        .prompt = "Note 5b1e09af: ...",
        .answer = "omar",
        .others = {"nora", "petra", "felix", "silas"},
        .nonce = "5b1e09af",
    };
}

/* `step`: every piece is fed in reads of that many bytes, 0 = whole. */
static inline struct observation try_step(const struct try_setup *setup, const struct piece *pieces, size_t step)
{
    struct challenge challenge = try_challenge();
    struct chat_reading *r = chat_reading_new(setup->dialect, setup->model ? setup->model : "gpt-4o-mini", &challenge);
    struct http_result result = {
        .stage = setup->kind == OUTCOME_OK ? STAGE_DONE : STAGE_STREAM,
        .kind = setup->kind,
        .status = setup->status ? setup->status : 200,
        .started = SENT - 10 * MS,
        .sent = SENT,
        .headers = SENT + 5 * MS,
        .dns = -1,
        .connect = -1,
        .tls = -1,
        .reused = true,
        .http_version = 11,
    };
    strcpy(result.content_type, setup->content_type ? setup->content_type : "text/event-stream");
    usec_t last = 0;
    bool over = false;
    for (; pieces->bytes && !over; pieces++) {
        size_t len = strlen(pieces->bytes), n = step ? step : len;
        last = pieces->after;
        for (size_t at = 0; at < len && !over; at += n)
            over =
                chat_reading_data(r, result.status, result.content_type, pieces->bytes + at, len - at < n ? len - at : n, SENT + last) != 0;
    }
    result.ended = SENT + (setup->ended ? setup->ended : last);
    if (over || setup->timed_out)
        result.kind = OUTCOME_CANCELED;
    enum stage timeout = !setup->timed_out ? STAGE_COUNT : chat_reading_has_token(r) ? STAGE_STREAM : STAGE_FIRST;
    struct observation o;
    chat_reading_finish(r, &result, timeout, &o);
    chat_reading_free(r);
    return o;
}

static inline struct observation try_chat(const struct try_setup *setup, const struct piece *pieces)
{
    return try_step(setup, pieces, 0);
}

/* Both must hold for every way of reading. */
#define assert_outcome(o, wanted_kind, wanted_stage)                                                                                       \
    do {                                                                                                                                   \
        if ((o).outcome.kind != (wanted_kind) || (o).outcome.stage != (wanted_stage))                                                      \
            fail_msg("%s at %s (\"%s\")", outcome_name((o).outcome.kind), stage_name((o).outcome.stage), (o).detail);                      \
    } while (0)

#endif
