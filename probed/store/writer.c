/* One connection that writes. Trouble is kept in w->rc: after the first, nothing more is done until the transaction is rolled back, so that no call in between has to be
 * looked at. */
#include <stdlib.h>
#include <string.h>

#include "probed/store/store_parts.h"
#include "shared/alloc.h"
#include "shared/text.h"

static const char *const statement_sql[] = {
#define X(id, sql) sql,
    WRITER_SQL(X)
#undef X
};

static void fail(struct writer *w, int rc)
{
    if (w->rc != SQLITE_OK)
        return;
    w->rc = rc;
    w->system_errno = sqlite3_system_errno(w->db);
}

sqlite3_stmt *writer_sql(struct writer *w, enum writer_statement id)
{
    if (w->rc != SQLITE_OK)
        return NULL;
    if (!w->statements[id]) {
        int rc = sqlite3_prepare_v3(w->db, statement_sql[id], -1, SQLITE_PREPARE_PERSISTENT, &w->statements[id], NULL);
        if (rc != SQLITE_OK) {
            fail(w, sqlite3_extended_errcode(w->db));
            return NULL;
        }
    }
    sqlite3_reset(w->statements[id]);
    sqlite3_clear_bindings(w->statements[id]);
    return w->statements[id];
}

void writer_int(sqlite3_stmt *s, int at, int64_t value)
{
    if (s)
        sqlite3_bind_int64(s, at, value);
}

