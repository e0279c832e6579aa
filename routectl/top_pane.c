/* What stands in place of the list or above the foot: choices, text to page through, the confirmation of an override, and the keys in the
 * foot. */
#include "routectl/top_layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routectl/figures.h"

/* --- text with the writer's colours ----------------------------------------------------------------------------------- */

/* The style after "\033[...m"; the writer uses no others. */
static unsigned sgr_style(const char *sequence)
{
    switch (atoi(sequence)) {
    case 1:
        return STYLE_BOLD | TOP_STRONG;
    case 2:
        return STYLE_DIM;
    case 31:
        return STYLE_BAD;
    case 32:
        return STYLE_GOOD;
    case 33:
        return STYLE_WARN;
    default:
        return STYLE_PLAIN;
    }
}

/* One line; style goes on over its end. */
static void put_coloured(struct top_frame *frame, size_t row, const char *line, size_t len, unsigned *style)
{
    while (len > 0) {
        const char *escape = memchr(line, '\033', len);
        size_t plain = escape ? (size_t)(escape - line) : len;
        if (plain > 0)
            top_putf(frame, row, *style, "%.*s", (int)plain, line);
        line += plain;
        len -= plain;
        if (!escape)
            break;
        const char *end = memchr(line, 'm', len);
        if (!end)
            break;
        if (len > 2 && line[1] == '[')
            *style = sgr_style(line + 2);
        len -= (size_t)(end + 1 - line);
        line = end + 1;
    }
}

size_t top_layout_lines(const char *text)
{
    size_t n = 0;
    for (const char *s = text; *s; n++) {
        s = strchrnul(s, '\n');
        s += *s == '\n';
    }
    return n;
}

static void put_text(struct top_view *view, struct top_frame *frame, size_t row, size_t rows)
{
    struct top_pane *pane = &view->pane;
    unsigned style = STYLE_PLAIN;
    const char *text = pane->text ? pane->text : "waiting for the daemon ...";
    size_t line = 0;

    pane->lines = top_layout_lines(text);
    pane->page = rows;
    if (pane->first + rows > pane->lines)
        pane->first = pane->lines > rows ? pane->lines - rows : 0;
    for (const char *s = text; *s; line++) {
        const char *end = strchrnul(s, '\n');
        size_t at = line >= pane->first ? row + line - pane->first : SIZE_MAX;
        /* Those above the window are gone through as well: their colours may reach down. */
        put_coloured(frame, at < row + rows ? at : SIZE_MAX, s, (size_t)(end - s), &style);
        s = *end ? end + 1 : end;
    }
}

/* --- choices ---------------------------------------------------------------------------------------------------------- */

struct putting {
    const struct top_view *view;
    struct top_frame *frame;
    size_t row, rows;
};

static void put_choice(void *arg, size_t at, const char *name, const char *about)
{
    struct putting *p = arg;
    const struct top_menu *menu = &p->view->menu;

    if (at < menu->first || at >= menu->first + p->rows)
        return;
    size_t row = p->row + at - menu->first;
    bool models = p->view->mode == TOP_MODELS, all = models && !name[0];
    const char *now = models                                      ? p->view->model
                      : p->view->table && p->view->table->len > 0 ? p->view->table->policies[0].name
                                                                  : p->view->policy;
    top_put(p->frame, row, STYLE_PLAIN, at == menu->selected ? "> " : "  ");
    top_put_cell(p->frame, row, all ? STYLE_PLAIN : STYLE_BOLD, all ? about : name, models ? 40 : 16, TEXT_LEFT);
    top_put(p->frame, row, STYLE_DIM, strcmp(name, now) == 0 ? " now  " : "      ");
    if (!all && about)
        top_put(p->frame, row, STYLE_PLAIN, about);
    if (at == menu->selected)
        top_mark_row(p->frame, row, TOP_REVERSE);
}

static void count_choice(void *arg, size_t at, const char *name, const char *about)
{
    (void)arg, (void)at, (void)name, (void)about;
}

