/* The text back end: aligned tables, facts in two columns, colours where asked for.
 *
 * Widths are those of the terminal (中文 takes two columns a character). A table that is wider than the window first cuts the cells that
 * may be cut, then drops whole columns, the least important first; a wrapping last column goes on in the next line instead. Without a
 * window (a pipe, a file) nothing is cut. Strings are escaped before they are measured, colours are added after, so that neither can
 * disturb the columns. */
#include "routectl/writer_forms.h"

#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/text.h"

#define GAP          2  /* spaces between columns */
#define LABEL_WIDTH  14 /* of a fact */
#define INDENT       2  /* of facts and tables */
#define WRAP_LEAST   24 /* other columns make room until a wrapping one has this much */
#define WRAP_POOREST 8  /* with less there is no sense in wrapping */

static const char *const sgr[STYLE_COUNT] = {
    [STYLE_PLAIN] = "",       [STYLE_GOOD] = "\033[32m", [STYLE_WARN] = "\033[33m",
    [STYLE_BAD] = "\033[31m", [STYLE_DIM] = "\033[2m",   [STYLE_BOLD] = "\033[1m",
};

static void style_on(struct writer *w, enum style style)
{
    if (w->setup.colour && style != STYLE_PLAIN)
        buf_add_str(&w->out, sgr[style]);
}

static void style_off(struct writer *w, enum style style)
{
    if (w->setup.colour && style != STYLE_PLAIN)
        buf_add_str(&w->out, "\033[0m");
}

static void add_spaces(struct buf *out, size_t n)
{
    while (n-- > 0)
        buf_add_char(out, ' ');
}

/* --- wrapping --------------------------------------------------------------------------------------------------------- */

/* How many bytes of s go into `columns`, broken at a space if there is one; *ret_skip: bytes to leave out before the next line. */
static size_t wrap_at(const char *s, size_t columns, size_t *ret_skip)
{
    size_t width = 0, i = 0, space = 0;

    *ret_skip = 0;
    while (s[i]) {
        size_t n = 1;
        char character[8] = {0};
        while ((s[i + n] & 0xc0) == 0x80 && n < sizeof character - 1)
            n++;
        memcpy(character, s + i, n);
        width += text_width(character);
        if (width > columns && i > 0)
            break;
        if (s[i] == ' ')
            space = i;
        i += n;
    }
    if (!s[i])
        return i;
    if (s[i] == ' ') {
        *ret_skip = 1;
        return i;
    }
    if (space > 0) {
        *ret_skip = 1;
        return space;
    }
    return i;
}

/* Writes escaped text that begins at column `indent`, its further lines indented as far. */
static void add_wrapped(struct writer *w, const char *text, size_t indent, enum style style)
{
    size_t columns = w->setup.columns;
    if (columns == 0 || columns < indent + WRAP_POOREST) {
        style_on(w, style);
        buf_add_str(&w->out, text);
        style_off(w, style);
        return;
    }
    for (const char *s = text; *s;) {
        size_t skip;
        size_t n = wrap_at(s, columns - indent, &skip);
        if (s != text) {
            buf_add_char(&w->out, '\n');
            add_spaces(&w->out, indent);
        }
        style_on(w, style);
        buf_add(&w->out, s, n);
        style_off(w, style);
        s += n + skip;
    }
}

/* --- tables ----------------------------------------------------------------------------------------------------------- */

struct layout {
    size_t width[WRITER_COLUMNS_MAX]; /* 0 = dropped */
    size_t last;                      /* index of the last column shown */
};

static size_t layout_total(const struct layout *layout, size_t len)
{
    size_t total = INDENT, shown = 0;
    for (size_t c = 0; c < len; c++) {
        if (layout->width[c] == 0)
            continue;
        total += layout->width[c] + (shown++ > 0 ? GAP : 0);
    }
    return total;
}

static size_t least_width(const struct column *column, size_t width)
{
    size_t least = column->wrap && column->least == 0 ? WRAP_LEAST : column->least;
    return least > 0 && least < width ? least : width;
}

