/* The one way in which a verb says anything on standard output.
 *
 * A verb describes what it has found (headings, facts, tables, notes) once; the back end that the user chose makes of it text for people,
 * JSON or tab separated lines. Every value carries both what a person reads ("510 ms") and what a program reads (510.0), so that no
 * form ever lags behind another. All is held back until writer_flush: a verb that fails half-way has printed nothing.
 *
 * Strings may be hostile (names from relays, errors from anywhere): text and TSV show control characters as visible escapes,
 * JSON as \u escapes. */
#ifndef ROUTECTL_WRITER_H
#define ROUTECTL_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buf.h"
#include "shared/compiler.h"
#include "shared/json.h"

enum writer_form { WRITER_TEXT, WRITER_JSON, WRITER_TSV };

enum style { STYLE_PLAIN, STYLE_GOOD, STYLE_WARN, STYLE_BAD, STYLE_DIM, STYLE_BOLD, STYLE_COUNT };

enum cell_kind { CELL_UNKNOWN, CELL_STRING, CELL_NUMBER, CELL_INTEGER, CELL_BOOL };

#define CELL_SHOWN_MAX 64

struct cell { /* one value; made by figures.h or by the two functions below */
    enum cell_kind kind;
    enum style style;
    const char *string; /* borrowed until the call that takes the cell returns */
    double number;
    int64_t integer;
    bool yes;
    char shown[CELL_SHOWN_MAX]; /* for people; "" = show the value itself */
};
struct cell cell_unknown(void);              /* "-" for people and TSV, null in JSON */
struct cell cell_string(const char *string); /* NULL = unknown */
struct cell cell_integer(int64_t value);
struct cell cell_bool(bool value); /* "yes", "no" */
struct cell cell_styled(struct cell cell, enum style style);
/* For people this, for programs the value that the cell has. */
struct cell cell_shown(struct cell cell, const char *fmt, ...) ATTR_PRINTF(2, 3);

struct column {
    const char *key;   /* name in JSON and TSV */
    const char *title; /* for people; NULL = in JSON and TSV only */
    bool right;        /* numbers */
    bool wrap;         /* text only, last column: goes on in the next line instead of being cut */
    int drop;          /* 0 = always shown; else the highest goes first when the window is too narrow */
    size_t least;      /* may be cut down to this many columns; 0 = never cut */
};

#define WRITER_COLUMNS_MAX 32

struct writer;

struct writer_setup {
    enum writer_form form;
    bool colour;
    bool indented;  /* JSON over several lines */
    size_t columns; /* window width; 0 = as wide as it comes */
};
struct writer *writer_new(const struct writer_setup *setup);
struct writer *writer_free(struct writer *w); /* NULL is fine; returns NULL */
void writer_freep(struct writer **w);

enum writer_form writer_form(const struct writer *w);

/* JSON: this is the document and all else is left out (the daemon's own answer, documented in probed-api(7)). Other forms ignore it. */
void writer_document(struct writer *w, const cJSON *json);
/* The document as JSON whatever the form is (best -o json). */
void writer_json(struct writer *w, const cJSON *json);
/* TSV: several tables come, so that each line begins with the name of its table ("fact" for facts). */
void writer_tagged(struct writer *w);
/* TSV: no header lines from here on. */
void writer_headless(struct writer *w);

void writer_heading(struct writer *w, const char *fmt, ...) ATTR_PRINTF(2, 3); /* text only */
void writer_fact(struct writer *w, const char *key, const char *label, struct cell cell);
/* A sentence. Text: a line; JSON: in "notes"; TSV: left out. */
void writer_note(struct writer *w, enum style style, const char *fmt, ...) ATTR_PRINTF(3, 4);
/* Exactly these bytes and a newline, in the text form only: for scripts. The caller has made them safe. */
void writer_line(struct writer *w, const char *line);

/* columns: borrowed until writer_table_end. */
void writer_table(struct writer *w, const char *key, const struct column *columns, size_t columns_len);
/* From here on rows belong to `value`: text shows it once as a line, JSON and TSV carry it as a first column in every row. `key` must be
 * the same throughout a table. beside: more words for that line, NULL = none. */
void writer_group(struct writer *w, const char *key, const char *value, const char *beside, enum style style);
void writer_row(struct writer *w, const struct cell *cells); /* one a column */
void writer_table_end(struct writer *w);

/* Writes everything to fd, at once as far as the system allows, and forgets it. 0 or -errno. */
int writer_flush(struct writer *w, int fd) ATTR_UNUSED_RESULT;
/* Takes everything as one buffer instead (a screen cuts it to its height). Caller frees. */
char *writer_take(struct writer *w);

#endif
