/* Between writer.c, which collects, and the three back ends, which render. For no one else. */
#ifndef ROUTECTL_WRITER_FORMS_H
#define ROUTECTL_WRITER_FORMS_H

#include "routectl/writer.h"

struct writer_cell { /* a cell that owns its string */
    struct cell cell;
    char *string;
};

struct writer_row {
    const char *group; /* NULL = none; owned by the table */
    struct writer_cell *cells;
};

struct writer_group { /* where a group begins */
    size_t first;     /* row */
    char *value, *beside;
    enum style style;
};

struct writer_table {
    char *key, *group_key;
    const struct column *columns;
    size_t columns_len;
    struct writer_row *rows;
    size_t rows_len, rows_size;
    struct writer_group *groups;
    size_t groups_len, groups_size;
};

struct writer_ops {
    void (*heading)(struct writer *w, const char *text);
    void (*fact)(struct writer *w, const char *key, const char *label, const struct cell *cell);
    void (*note)(struct writer *w, enum style style, const char *text);
    void (*line)(struct writer *w, const char *line);
    void (*table)(struct writer *w, const struct writer_table *table); /* whole, so that widths are known */
    void (*finish)(struct writer *w);
};

struct writer {
    const struct writer_ops *ops;
    struct writer_setup setup;
    struct buf out;
    bool tagged, headless;
    cJSON *root; /* JSON only: what is being built */
    bool whole;  /* JSON only: root is the daemon's own document */
    bool open;   /* a table is being collected */
    struct writer_table table;
};

extern const struct writer_ops writer_text_ops, writer_json_ops, writer_tsv_ops;

/* What a person reads, escaped, into ret. */
void writer_add_shown(struct buf *ret, const struct cell *cell);

#endif