static void put_menu(struct top_view *view, struct top_frame *frame, size_t row, size_t rows)
{
    struct top_menu *menu = &view->menu;

    menu->page = rows;
    menu->len = top_view_each_choice(view, count_choice, NULL);
    if (menu->selected >= menu->len)
        menu->selected = menu->len > 0 ? menu->len - 1 : 0;
    if (menu->selected < menu->first)
        menu->first = menu->selected;
    if (rows > 0 && menu->selected >= menu->first + rows)
        menu->first = menu->selected - rows + 1;
    if (menu->len == 0) {
        top_put(frame, row, STYLE_DIM, view->status && view->status->known ? "  none of that name" : "  waiting for the daemon ...");
        return;
    }
    struct putting p = {.view = view, .frame = frame, .row = row, .rows = rows};
    top_view_each_choice(view, put_choice, &p);
}

void top_layout_pane(struct top_view *view, struct top_frame *frame, size_t row, size_t rows)
{
    const char *title = view->mode == TOP_HELP ? "Help" : view->mode == TOP_EXPLAIN ? view->pane.title : NULL;

    if (title) {
        top_put(frame, row, STYLE_BOLD | TOP_STRONG, title);
        put_text(view, frame, row + 1, rows - 1);
        char place[64];
        size_t last = view->pane.first + view->pane.page;
        int n = snprintf(place, sizeof place, " lines %zu-%zu of %zu", view->pane.first + 1,
                         last < view->pane.lines ? last : view->pane.lines, view->pane.lines);
        if (view->pane.lines > view->pane.page && top_room(frame, row) > (size_t)n) {
            top_put_until(frame, row, STYLE_PLAIN, frame->columns - (size_t)n);
            top_put(frame, row, STYLE_PLAIN, place);
        }
    } else {
        top_put(frame, row, STYLE_BOLD | TOP_STRONG, view->mode == TOP_MODELS ? "Which model?" : "Which policy?");
        if (view->menu.typed.len > 0)
            top_putf(frame, row, STYLE_PLAIN, "  %s", view->menu.typed.text);
        put_menu(view, frame, row + 1, rows - 1);
    }
    top_mark_row(frame, row, TOP_REVERSE);
}

/* --- the confirmation of an override ---------------------------------------------------------------------------------- */

/* Dim, and only where it can be read whole. */
static void put_hint(struct top_frame *frame, size_t row, const char *text)
{
    if (text_width(text) <= top_room(frame, row))
        top_put(frame, row, STYLE_DIM, text);
}

void top_layout_dialog(const struct top_view *view, struct top_frame *frame, size_t row)
{
    static const struct {
        const char *title, *about;
    } actions[] = {
        [TOP_DRAIN] = {"Drain", "It gets no requests; its probes go on."},
        [TOP_PIN] = {"Pin", "It is put first for as long as it works."},
        [TOP_ENABLE] = {"Enable", "A drain or a pin is taken back."},
    };
    const struct top_confirm *confirm = &view->confirm;
    char span[32] = "until it is taken back";

    if (top_lasting[confirm->lasting] > 0)
        units_format_duration(span, sizeof span, top_lasting[confirm->lasting]);
    else if (confirm->action == TOP_ENABLE)
        snprintf(span, sizeof span, "for good");
    if (confirm->whole)
        top_putf(frame, row, STYLE_WARN | TOP_STRONG, "%s all of %s? ", actions[confirm->action].title, confirm->platform);
    else
        top_putf(frame, row, STYLE_WARN | TOP_STRONG, "%s %s/%s? ", actions[confirm->action].title, confirm->platform, confirm->model);
    if (text_width(actions[confirm->action].about) <= top_room(frame, row))
        top_put(frame, row, STYLE_PLAIN, actions[confirm->action].about);
    top_mark_row(frame, row, TOP_REVERSE);
    top_putf(frame, row + 1, STYLE_PLAIN, "  What      %s", confirm->whole ? "the platform, all its models" : "this route");
    put_hint(frame, row + 1, confirm->whole ? "   (Tab: this route)" : "   (Tab: the whole platform)");
    top_putf(frame, row + 2, STYLE_PLAIN, "  How long  %s", span);
    put_hint(frame, row + 2, "   (up, down: change)");
    top_put(frame, row + 3, STYLE_PLAIN, "  Reason    ");
    /* The end of a long one is what is being typed. */
    const char *shown = confirm->reason.text;
    while (*shown && text_width(shown) + 1 > top_room(frame, row + 3)) {
        uint32_t c;
        shown += text_decode(shown, strlen(shown), &c);
    }
    top_put(frame, row + 3, STYLE_PLAIN, shown);
    frame->cursor = true;
    frame->cursor_row = row + 3;
    frame->cursor_column = frame->lines[row + 3].width;
    if (confirm->reason.len == 0)
        put_hint(frame, row + 3, " (may be left out)");
}