/* Is a to be cut before b? What can be done without is, and of equals the wider. */
static bool cut_first(const struct column *columns, const struct layout *layout, size_t a, size_t b)
{
    if (columns[a].drop != columns[b].drop)
        return columns[a].drop > columns[b].drop;
    return layout->width[a] > layout->width[b];
}

/* Cuts what may be cut until the total fits or nothing is left to cut. */
static void layout_cut(struct layout *layout, const struct column *columns, size_t len, size_t window)
{
    while (layout_total(layout, len) > window) {
        size_t next = len;
        for (size_t c = 0; c < len; c++) {
            if (layout->width[c] > least_width(&columns[c], layout->width[c]) && (next == len || cut_first(columns, layout, c, next)))
                next = c;
        }
        if (next == len)
            return;
        layout->width[next]--;
    }
}

static void layout_make(struct layout *layout, const struct writer_table *table, struct buf *shown, size_t window)
{
    const struct column *columns = table->columns;
    size_t len = table->columns_len;

    for (size_t c = 0; c < len; c++) {
        layout->width[c] = 0;
        if (!columns[c].title)
            continue;
        layout->width[c] = text_width(columns[c].title);
        for (size_t i = 0; i < table->rows_len; i++) {
            size_t width = text_width(buf_str(&shown[i * len + c]));
            layout->width[c] = width > layout->width[c] ? width : layout->width[c];
        }
    }
    for (;;) {
        struct layout cut = *layout;
        layout_cut(&cut, columns, len, window);
        size_t dropped = len;
        for (size_t c = 0; c < len; c++) {
            if (layout->width[c] > 0 && columns[c].drop > 0 && (dropped == len || columns[c].drop > columns[dropped].drop))
                dropped = c;
        }
        if (window == 0 || layout_total(&cut, len) <= window || dropped == len) {
            if (window > 0)
                *layout = cut;
            break;
        }
        layout->width[dropped] = 0;
    }
    layout->last = 0;
    for (size_t c = 0; c < len; c++) {
        if (layout->width[c] > 0)
            layout->last = c;
    }
}

static void table_titles(struct writer *w, const struct writer_table *table, const struct layout *layout)
{
    bool any = false;
    for (size_t c = 0; c < table->columns_len; c++)
        any = any || (layout->width[c] > 0 && table->columns[c].title[0]);
    if (!any)
        return;
    add_spaces(&w->out, INDENT);
    for (size_t c = 0; c < table->columns_len; c++) {
        if (layout->width[c] == 0)
            continue;
        const struct column *column = &table->columns[c];
        style_on(w, STYLE_DIM);
        text_add_cell(&w->out, column->title, layout->width[c], column->right ? TEXT_RIGHT : TEXT_LEFT, c != layout->last || column->right);
        style_off(w, STYLE_DIM);
        if (c != layout->last)
            add_spaces(&w->out, GAP);
    }
    buf_add_char(&w->out, '\n');
}

static void table_line(struct writer *w, const struct writer_table *table, size_t row, const struct layout *layout, const struct buf *shown)
{
    size_t at = INDENT;

    add_spaces(&w->out, INDENT);
    for (size_t c = 0; c < table->columns_len; c++) {
        if (layout->width[c] == 0)
            continue;
        const struct column *column = &table->columns[c];
        enum style style = table->rows[row].cells[c].cell.style;
        const char *text = buf_str(&shown[c]);
        if (c == layout->last && column->wrap) {
            add_wrapped(w, text, at, style);
            break;
        }
        style_on(w, style);
        text_add_cell(&w->out, text, layout->width[c], column->right ? TEXT_RIGHT : TEXT_LEFT, c != layout->last || column->right);
        style_off(w, style);
        if (c != layout->last)
            add_spaces(&w->out, GAP);
        at += layout->width[c] + GAP;
    }
    while (w->out.len > 0 && w->out.data[w->out.len - 1] == ' ') /* an empty last cell leaves no blanks behind */
        w->out.data[--w->out.len] = '\0';
    buf_add_char(&w->out, '\n');
}

