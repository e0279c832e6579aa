/* The front of the writer: cells, and tables collected until they are whole.
 *
 * A table is handed to its back end only at its end, because widths are not known before. Strings are copied when a row is given, so that
 * verbs may build them in place. Output is one buffer and leaves with one write where the system allows: a reader of a pipe never sees half
 * of it when the verb failed. */
#include "routectl/writer_forms.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/alloc.h"
#include "shared/text.h"

/* Longest string shown for one value; the daemon caps its own far below. */
#define SHOWN_CHARS_MAX 4096

struct cell cell_unknown(void)
{
    return (struct cell){.kind = CELL_UNKNOWN};
}

struct cell cell_string(const char *string)
{
    return string ? (struct cell){.kind = CELL_STRING, .string = string} : cell_unknown();
}

struct cell cell_integer(int64_t value)
{
    return (struct cell){.kind = CELL_INTEGER, .integer = value};
}

struct cell cell_bool(bool value)
{
    return (struct cell){.kind = CELL_BOOL, .yes = value};
}

struct cell cell_styled(struct cell cell, enum style style)
{
    cell.style = style;
    return cell;
}

struct cell cell_shown(struct cell cell, const char *fmt, ...)
{
    char text[4 * CELL_SHOWN_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    text_copy(cell.shown, sizeof cell.shown, text, strlen(text));
    return cell;
}

struct writer *writer_new(const struct writer_setup *setup)
{
    static const struct writer_ops *const ops[] = {
        [WRITER_TEXT] = &writer_text_ops, [WRITER_JSON] = &writer_json_ops, [WRITER_TSV] = &writer_tsv_ops};
    struct writer *w = alloc_zero(1, sizeof *w);
    w->ops = ops[setup->form];
    w->setup = *setup;
    return w;
}

static void table_clear(struct writer_table *table)
{
    for (size_t i = 0; i < table->rows_len; i++) {
        for (size_t c = 0; c < table->columns_len; c++)
            free(table->rows[i].cells[c].string);
        free(table->rows[i].cells);
    }
    for (size_t i = 0; i < table->groups_len; i++) {
        free(table->groups[i].value);
        free(table->groups[i].beside);
    }
    free(table->rows);
    free(table->groups);
    free(table->key);
    free(table->group_key);
    *table = (struct writer_table){0};
}

struct writer *writer_free(struct writer *w)
{
    if (!w)
        return NULL;
    table_clear(&w->table);
    cJSON_Delete(w->root);
    buf_done(&w->out);
    free(w);
    return NULL;
}

void writer_freep(struct writer **w)
{
    *w = writer_free(*w);
}

enum writer_form writer_form(const struct writer *w)
{
    return w->setup.form;
}

void writer_document(struct writer *w, const cJSON *json)
{
    if (w->setup.form != WRITER_JSON || w->whole)
        return;
    cJSON_Delete(w->root);
    w->root = cJSON_Duplicate(json, true);
    w->whole = true;
}

void writer_json(struct writer *w, const cJSON *json)
{
    w->setup.form = WRITER_JSON;
    w->ops = &writer_json_ops;
    writer_document(w, json);
}

void writer_tagged(struct writer *w)
{
    w->tagged = true;
}

void writer_headless(struct writer *w)
{
    w->headless = true;
}

void writer_heading(struct writer *w, const char *fmt, ...)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    w->ops->heading(w, buf_str(&text));
}

void writer_fact(struct writer *w, const char *key, const char *label, struct cell cell)
{
    w->ops->fact(w, key, label, &cell);
}

void writer_note(struct writer *w, enum style style, const char *fmt, ...)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    w->ops->note(w, style, buf_str(&text));
}

void writer_line(struct writer *w, const char *line)
{
    w->ops->line(w, line);
}

void writer_table(struct writer *w, const char *key, const struct column *columns, size_t columns_len)
{
    table_clear(&w->table);
    w->table.key = alloc_string(key);
    w->table.columns = columns;
    w->table.columns_len = columns_len < WRITER_COLUMNS_MAX ? columns_len : WRITER_COLUMNS_MAX;
    w->open = true;
}

void writer_group(struct writer *w, const char *key, const char *value, const char *beside, enum style style)
{
    struct writer_table *table = &w->table;
    if (!table->group_key)
        table->group_key = alloc_string(key);
    if (table->groups_len == table->groups_size) {
        table->groups_size = table->groups_size ? 2 * table->groups_size : 16;
        table->groups = alloc_resize(table->groups, table->groups_size, sizeof *table->groups);
    }
    table->groups[table->groups_len++] = (struct writer_group){
        .first = table->rows_len, .value = alloc_string(value), .beside = beside ? alloc_string(beside) : NULL, .style = style};
}

void writer_row(struct writer *w, const struct cell *cells)
{
    struct writer_table *table = &w->table;
    if (table->rows_len == table->rows_size) {
        table->rows_size = table->rows_size ? 2 * table->rows_size : 32;
        table->rows = alloc_resize(table->rows, table->rows_size, sizeof *table->rows);
    }
    struct writer_row *row = &table->rows[table->rows_len++];
    row->group = table->groups_len > 0 ? table->groups[table->groups_len - 1].value : NULL;
    row->cells = alloc_zero(table->columns_len, sizeof *row->cells);
    for (size_t c = 0; c < table->columns_len; c++) {
        row->cells[c].cell = cells[c];
        row->cells[c].string = cells[c].kind == CELL_STRING ? alloc_string(cells[c].string) : NULL;
        row->cells[c].cell.string = row->cells[c].string;
    }
}

void writer_table_end(struct writer *w)
{
    if (!w->open)
        return;
    w->ops->table(w, &w->table);
    table_clear(&w->table);
    w->open = false;
}

void writer_add_shown(struct buf *ret, const struct cell *cell)
{
    char number[48] = "";
    const char *text = number;
    if (cell->shown[0]) {
        text = cell->shown;
    } else {
        switch (cell->kind) {
        case CELL_UNKNOWN:
            text = "-";
            break;
        case CELL_STRING:
            text = cell->string;
            break;
        case CELL_NUMBER:
            snprintf(number, sizeof number, "%.6g", cell->number);
            break;
        case CELL_INTEGER:
            snprintf(number, sizeof number, "%lld", (long long)cell->integer);
            break;
        case CELL_BOOL:
            text = cell->yes ? "yes" : "no";
            break;
        }
    }
    text_escape_terminal(ret, text, strlen(text), SHOWN_CHARS_MAX);
}

int writer_flush(struct writer *w, int fd)
{
    size_t done = 0;
    int result = 0;

    w->ops->finish(w);
    while (done < w->out.len) {
        ssize_t n = write(fd, w->out.data + done, w->out.len - done);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN) { /* a terminal that someone else made non-blocking */
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            poll(&p, 1, -1);
        } else if (errno != EINTR) {
            result = -errno;
            break;
        }
    }
    buf_clear(&w->out);
    return result;
}

char *writer_take(struct writer *w)
{
    w->ops->finish(w);
    return buf_take(&w->out);
}
