/* A question: its window on both clocks, its statements, and what trouble means to whoever asked.
 *
 * A window is asked for in times of the wall, everything in the file is in steady time. `from` and `to` enclose every steady moment that
 * the window can mean; where the wall was set back or forward there are moments between them that are not in it, so that each row is held
 * against the window once more (question_in_window). */
#include "probed/store/question.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probed/store/question_parts.h"
#include "shared/alloc.h"
#include "shared/text.h"

#define TIME_BOUND ((usec_t)1 << 60)

void question_trouble(sqlite3 *db, int rc, struct history_answer *answer)
{
    answer->status = 503;
    switch (rc & 0xff) {
    case SQLITE_INTERRUPT:
        snprintf(answer->problem, sizeof answer->problem,
                 "the question took too long and was given up: ask for a shorter window or fewer routes");
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        snprintf(answer->problem, sizeof answer->problem, "the history is locked by another process: try again");
        break;
    case SQLITE_CANTOPEN:
        snprintf(answer->problem, sizeof answer->problem, "there is no history to read: the file is not there or cannot be opened");
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        snprintf(answer->problem, sizeof answer->problem, "the history is damaged and cannot be read: %s", sqlite3_errstr(rc));
        break;
    default:
        snprintf(answer->problem, sizeof answer->problem, "the history cannot be read: %s",
                 db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
        break;
    }
}

sqlite3_stmt *question_sql(struct question *q, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    if (q->rc == SQLITE_OK)
        q->rc = sqlite3_prepare_v2(q->db, sql, -1, &statement, NULL);
    return statement;
}

void question_bind(struct question *q, sqlite3_stmt *statement, int at, int64_t value)
{
    if (statement != NULL && q->rc == SQLITE_OK)
        q->rc = sqlite3_bind_int64(statement, at, value);
}

void question_bind_text(struct question *q, sqlite3_stmt *statement, int at, const char *value)
{
    if (statement != NULL && q->rc == SQLITE_OK)
        q->rc = sqlite3_bind_text(statement, at, value, -1, SQLITE_TRANSIENT);
}

bool question_row(struct question *q, sqlite3_stmt *statement)
{
    if (statement == NULL || q->rc != SQLITE_OK)
        return false;
    int rc = sqlite3_step(statement);

    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        q->rc = rc;
    return rc == SQLITE_ROW;
}

const char *question_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);

    return text != NULL ? text : "";
}

bool question_in_window(const struct question *q, usec_t steady, usec_t *ret_wall)
{
    *ret_wall = clock_wall(&q->clock, steady);
    return *ret_wall >= q->since && *ret_wall < q->until;
}

usec_t question_step_of(usec_t wall, usec_t step)
{
    usec_t rest = wall % step;

    return wall - rest - (rest < 0 ? step : 0);
}

void routes_add(struct routes *routes, int64_t id, const char *platform, const char *model)
{
    if (routes->len == routes->size) {
        routes->size = routes->size > 0 ? 2 * routes->size : 16;
        routes->all = alloc_resize(routes->all, routes->size, sizeof *routes->all);
    }
    struct route_of *of = &routes->all[routes->len++];

    of->id = id;
    text_copy(of->platform, sizeof of->platform, platform, strlen(platform));
    text_copy(of->model, sizeof of->model, model, strlen(model));
}

void routes_done(struct routes *routes)
{
    free(routes->all);
    *routes = (struct routes){.len = 0};
}

/* The clock is out of the file: what it says may be beyond all sense, and sums with it are not to overflow. */
static usec_t within(usec_t t)
{
    return t < -TIME_BOUND ? -TIME_BOUND : t > TIME_BOUND ? TIME_BOUND : t;
}

static void question_begin(struct question *q)
{
    struct err err = {.text = ""};

    q->rc = sqlite3_exec(q->db, "BEGIN", NULL, NULL, NULL);
    if (q->rc == SQLITE_OK && clock_load(&q->clock, q->db, &err) < 0)
        q->rc = sqlite3_errcode(q->db);
    q->now = q->query->now;
    q->since = q->query->since;
    q->until = q->query->until != 0 ? q->query->until : q->now + 1;
    q->from = within(clock_steady(&q->clock, q->since, false));
    q->to = within(clock_steady(&q->clock, q->until - 1, true)) + 1;
}

int question_answer(sqlite3 *db, const struct history_query *query, struct history_answer *answer)
{
    struct question q = {.db = db, .query = query, .answer = answer, .body = &answer->body};

    question_begin(&q);
    if (q.rc == SQLITE_OK) {
        switch (query->kind) {
        case HISTORY_SERIES:
            question_series(&q);
            break;
        case HISTORY_EVENTS:
            question_events(&q);
            break;
        case HISTORY_REPORT:
            question_report(&q);
            break;
        case HISTORY_DUMP:
            question_dump(&q);
            break;
        }
    }
    if (q.rc == SQLITE_OK)
        answer->status = 200;
    else
        question_trouble(db, q.rc, answer);
    if (q.rc == SQLITE_OK && answer->body.full) {
        answer->status = 503;
        snprintf(answer->problem, sizeof answer->problem, "the answer is too long: ask for a shorter window or fewer routes");
        buf_done(&answer->body);
    }
    clock_done(&q.clock);
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return q.rc == SQLITE_OK ? 0 : -EIO;
}
