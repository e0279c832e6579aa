/* DUMP: what was told, record by record in the order of telling, as a line each that `probed replay` and `probed import` read; in times of
 * the wall.
 *
 * A page ends with the number of its last record, and goes on after that. A record that is damaged, or of a time that no line can say, is
 * passed over. */
#include "probed/store/question_parts.h"
#include "probed/store/store_parts.h"

void question_dump(struct question *q)
{
    sqlite3_stmt *statement =
        question_sql(q, TOLD_SELECT " WHERE told.id > ?1 AND told.id >= ?2 AND told.id < ?3 ORDER BY told.id LIMIT ?4");
    int64_t last = 0;
    unsigned rows = 0;
    struct record record;
    usec_t wall = 0;

    question_bind(q, statement, 1, q->query->after);
    question_bind(q, statement, 2, q->from);
    question_bind(q, statement, 3, q->to);
    question_bind(q, statement, 4, q->query->limit);
    for (; question_row(q, statement); rows++) {
        last = sqlite3_column_int64(statement, 0);
        if (!question_in_window(q, last, &wall) || !told_read(statement, &record))
            continue;
        record.t = record.o.at = clock_wall(&q->clock, record.t);
        if (record.t >= 0 && record.t < (usec_t)RECORD_TIME_MAX * USEC_PER_SEC)
            record_print(&record, q->body);
    }
    sqlite3_finalize(statement);
    q->answer->next = rows == q->query->limit ? last : 0;
}