/* --- the foot --------------------------------------------------------------------------------------------------------- */

struct key_word {
    const char *key, *word;
};

static void put_keys(struct top_frame *frame, size_t row, const struct key_word *keys, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        size_t need = strlen(keys[i].key) + 1 + strlen(keys[i].word) + (frame->lines[row].width > 0);
        if (need > top_room(frame, row))
            continue;
        if (frame->lines[row].width > 0)
            top_put(frame, row, STYLE_PLAIN, " ");
        top_put(frame, row, STYLE_BOLD | TOP_STRONG, keys[i].key);
        top_putf(frame, row, STYLE_PLAIN, " %s", keys[i].word);
    }
}

static void put_filter(const struct top_view *view, struct top_frame *frame, size_t row)
{
    top_put(frame, row, STYLE_BOLD | TOP_STRONG, "Filter: ");
    top_put(frame, row, STYLE_PLAIN, view->filter.text);
    frame->cursor = true;
    frame->cursor_row = row;
    frame->cursor_column = frame->lines[row].width < frame->columns ? frame->lines[row].width : frame->columns - 1;
    if (top_room(frame, row) > 30)
        top_putf(frame, row, STYLE_DIM, "   %zu match.  Enter keep  Esc forget", view->len);
}

void top_layout_foot(const struct top_view *view, struct top_frame *frame, size_t row)
{
    static const struct key_word list[] = {{"q", "quit"},       {"?", "help"},       {"e", "explain"},  {"/", "filter"}, {"s", "sort"},
                                           {"p", "policy"},     {"m", "model"},      {"d", "drain"},    {"n", "pin"},    {"u", "enable"},
                                           {"S", "turn round"}, {"w", "time shown"}, {"space", "pause"}};
    static const struct key_word pane[] = {{"q", "back"}, {"arrows PgUp PgDn", "scroll"}, {"r", "again"}};
    static const struct key_word help[] = {{"q", "back"}, {"arrows PgUp PgDn", "scroll"}};
    static const struct key_word menu[] = {{"Enter", "take it"}, {"Esc", "back"}, {"arrows", "choose"}, {"letters", "narrow it down"}};
    static const struct key_word confirm[] = {{"Enter", "do it"}, {"Esc", "leave it as it is"}};

    if (view->mode == TOP_FILTER) {
        put_filter(view, frame, row);
        return;
    }
    if (view->message[0] && view->now < view->message_until) {
        top_put(frame, row, view->message_style, view->message);
        return;
    }
    if (view->mode == TOP_LIST && view->filter.len > 0)
        top_putf(frame, row, STYLE_WARN, "/%s: %zu of all ", view->filter.text, view->len);
    switch (view->mode) {
    case TOP_EXPLAIN:
        put_keys(frame, row, pane, ARRAY_LEN(pane));
        break;
    case TOP_HELP:
        put_keys(frame, row, help, ARRAY_LEN(help));
        break;
    case TOP_POLICIES:
    case TOP_MODELS:
        put_keys(frame, row, menu, ARRAY_LEN(menu));
        break;
    case TOP_CONFIRM:
        put_keys(frame, row, confirm, ARRAY_LEN(confirm));
        break;
    default:
        put_keys(frame, row, list, ARRAY_LEN(list));
        break;
    }
}