static void table_group(struct writer *w, const struct writer_group *group)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    text_escape_terminal(&text, group->value, strlen(group->value), 200);
    size_t width = text_width(buf_str(&text)), columns = w->setup.columns;
    style_on(w, STYLE_BOLD);
    buf_add(&w->out, text.data, text.len);
    style_off(w, STYLE_BOLD);
    if (group->beside && (columns == 0 || width + GAP < columns)) {
        buf_add_str(&w->out, "  ");
        style_on(w, group->style);
        buf_clear(&text);
        text_escape_terminal(&text, group->beside, strlen(group->beside), 400);
        text_add_cell(&w->out, buf_str(&text), columns > 0 ? columns - width - GAP : SIZE_MAX, TEXT_LEFT, false);
        style_off(w, group->style);
    }
    buf_add_char(&w->out, '\n');
}

static void text_table(struct writer *w, const struct writer_table *table)
{
    size_t cells = table->rows_len * table->columns_len;
    struct buf *shown = alloc_zero(cells > 0 ? cells : 1, sizeof *shown);
    struct layout layout;

    for (size_t i = 0; i < table->rows_len; i++) {
        for (size_t c = 0; c < table->columns_len; c++)
            writer_add_shown(&shown[i * table->columns_len + c], &table->rows[i].cells[c].cell);
    }
    layout_make(&layout, table, shown, w->setup.columns);
    if (table->rows_len > 0)
        table_titles(w, table, &layout);
    size_t group = 0;
    for (size_t i = 0; i <= table->rows_len; i++) {
        for (; group < table->groups_len && table->groups[group].first <= i; group++)
            table_group(w, &table->groups[group]);
        if (i < table->rows_len)
            table_line(w, table, i, &layout, &shown[i * table->columns_len]);
    }
    for (size_t i = 0; i < cells; i++)
        buf_done(&shown[i]);
    free(shown);
}

/* --- the rest --------------------------------------------------------------------------------------------------------- */

static void text_heading(struct writer *w, const char *text)
{
    struct buf safe CLEANUP(buf_done) = BUF_INIT;
    text_escape_terminal(&safe, text, strlen(text), 1000);
    if (w->out.len > 0)
        buf_add_char(&w->out, '\n');
    style_on(w, STYLE_BOLD);
    add_wrapped(w, buf_str(&safe), 0, STYLE_PLAIN);
    style_off(w, STYLE_BOLD);
    buf_add_char(&w->out, '\n');
}

static void text_fact(struct writer *w, const char *key, const char *label, const struct cell *cell)
{
    struct buf shown CLEANUP(buf_done) = BUF_INIT;
    (void)key;
    if (!label)
        return;
    add_spaces(&w->out, INDENT);
    style_on(w, STYLE_DIM);
    text_add_cell(&w->out, label, LABEL_WIDTH, TEXT_LEFT, true);
    style_off(w, STYLE_DIM);
    writer_add_shown(&shown, cell);
    add_wrapped(w, buf_str(&shown), INDENT + LABEL_WIDTH, cell->style);
    buf_add_char(&w->out, '\n');
}

static void text_note(struct writer *w, enum style style, const char *text)
{
    struct buf safe CLEANUP(buf_done) = BUF_INIT;
    text_escape_terminal(&safe, text, strlen(text), 4096);
    add_spaces(&w->out, INDENT);
    add_wrapped(w, buf_str(&safe), strncmp(text, "- ", 2) == 0 ? 2 * INDENT : INDENT, style); /* a list hangs */
    buf_add_char(&w->out, '\n');
}

static void text_line(struct writer *w, const char *line)
{
    buf_add_str(&w->out, line);
    buf_add_char(&w->out, '\n');
}

static void text_finish(struct writer *w)
{
    (void)w;
}

const struct writer_ops writer_text_ops = {
    .heading = text_heading,
    .fact = text_fact,
    .note = text_note,
    .line = text_line,
    .table = text_table,
    .finish = text_finish,
};
