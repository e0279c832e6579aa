/* Messages about the files: file:line:col, the offending text underlined, and never a key.
 *
 * libfyaml writes its own complaints and ours (fy_node_report) through one diagnostic object, whose output lands in l->told. From there it
 * goes to the caller's stream one message at a time. Keys cannot be in it: report_blank wipes whatever looks like one from a file's text
 * before libfyaml sees it (what is left, "sk-____", is found again in the values and refused). Texts that are only known to be keys by
 * where they stand (report_hide) become stars of the same length here, in whole or in the part that libfyaml's window of a long line shows.
 * Warnings are printed and change nothing; errors are counted in l->errors. Beyond CONFIG_MESSAGES_MAX they are counted only. */
#include "probed/config/parts.h"

#include <stdlib.h>
#include <string.h>

#define LINE_SHOWN_MAX  600 /* bytes of one line of a message */
#define HIDDEN_MIN      3   /* shorter texts are in every word */
#define HIDDEN_PART_MIN 3

/* What keys begin with, and how long what follows must at least be. */
static const struct {
    const char *start;
    size_t tail;
} key_marks[] = {{"sk-", 4},  {"sk_", 8},   {"rk-", 16}, {"gsk_", 16},    {"xai-", 16},
                 {"hf_", 16}, {"AIza", 20}, {"eyJ", 20}, {"Bearer ", 16}, {"bearer ", 16}};
#define PATH_TAIL 16 /* behind a "/": the name of a file may begin like a key */

static bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* If a key begins at text[at]: where its secret part is and how long that is. */
static size_t key_at(const char *text, size_t at, size_t *ret_from)
{
    if (at > 0 && is_key_char(text[at - 1])) /* "task-..." */
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(key_marks); i++) {
        size_t len = strlen(key_marks[i].start), least = key_marks[i].tail, tail = 0;
        if (strncmp(text + at, key_marks[i].start, len) != 0)
            continue;
        while (is_key_char(text[at + len + tail]))
            tail++;
        if (at > 0 && text[at - 1] == '/' && least < PATH_TAIL)
            least = PATH_TAIL;
        if (tail >= least) {
            *ret_from = at + len;
            return tail;
        }
    }
    return 0;
}

bool report_is_key(const char *text)
{
    size_t from;
    for (size_t i = 0; text[i]; i++)
        if (key_at(text, i, &from) > 0)
            return true;
    return false;
}

void report_blank(char *text)
{
    size_t from;
    for (size_t i = 0; text[i]; i++) {
        size_t len = key_at(text, i, &from);
        if (len > 0) {
            memset(text + from, '_', len);
            i = from + len - 1;
        }
    }
}

void report_hide(struct loader *l, const char *text)
{
    if (!text || strlen(text) < HIDDEN_MIN)
        return;
    l->hidden = alloc_resize(l->hidden, l->hidden_len + 1, sizeof *l->hidden);
    l->hidden[l->hidden_len++] = alloc_string(text);
}

/* The end of a line that begins a hidden text, or the beginning of one that ends it, or all of it: what a window can show of it. */
static void mask_line(char *line, size_t len, const char *hidden)
{
    size_t whole = strlen(hidden);
    for (char *p = line; (p = memmem(p, len - (size_t)(p - line), hidden, whole)); p += whole)
        memset(p, '*', whole);
    for (size_t n = whole < len ? whole : len; n >= HIDDEN_PART_MIN; n--) {
        if (memcmp(line, hidden + whole - n, n) == 0)
            memset(line, '*', n);
        if (memcmp(line + len - n, hidden, n) == 0)
            memset(line + len - n, '*', n);
    }
    if (len >= HIDDEN_PART_MIN && len < whole && memmem(hidden, whole, line, len))
        memset(line, '*', len);
}

/* Prints what is in l->told, without what is hidden, long lines cut. */
static void tell(struct loader *l)
{
    if (l->told.len > 0 && l->printed < CONFIG_MESSAGES_MAX) {
        for (char *line = l->told.data; *line;) {
            size_t len = strcspn(line, "\n");
            for (size_t i = 0; i < l->hidden_len; i++)
                mask_line(line, len, l->hidden[i]);
            fprintf(l->messages, "%.*s%s\n", (int)(len < LINE_SHOWN_MAX ? len : LINE_SHOWN_MAX), line, len < LINE_SHOWN_MAX ? "" : "...");
            line += len + (line[len] == '\n');
        }
        l->printed++;
    }
    buf_clear(&l->told);
}

static void collect(struct fy_diag *diag, void *user, const char *text, size_t len)
{
    (void)diag;
    struct loader *l = user;
    buf_add(&l->told, text, len);
}

struct fy_diag *report_diag_new(struct loader *l)
{
    struct fy_diag_cfg cfg;
    fy_diag_cfg_default(&cfg);
    cfg.fp = NULL;
    cfg.output_fn = collect;
    cfg.user = l;
    cfg.level = FYET_WARNING;
    cfg.colorize = l->colour;
    cfg.show_source = cfg.show_position = cfg.show_type = cfg.show_module = false;
    return fy_diag_create(&cfg);
}

static const char *word_of(enum fy_error_type type)
{
    return type == FYET_ERROR ? "error" : "warning";
}

static void report_node(struct loader *l, struct fy_node *at, enum fy_error_type type, const char *fmt, va_list ap) ATTR_PRINTF(4, 0);
static void report_node(struct loader *l, struct fy_node *at, enum fy_error_type type, const char *fmt, va_list ap)
{
    struct buf text = BUF_CAP(4096);
    buf_vprintf(&text, fmt, ap);
    if (at)
        fy_node_report(at, type, "%s", buf_str(&text));
    if (l->told.len == 0) /* a node without a place in the text */
        buf_printf(&l->told, "%s: %s: %s\n", l->file ? l->file->name : "configuration", word_of(type), buf_str(&text));
    buf_done(&text);
    tell(l);
}

void report_error(struct loader *l, struct fy_node *at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report_node(l, at, FYET_ERROR, fmt, ap);
    va_end(ap);
    l->errors++;
}

void report_warning(struct loader *l, struct fy_node *at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report_node(l, at, FYET_WARNING, fmt, ap);
    va_end(ap);
}

void report_file(struct loader *l, const char *file, int line, int column, const char *fmt, ...)
{
    struct buf text = BUF_CAP(4096);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    if (line > 0)
        buf_printf(&l->told, "%s:%d:%d: error: %s\n", file, line, column, buf_str(&text));
    else
        buf_printf(&l->told, "%s: error: %s\n", file, buf_str(&text));
    buf_done(&text);
    tell(l);
    l->errors++;
}

void report_parsed(struct loader *l, const char *file)
{
    if (l->told.len == 0)
        buf_printf(&l->told, "%s: error: this is not YAML\n", file);
    tell(l);
    l->errors++;
}

char *report_place(struct fy_node *at, char *buf, size_t size)
{
    struct fy_token *token = at ? fy_node_get_scalar_token(at) : NULL;
    const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;
    snprintf(buf, size, "line %d", mark ? mark->line + 1 : 0);
    return buf;
}