void writer_text(sqlite3_stmt *s, int at, const char *text)
{
    if (s && text && text[0])
        sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

bool writer_step(struct writer *w, sqlite3_stmt *s)
{
    if (!s || w->rc != SQLITE_OK)
        return false;
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        fail(w, sqlite3_extended_errcode(w->db));
    sqlite3_reset(s);
    return false;
}

void writer_run(struct writer *w, sqlite3_stmt *s)
{
    while (writer_step(w, s))
        ;
}

bool writer_begin(struct writer *w)
{
    w->rc = SQLITE_OK;
    w->system_errno = 0;
    writer_run(w, writer_sql(w, SQL_BEGIN));
    return w->rc == SQLITE_OK;
}

void writer_rollback(struct writer *w)
{
    int rc = w->rc, system_errno = w->system_errno;
    w->rc = SQLITE_OK;
    if (!sqlite3_get_autocommit(w->db))
        writer_run(w, writer_sql(w, SQL_ROLLBACK));
    w->rc = rc;
    w->system_errno = system_errno;
    w->routes_len = 0; /* numbers that were given in it are not there */
    free(w->routes);
    w->routes = NULL;
    w->routes_size = 0;
    w->rolled = w->rolled_up = 0;
}

bool writer_commit(struct writer *w)
{
    writer_run(w, writer_sql(w, SQL_COMMIT));
    if (w->rc == SQLITE_OK)
        return true;
    writer_rollback(w);
    return false;
}

/* --- names --- */

static size_t hash(const char *platform, const char *model)
{
    uint64_t h = 14695981039346656037ULL;
    for (const char *c = platform; *c; c++)
        h = (h ^ (uint8_t)*c) * 1099511628211ULL;
    h = (h ^ 0xff) * 1099511628211ULL;
    for (const char *c = model; *c; c++)
        h = (h ^ (uint8_t)*c) * 1099511628211ULL;
    return (size_t)h;
}

static struct writer_route *slot_of(struct writer_route *routes, size_t size, const char *platform, const char *model)
{
    size_t at = hash(platform, model) & (size - 1);
    while (routes[at].id != 0 && (strcmp(routes[at].platform, platform) != 0 || strcmp(routes[at].model, model) != 0))
        at = (at + 1) & (size - 1);
    return &routes[at];
}

static void grow_routes(struct writer *w)
{
    size_t size = w->routes_size ? 2 * w->routes_size : 256;
    struct writer_route *routes = alloc_zero(size, sizeof *routes);
    for (size_t i = 0; i < w->routes_size; i++)
        if (w->routes[i].id != 0)
            *slot_of(routes, size, w->routes[i].platform, w->routes[i].model) = w->routes[i];
    free(w->routes);
    w->routes = routes;
    w->routes_size = size;
}

/* The number that `find` knows for one or two names, or that `add` gives. */
static int64_t number_of(struct writer *w, enum writer_statement find, enum writer_statement add, const char *a, const char *b)
{
    sqlite3_stmt *s = writer_sql(w, find);
    int64_t id = 0;
    if (!s)
        return 0;
    sqlite3_bind_text(s, 1, a, -1, SQLITE_STATIC);
    if (b)
        sqlite3_bind_text(s, 2, b, -1, SQLITE_STATIC);
    if (writer_step(w, s))
        id = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    if (id != 0 || !(s = writer_sql(w, add)))
        return id;
    sqlite3_bind_text(s, 1, a, -1, SQLITE_STATIC);
    if (b)
        sqlite3_bind_text(s, 2, b, -1, SQLITE_STATIC);
    writer_run(w, s);
    return w->rc == SQLITE_OK ? sqlite3_last_insert_rowid(w->db) : 0;
}

int64_t writer_route(struct writer *w, const char *whole_platform, const char *whole_model)
{
    char platform[sizeof w->routes->platform], model[sizeof w->routes->model];
    if (w->rc != SQLITE_OK)
        return 0;
    text_copy(platform, sizeof platform, whole_platform, strlen(whole_platform)); /* longer ones than a record has do not exist */
    text_copy(model, sizeof model, whole_model, strlen(whole_model));
    if (2 * (w->routes_len + 1) > w->routes_size)
        grow_routes(w);
    struct writer_route *slot = slot_of(w->routes, w->routes_size, platform, model);
    if (slot->id != 0)
        return slot->id;
    int64_t id = number_of(w, SQL_ROUTE_FIND, SQL_ROUTE_ADD, platform, model);
    if (id == 0)
        return 0;
    text_copy(slot->platform, sizeof slot->platform, platform, strlen(platform));
    text_copy(slot->model, sizeof slot->model, model, strlen(model));
    slot->id = id;
    w->routes_len++;
    return id;
}

int64_t writer_meta(struct writer *w, const char *key, int64_t otherwise)
{
    sqlite3_stmt *s = writer_sql(w, SQL_META_GET);
    int64_t value = otherwise;
    writer_text(s, 1, key);
    if (writer_step(w, s))
        value = sqlite3_column_int64(s, 0);
    if (s)
        sqlite3_reset(s);
    return value;
}

void writer_set_meta(struct writer *w, const char *key, int64_t value)
{
    sqlite3_stmt *s = writer_sql(w, SQL_META_SET);
    writer_text(s, 1, key);
    writer_int(s, 2, value);
    writer_run(w, s);
}

/* --- things --- */

/* A price that is the one in force already is no news. */
static void put_price(struct writer *w, const struct record *r, int64_t route)
{
    sqlite3_stmt *s = writer_sql(w, SQL_PRICE_LAST);
    writer_int(s, 1, route);
    writer_int(s, 2, r->t);
    bool same = writer_step(w, s) && sqlite3_column_int64(s, 0) == r->price.input && sqlite3_column_int64(s, 1) == r->price.output &&
                sqlite3_column_int64(s, 2) == r->price.call;
    if (s)
        sqlite3_reset(s);
    if (same)
        return;
    s = writer_sql(w, SQL_PRICE_ADD);
    writer_int(s, 1, route);
    writer_int(s, 2, r->t);
    writer_int(s, 3, r->price.input);
    writer_int(s, 4, r->price.output);
    writer_int(s, 5, r->price.call);
    writer_run(w, s);
}

static void put_balance(struct writer *w, const struct record *r, int64_t route)
{
    sqlite3_stmt *s = writer_sql(w, SQL_BALANCE_ADD);
    writer_int(s, 1, route);
    writer_int(s, 2, r->t);
    writer_int(s, 3, r->balance);
    writer_run(w, s);
}

static void put_override(struct writer *w, const struct record *r, int64_t route)
{
    sqlite3_stmt *s = writer_sql(w, SQL_OVERRIDE_ADD);
    writer_int(s, 1, r->t);
    writer_int(s, 2, route);
    writer_text(s, 3, override_action_name(r->action));
    if (r->lasts > 0)
        writer_int(s, 4, r->t + r->lasts);
    writer_text(s, 5, r->text);
    writer_text(s, 6, r->reporter);
    writer_run(w, s);
}

static void put_record(struct writer *w, const struct record *record, int64_t id)
{
    int64_t route = record->platform[0] ? writer_route(w, record->platform, record->model) : 0;
    sqlite3_stmt *s = writer_sql(w, SQL_TOLD_ADD);
    if (!s)
        return;
    told_bind(s, id, route, record);
    writer_run(w, s);
    writer_put_told(w, record, route);
}

void writer_put_told(struct writer *w, const struct record *record, int64_t route)
{
    if (record->kind == RECORD_PRICE)
        put_price(w, record, route);
    else if (record->kind == RECORD_BALANCE)
        put_balance(w, record, route);
    else if (record->kind == RECORD_OVERRIDE)
        put_override(w, record, route);
}

static void put_event(struct writer *w, const struct item *item)
{
    sqlite3_stmt *s = writer_sql(w, SQL_EVENT_ADD);
    writer_int(s, 1, item->t);
    writer_int(s, 2, item->event.level);
    writer_text(s, 3, item->event.name);
    writer_text(s, 4, item->event.platform);
    writer_text(s, 5, item->event.model);
    writer_text(s, 6, item->event.policy);
    writer_text(s, 7, item->event.was);
    writer_text(s, 8, item->event.becomes);
    writer_text(s, 9, item->event.reason);
    if (item->event.generation > 0)
        writer_int(s, 10, item->event.generation);
    writer_text(s, 11, item->event.text);
    writer_run(w, s);
}

static void put_states_end(struct writer *w, usec_t t)
{
    sqlite3_stmt *s = writer_sql(w, SQL_STATES_END);
    writer_int(s, 1, t);
    writer_run(w, s);
}

static void put_state(struct writer *w, const struct item *item)
{
    if (!item->state.platform) {
        put_states_end(w, item->t);
        return;
    }
    int64_t route = writer_route(w, item->state.platform, item->state.model);
    sqlite3_stmt *s = writer_sql(w, SQL_STATE_LAST);
    writer_int(s, 1, route);
    bool same = writer_step(w, s) && strcmp((const char *)sqlite3_column_text(s, 0), item->state.state) == 0;
    if (s)
        sqlite3_reset(s);
    if (same || !(s = writer_sql(w, SQL_STATE_ADD)))
        return;
    writer_int(s, 1, route);
    writer_int(s, 2, item->t);
    sqlite3_bind_text(s, 3, item->state.state, -1, SQLITE_STATIC); /* "": not known from here on */
    writer_run(w, s);
}

static void put_rank(struct writer *w, const struct item *item)
{
    int64_t route = writer_route(w, item->rank.platform, item->rank.model);
    int64_t policy = number_of(w, SQL_POLICY_FIND, SQL_POLICY_ADD, item->rank.policy, NULL);
    sqlite3_stmt *s = writer_sql(w, SQL_RANK_LAST);
    writer_int(s, 1, route);
    writer_int(s, 2, policy);
    bool same = writer_step(w, s) && sqlite3_column_int64(s, 0) == item->rank.rank && sqlite3_column_int64(s, 1) == item->rank.slots;
    if (s)
        sqlite3_reset(s);
    if (same)
        return;
    s = writer_sql(w, SQL_RANK_ADD);
    writer_int(s, 1, route);
    writer_int(s, 2, policy);
    writer_int(s, 3, item->t);
    writer_int(s, 4, item->rank.rank);
    writer_int(s, 5, item->rank.slots);
    writer_run(w, s);
}

static void put_checkpoint(struct writer *w, const struct item *item)
{
    const struct buf *data = &item->checkpoint.data;
    if (item->checkpoint.marked && w->mark != item->t)
        return; /* the file was opened anew in between, and what it holds cannot be told any more: the next one will do */
    sqlite3_stmt *s = writer_sql(w, SQL_CHECKPOINT_ADD);
    if (!s)
        return;
    writer_int(s, 1, item->t);
    writer_int(s, 2, item->checkpoint.marked ? w->mark_told : w->last_told);
    sqlite3_bind_blob64(s, 3, data->data ? data->data : "", data->len, SQLITE_STATIC);
    writer_int(s, 4, (int64_t)checkpoint_sum(data->data, data->len));
    writer_run(w, s);
    writer_run(w, writer_sql(w, SQL_CHECKPOINT_PRUNE));
}

void writer_put(struct writer *w, const struct item *item)
{
    switch (item->kind) {
    case ITEM_CLOCK: {
        sqlite3_stmt *s = writer_sql(w, SQL_CLOCK_ADD);
        writer_int(s, 1, item->t);
        writer_int(s, 2, item->offset);
        writer_run(w, s);
        break;
    }
    case ITEM_RECORD: {
        int64_t id = item->t > w->last_told ? item->t : w->last_told + 1;
        put_record(w, item->record, id);
        w->last_told = id;
        break;
    }
    case ITEM_EVENT: put_event(w, item); break;
    case ITEM_STATE: put_state(w, item); break;
    case ITEM_RANK: put_rank(w, item); break;
    case ITEM_MARK:
        w->mark = item->t;
        w->mark_told = w->last_told;
        break;
    case ITEM_CHECKPOINT: put_checkpoint(w, item); break;
    case ITEM_RESERVE:
    case ITEM_SETTLE:
    case ITEM_RESET: money_put(w, item); break;
    }
}
