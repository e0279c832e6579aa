/* One answer of `probed replay --brief`: a line of JSON with the routes that may get requests, read into flat arrays. */
#ifndef ROUTECTL_REPLAY_ANSWER_H
#define ROUTECTL_REPLAY_ANSWER_H

#include "shared/buf.h"
#include "shared/err.h"
#include "shared/units.h"

#define REPLAY_ANSWER_ROWS_MAX 4000000
#define REPLAY_ANSWER_DEPTH    32

struct replay_answer_row {
    size_t platform; /* replay_answer_text */
    unsigned slots;  /* 0..256 */
    int64_t cost;    /* pico-units; -1 = not known */
};

struct replay_answer_ranking {
    size_t policy, model; /* replay_answer_text */
    size_t first, len;    /* its rows, in rank order */
};

struct replay_answer { /* used again for the next line; {0} at first */
    usec_t t;
    char currency[CURRENCY_MAX];
    struct replay_answer_ranking *rankings;
    size_t rankings_len, rankings_size;
    struct replay_answer_row *rows;
    size_t rows_len, rows_size;
    struct buf text;
};
void replay_answer_done(struct replay_answer *answer);
/* line: NUL-terminated. -EPROTO with err said; then what is in it means nothing. */
int replay_answer_read(struct replay_answer *ret, const char *line, struct err *err) ATTR_UNUSED_RESULT;
const char *replay_answer_text(const struct replay_answer *answer, size_t at);

#endif
