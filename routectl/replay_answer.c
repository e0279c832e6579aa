/* Reading what `probed replay --brief` answers.
 *
 * A week asked for every ten seconds is sixty thousand answers of some kilobytes: a tree of each would take longer than the replay itself,
 * so that a cursor runs once over the text and puts rows into arrays that are used again. The other program may be of another version:
 * members may stand in any order, what is not known is skipped, and whatever is not as it should be is refused with a sentence. Depth,
 * rows and names are capped. No I/O, no clock. */
#include "routectl/replay_answer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "routectl/follow.h"
#include "shared/alloc.h"
#include "shared/json.h"
#include "shared/text.h"

struct cursor {
    const char *at;
    struct replay_answer *answer;
    struct err *err;
    int depth;
    bool has_time;
};

void replay_answer_done(struct replay_answer *answer)
{
    free(answer->rankings);
    free(answer->rows);
    buf_done(&answer->text);
    *answer = (struct replay_answer){.t = 0};
}

const char *replay_answer_text(const struct replay_answer *answer, size_t at)
{
    return answer->text.data + at;
}

static int refuse(struct cursor *c, const char *wanted)
{
    return err_set(c->err, -EPROTO, "not an answer of probed replay: %s wanted at \"%.40s\"", wanted, c->at);
}

static char peek(struct cursor *c)
{
    c->at += strspn(c->at, " \t\r\n");
    return *c->at;
}

static bool take(struct cursor *c, char wanted)
{
    bool is = peek(c) == wanted;
    c->at += is;
    return is;
}

/* Onto the text, with its NUL; *ret: where. Escapes are rare and left to the JSON library. */
static int take_string(struct cursor *c, size_t *ret)
{
    if (peek(c) != '"')
        return refuse(c, "a string");
    const char *begin = ++c->at;
    c->at += strcspn(c->at, "\"\\");
    struct buf *text = &c->answer->text;
    *ret = text->len;
    if (*c->at == '"') {
        buf_add(text, begin, (size_t)(c->at++ - begin));
    } else {
        while (*c->at && *c->at != '"')
            c->at += c->at[0] == '\\' && c->at[1] ? 2 : 1;
        if (!*c->at)
            return refuse(c, "the end of a string");
        c->at++;
        CLEANUP(json_deletep) cJSON *json = json_parse(begin - 1, (size_t)(c->at - begin + 1), NULL);
        const char *value = cJSON_GetStringValue(json);
        if (!value)
            return refuse(c, "a string");
        buf_add_str(text, value);
    }
    buf_add_char(text, '\0');
    return text->full ? refuse(c, "fewer names") : 0;
}

static int take_integer(struct cursor *c, int64_t most, int64_t *ret)
{
    char *end;
    if (peek(c) < '0' || *c->at > '9')
        return refuse(c, "a number");
    errno = 0;
    *ret = strtoll(c->at, &end, 10);
    if (errno || *ret > most || *end == '\0' || !strchr(",] \t\r\n", *end))
        return refuse(c, "a smaller whole number");
    c->at = end;
    return 0;
}

/* Something that is not known, whatever it is. */
static int skip(struct cursor *c)
{
    size_t dropped;
    char open = peek(c);
    if (open == '"') {
        int e = take_string(c, &dropped);
        if (e == 0)
            c->answer->text.len = dropped;
        return e;
    }
    if (open != '{' && open != '[') {
        size_t len = strcspn(c->at, ",]} \t\r\n");
        c->at += len;
        return len > 0 ? 0 : refuse(c, "a value");
    }
    if (++c->depth > REPLAY_ANSWER_DEPTH)
        return refuse(c, "less depth");
    c->at++;
    char close = open == '{' ? '}' : ']';
    for (bool first = true; !take(c, close); first = false) {
        if (!first && !take(c, ','))
            return refuse(c, "a comma");
        if (open == '{') {
            int e = take_string(c, &dropped);
            if (e < 0)
                return e;
            c->answer->text.len = dropped;
            if (!take(c, ':'))
                return refuse(c, "a colon");
        }
        int e = skip(c);
        if (e < 0)
            return e;
    }
    c->depth--;
    return 0;
}

