/* The JSON back end: one object an output, ended by a newline.
 *
 * Facts are its members, a table is an array of objects, notes are an array of strings. Where the daemon's own answer is the document it is
 * printed as it came. What a terminal would obey is written as \u escapes (json_print does that), which mean the same to every JSON reader:
 * JSON from a hostile relay stays harmless on a screen. */
#include "routectl/writer_forms.h"

static cJSON *root(struct writer *w)
{
    if (!w->root)
        w->root = cJSON_CreateObject();
    return w->root;
}

static void add_value(cJSON *object, const char *key, const struct cell *cell)
{
    switch (cell->kind) {
    case CELL_UNKNOWN:
        json_add_null(object, key);
        break;
    case CELL_STRING:
        json_add_string(object, key, cell->string);
        break;
    case CELL_NUMBER:
        json_add_number(object, key, cell->number);
        break;
    case CELL_INTEGER:
        json_add_int(object, key, cell->integer);
        break;
    case CELL_BOOL:
        json_add_bool(object, key, cell->yes);
        break;
    }
}

static void json_fact(struct writer *w, const char *key, const char *label, const struct cell *cell)
{
    (void)label;
    if (key && !w->whole)
        add_value(root(w), key, cell);
}

static void json_note(struct writer *w, enum style style, const char *text)
{
    (void)style;
    if (w->whole)
        return;
    cJSON *notes = cJSON_GetObjectItemCaseSensitive(root(w), "notes");
    if (!notes)
        notes = json_add_array(root(w), "notes");
    json_add_string(notes, NULL, text);
}

static void json_table(struct writer *w, const struct writer_table *table)
{
    if (w->whole)
        return;
    cJSON *rows = json_add_array(root(w), table->key);
    for (size_t i = 0; i < table->rows_len; i++) {
        cJSON *row = json_add_object(rows, NULL);
        if (table->group_key)
            json_add_string(row, table->group_key, table->rows[i].group);
        for (size_t c = 0; c < table->columns_len; c++) {
            if (table->columns[c].key)
                add_value(row, table->columns[c].key, &table->rows[i].cells[c].cell);
        }
    }
}

static void json_heading(struct writer *w, const char *text)
{
    (void)w;
    (void)text;
}

static void json_finish(struct writer *w)
{
    if (!w->root)
        return;
    json_print(w->root, w->setup.indented, &w->out);
    if (w->out.len == 0 || w->out.data[w->out.len - 1] != '\n')
        buf_add_char(&w->out, '\n');
    cJSON_Delete(w->root);
    w->root = NULL;
    w->whole = false;
}

const struct writer_ops writer_json_ops = {
    .heading = json_heading,
    .fact = json_fact,
    .note = json_note,
    .line = json_heading,
    .table = json_table,
    .finish = json_finish,
};
