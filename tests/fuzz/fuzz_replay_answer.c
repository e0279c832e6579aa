/* Any line as an answer of `probed replay --brief`, and as a record of a history: arrays and values that keep their promises, or a sentence. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "routectl/follow.h"
#include "routectl/replay_answer.h"
#include "routectl/replay_source.h"
#include "shared/alloc.h"
#include "shared/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool holds)
{
    if (!holds)
        abort();
}

static void check_answer(const struct replay_answer *a)
{
    size_t rows = 0;
    insist(a->t >= 0);
    for (size_t i = 0; i < a->rankings_len; i++) {
        const struct replay_answer_ranking *r = &a->rankings[i];
        insist(r->first == rows && r->first + r->len <= a->rows_len);
        insist(strlen(replay_answer_text(a, r->policy)) < a->text.len && strlen(replay_answer_text(a, r->model)) < a->text.len);
        rows += r->len;
    }
    insist(rows == a->rows_len);
    for (size_t i = 0; i < a->rows_len; i++) {
        insist(a->rows[i].slots <= FOLLOW_SLOTS && a->rows[i].cost >= -1);
        insist(strlen(replay_answer_text(a, a->rows[i].platform)) < a->text.len);
    }
}

static void check_record(const char *line, size_t len)
{
    struct replay_record record;
    struct err err = {""};
    if (replay_record_read(line, len, &record, &err) < 0) {
        insist(err.text[0] != '\0');
        return;
    }
    insist(record.t >= 0 && record.ttft >= -1 && record.wasted >= 0);
    insist(text_is_utf8(record.platform, strlen(record.platform)) && text_is_utf8(record.model, strlen(record.model)));
    insist(!record.sighting || (record.platform[0] && record.model[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(alloc_freep) char *line = alloc_string_n((const char *)data, size);
    struct replay_answer answer = {.t = 0};
    struct err err = {""};
    /* Twice: what is left of a line must not change what is made of the next. */
    for (int i = 0; i < 2; i++) {
        int e = replay_answer_read(&answer, line, &err);
        if (e == 0)
            check_answer(&answer);
        else
            insist(err.text[0] != '\0');
    }
    replay_answer_done(&answer);
    check_record(line, strlen(line));
    return 0;
}
