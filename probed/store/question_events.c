/* EVENTS: what the journal was told, oldest first.
 *
 * Without `after` it is the newest of the window; with it the oldest that came later, so that a follower misses nothing. When an answer
 * holds all there was, `next` is the number of the newest event of all, so that a follower with a narrow filter does not search the same
 * events again and again. A window without an end takes everything that is in the file: an event told while the question waited is later
 * than the question's now, and would be lost to whoever goes on from `next`. */
#include <stdlib.h>
#include <string.h>

#include "probed/store/question_parts.h"
#include "probed/store/reply.h"
#include "shared/log.h"

static const char *level_word(int level)
{
    static const char *const words[] = {[LOG_LEVEL_ERR] = "err",
                                        [LOG_LEVEL_WARNING] = "warning",
                                        [LOG_LEVEL_NOTICE] = "notice",
                                        [LOG_LEVEL_INFO] = "info",
                                        [LOG_LEVEL_DEBUG] = "debug"};

    return level >= LOG_LEVEL_ERR && level <= LOG_LEVEL_DEBUG ? words[level] : "notice";
}

static void write_event(struct question *q, sqlite3_stmt *s)
{
    struct buf *to = q->body;
    int64_t generation = sqlite3_column_int64(s, 10);

    reply_add_object(to, NULL);
    reply_add_int(to, "id", sqlite3_column_int64(s, 0));
    reply_add_time(to, "at", clock_wall(&q->clock, sqlite3_column_int64(s, 1)));
    reply_add_text(to, "level", level_word(sqlite3_column_int(s, 2)));
    reply_add_text(to, "name", question_text(s, 3));
    reply_add_text(to, "platform", question_text(s, 4));
    reply_add_text(to, "model", question_text(s, 5));
    reply_add_text(to, "policy", question_text(s, 6));
    reply_add_text(to, "from", question_text(s, 7));
    reply_add_text(to, "to", question_text(s, 8));
    reply_add_text(to, "reason", question_text(s, 9));
    if (generation > 0)
        reply_add_int(to, "generation", generation);
    else
        reply_add_null(to, "generation");
    reply_add_text(to, "text", question_text(s, 11));
    reply_close(to, '}');
}

#define COLUMNS "id, t, level, name, platform, model, policy, was, becomes, reason, generation, text"
#define FILTER                                                                                                                             \
    " WHERE t >= ?1 AND t < ?2 AND (?3 = '' OR platform = ?3) AND (?4 = '' OR model = ?4) AND (?5 = '' OR policy = ?5)"                    \
    " AND (?6 = '' OR name = ?6)"

static sqlite3_stmt *prepare(struct question *q)
{
    const struct history_query *query = q->query;
    bool newest = query->after < 0;
    /* With `after` the numbers are what is gone through, and not the index of times. */
    sqlite3_stmt *statement =
        question_sql(q, newest ? "SELECT * FROM (SELECT " COLUMNS " FROM event" FILTER " ORDER BY t DESC, id DESC LIMIT ?7) ORDER BY id"
                               : "SELECT " COLUMNS " FROM event NOT INDEXED" FILTER " AND id > ?8 ORDER BY id LIMIT ?7");

    question_bind(q, statement, 1, q->from);
    question_bind(q, statement, 2, query->until != 0 ? q->to : INT64_MAX);
    question_bind_text(q, statement, 3, query->of_len > 0 ? query->of[0].platform : "");
    question_bind_text(q, statement, 4, query->of_len > 0 ? query->of[0].model : "");
    question_bind_text(q, statement, 5, query->policy);
    question_bind_text(q, statement, 6, query->event);
    question_bind(q, statement, 7, query->limit);
    if (!newest)
        question_bind(q, statement, 8, query->after);
    return statement;
}

static int64_t newest_of_all(struct question *q)
{
    sqlite3_stmt *statement = question_sql(q, "SELECT max(id) FROM event");
    int64_t ret = question_row(q, statement) ? sqlite3_column_int64(statement, 0) : 0;

    sqlite3_finalize(statement);
    return ret;
}

void question_events(struct question *q)
{
    const struct history_query *query = q->query;
    int64_t next = query->after > 0 ? query->after : 0;
    usec_t wall = 0;
    unsigned rows = 0;

    reply_add_object(q->body, NULL);
    reply_add_array(q->body, "events");
    sqlite3_stmt *statement = prepare(q);

    for (; question_row(q, statement); rows++) {
        int64_t id = sqlite3_column_int64(statement, 0);

        if (id > next)
            next = id;
        if (question_in_window(q, sqlite3_column_int64(statement, 1), &wall) || (query->until == 0 && wall >= q->since))
            write_event(q, statement);
    }
    sqlite3_finalize(statement);
    if (query->after < 0 || rows < query->limit) {
        int64_t newest = newest_of_all(q);

        if (newest > next)
            next = newest;
    }
    reply_close(q->body, ']');
    reply_add_int(q->body, "next", next);
    reply_close(q->body, '}');
    buf_add_char(q->body, '\n');
    q->answer->next = next;
}