/* [platform, slots, cost or null, what a later version may add] */
static int take_row(struct cursor *c)
{
    struct replay_answer *a = c->answer;
    struct replay_answer_row row = {.cost = -1};
    int64_t slots = 0;
    int e;
    if (!take(c, '['))
        return refuse(c, "a row");
    if ((e = take_string(c, &row.platform)) < 0)
        return e;
    if (!take(c, ','))
        return refuse(c, "slots");
    if ((e = take_integer(c, FOLLOW_SLOTS, &slots)) < 0)
        return e;
    row.slots = (unsigned)slots;
    if (!take(c, ','))
        return refuse(c, "a cost");
    e = peek(c) == 'n' ? skip(c) : take_integer(c, INT64_MAX, &row.cost);
    while (e == 0 && take(c, ','))
        e = skip(c);
    if (e < 0 || !take(c, ']'))
        return e < 0 ? e : refuse(c, "the end of a row");
    if (a->rows_len >= REPLAY_ANSWER_ROWS_MAX)
        return refuse(c, "fewer rows");
    if (a->rows_len == a->rows_size) {
        a->rows_size = a->rows_size ? 2 * a->rows_size : 64;
        a->rows = alloc_resize(a->rows, a->rows_size, sizeof *a->rows);
    }
    a->rows[a->rows_len++] = row;
    return 0;
}

static int take_ranking(struct cursor *c, size_t policy, size_t model)
{
    struct replay_answer *a = c->answer;
    size_t first = a->rows_len;
    if (!take(c, '['))
        return refuse(c, "a ranking");
    for (bool begun = false; !take(c, ']'); begun = true) {
        if (begun && !take(c, ','))
            return refuse(c, "a comma");
        int e = take_row(c);
        if (e < 0)
            return e;
    }
    if (a->rankings_len == a->rankings_size) {
        a->rankings_size = a->rankings_size ? 2 * a->rankings_size : 16;
        a->rankings = alloc_resize(a->rankings, a->rankings_size, sizeof *a->rankings);
    }
    a->rankings[a->rankings_len++] = (struct replay_answer_ranking){policy, model, first, a->rows_len - first};
    return 0;
}

/* The members of an object, one by one: false at its end or at an error, which is then in *e. The name is in the text. */
static bool next_member(struct cursor *c, bool *begun, size_t *name, int *e)
{
    *e = 0;
    if (take(c, '}'))
        return false;
    if (*begun && !take(c, ','))
        *e = refuse(c, "a comma");
    else if ((*e = take_string(c, name)) == 0 && !take(c, ':'))
        *e = refuse(c, "a colon");
    *begun = true;
    return *e == 0;
}

static int take_policies(struct cursor *c)
{
    bool begun = false;
    size_t policy, model;
    int e;
    if (!take(c, '{'))
        return refuse(c, "policies");
    while (next_member(c, &begun, &policy, &e)) {
        bool models_begun = false;
        if (!take(c, '{'))
            return refuse(c, "models");
        while (next_member(c, &models_begun, &model, &e))
            if ((e = take_ranking(c, policy, model)) < 0)
                return e;
        if (e < 0)
            return e;
    }
    return e;
}

static int take_member(struct cursor *c, const char *name)
{
    size_t at;
    char *end;
    if (strcmp(name, "policies") == 0)
        return take_policies(c);
    if (strcmp(name, "currency") == 0) {
        int e = take_string(c, &at);
        if (e == 0)
            text_copy(c->answer->currency, sizeof c->answer->currency, c->answer->text.data + at, strlen(c->answer->text.data + at));
        return e;
    }
    if (strcmp(name, "t") != 0)
        return skip(c);
    peek(c);
    double t = strtod(c->at, &end);
    if (end == c->at || !(t >= 0 && t <= 1e11))
        return refuse(c, "a time");
    c->at = end;
    c->answer->t = llround(t * 1e6);
    c->has_time = true;
    return 0;
}

int replay_answer_read(struct replay_answer *ret, const char *line, struct err *err)
{
    struct cursor c = {.at = line, .answer = ret, .err = err};
    bool begun = false;
    size_t name;
    int e;
    ret->rankings_len = ret->rows_len = 0;
    buf_clear(&ret->text);
    if (!take(&c, '{'))
        return refuse(&c, "an object");
    while (next_member(&c, &begun, &name, &e)) {
        char known[16];
        text_copy(known, sizeof known, ret->text.data + name, strlen(ret->text.data + name));
        if ((e = take_member(&c, known)) < 0)
            return e;
    }
    if (e < 0)
        return e;
    if (peek(&c) != '\0')
        return refuse(&c, "the end");
    return c.has_time ? 0 : refuse(&c, "a time in it");
}
