/* The TSV back end: one line a row, one tab between values, "-" for what is not known or empty, a header line that begins with '#'.
 *
 * Values are those of the JSON form (milliseconds, Unix seconds, shares of 1), never the rounded ones for people. Control characters, and
 * so tabs and newlines, inside a value are written as visible escapes: a line is always a row. Facts are "KEY<tab>VALUE". When a verb has
 * several tables each line begins with the name of its table ("fact" for facts), so that `awk '$1 == "platforms"'` finds them. */
#include "routectl/writer_forms.h"

#include <math.h>
#include <string.h>

#include "shared/text.h"

#define VALUE_CHARS_MAX 16384

static void add_value(struct buf *out, const struct cell *cell)
{
    switch (cell->kind) {
    case CELL_UNKNOWN:
        buf_add_char(out, '-');
        break;
    case CELL_STRING:
        if (!cell->string[0]) /* two tabs in a row are one to `read` */
            buf_add_char(out, '-');
        text_escape_terminal(out, cell->string, strlen(cell->string), VALUE_CHARS_MAX);
        break;
    case CELL_NUMBER:
        if (isfinite(cell->number))
            buf_printf(out, "%.15g", cell->number);
        else
            buf_add_char(out, '-');
        break;
    case CELL_INTEGER:
        buf_printf(out, "%lld", (long long)cell->integer);
        break;
    case CELL_BOOL:
        buf_add_str(out, cell->yes ? "yes" : "no");
        break;
    }
}

static void add_header(struct writer *w, const struct writer_table *table)
{
    const char *gap = "";
    buf_add_char(&w->out, '#');
    if (w->tagged) {
        buf_add_str(&w->out, table->key);
        gap = "\t";
    }
    if (table->group_key) {
        buf_printf(&w->out, "%s%s", gap, table->group_key);
        gap = "\t";
    }
    for (size_t c = 0; c < table->columns_len; c++) {
        if (!table->columns[c].key)
            continue;
        buf_printf(&w->out, "%s%s", gap, table->columns[c].key);
        gap = "\t";
    }
    buf_add_char(&w->out, '\n');
}

static void add_row(struct writer *w, const struct writer_table *table, const struct writer_row *row)
{
    const char *gap = "";
    if (w->tagged) {
        buf_add_str(&w->out, table->key);
        gap = "\t";
    }
    if (table->group_key) {
        struct cell group = cell_string(row->group);
        buf_add_str(&w->out, gap);
        add_value(&w->out, &group);
        gap = "\t";
    }
    for (size_t c = 0; c < table->columns_len; c++) {
        if (!table->columns[c].key)
            continue;
        buf_add_str(&w->out, gap);
        add_value(&w->out, &row->cells[c].cell);
        gap = "\t";
    }
    buf_add_char(&w->out, '\n');
}

static void tsv_table(struct writer *w, const struct writer_table *table)
{
    if (!w->headless)
        add_header(w, table);
    for (size_t i = 0; i < table->rows_len; i++)
        add_row(w, table, &table->rows[i]);
}

static void tsv_fact(struct writer *w, const char *key, const char *label, const struct cell *cell)
{
    (void)label;
    if (!key)
        return;
    if (w->tagged)
        buf_add_str(&w->out, "fact\t");
    buf_printf(&w->out, "%s\t", key);
    add_value(&w->out, cell);
    buf_add_char(&w->out, '\n');
}

static void tsv_heading(struct writer *w, const char *text)
{
    (void)w;
    (void)text;
}

static void tsv_note(struct writer *w, enum style style, const char *text)
{
    (void)w;
    (void)style;
    (void)text;
}

static void tsv_finish(struct writer *w)
{
    (void)w;
}

const struct writer_ops writer_tsv_ops = {
    .heading = tsv_heading,
    .fact = tsv_fact,
    .note = tsv_note,
    .line = tsv_heading,
    .table = tsv_table,
    .finish = tsv_finish,
};
