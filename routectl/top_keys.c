/* The keys, mode by mode.
 *
 * Nothing that changes the daemon happens on one key: d, n and u open a confirmation that names the route, which stays the same whatever
 * moves in the list meanwhile. */
#include "routectl/top_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/text.h"

static const char help_text[] = "\033[1mMoving\033[0m\n"
                                "  up, down, j, k          choose a route\n"
                                "  PgUp, PgDn, Home, End   by pages, to the ends\n"
                                "  Enter, e                explain: why it stands where it stands\n"
                                "\n"
                                "\033[1mWhat is shown\033[0m\n"
                                "  /            filter: words that all have to occur in the platform, model,\n"
                                "               state or reason; Esc forgets it\n"
                                "  s, S         sort by the next column; turn the order round\n"
                                "  p, m         choose the policy; choose a model, or all\n"
                                "  w            how far the sparklines reach back\n"
                                "  space        pause, and go on\n"
                                "\n"
                                "\033[1mOverrides\033[0m (each asks first; needs the role admin)\n"
                                "  d            drain: no requests, probes go on\n"
                                "  n            pin: first for as long as it works\n"
                                "  u            enable: take a drain or a pin back\n"
                                "\n"
                                "\033[1mThe list\033[0m\n"
                                "  +  up          answers as it should\n"
                                "  ~  degraded    answers, but part of the time it fails\n"
                                "  !  limited     answers 429: too many requests\n"
                                "  ?  new         not probed often enough to say\n"
                                "  x  down        fails\n"
                                "  #  unusable    our own fault: key or credit\n"
                                "  -  missing     the platform does not list this model\n"
                                "  =  drained     taken out by an operator\n"
                                "\n"
                                "  *1 before a rank: pinned there by an operator.\n"
                                "  The sparkline is the time to the first token, each route on a scale of its\n"
                                "  own; a blank is time without a measurement, an arrow a value far above the\n"
                                "  rest. TTFT is its median, P95 its 95th percentile. WEIGHT is the part of the\n"
                                "  requests that the route is meant to get, IN/1M and OUT/1M the price of a\n"
                                "  million tokens, N the observations it stands on. Dim rows cannot be used\n"
                                "  at the moment.\n"
                                "\n"
                                "\033[1mOthers\033[0m\n"
                                "  Ctrl-L       draw the screen again\n"
                                "  Ctrl-Z       to the shell; fg comes back\n"
                                "  q            quit\n";

/* --- typing ----------------------------------------------------------------------------------------------------------- */

bool top_input_add(struct top_input *input, uint32_t c, size_t most)
{
    char bytes[4];

    if (c < 0x20 || c == TEXT_BROKEN || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff || text_is_harmful(c))
        return false;
    size_t n = text_encode(bytes, c);
    if (input->len + n > most || input->len + n >= sizeof input->text)
        return false;
    memcpy(input->text + input->len, bytes, n);
    input->len += n;
    input->text[input->len] = '\0';
    return true;
}

static void input_cut(struct top_input *input)
{
    while (input->len > 0 && ((unsigned char)input->text[--input->len] & 0xc0) == 0x80)
        ;
    input->text[input->len] = '\0';
}

static void input_clear(struct top_input *input)
{
    input->len = 0;
    input->text[0] = '\0';
}

/* True if the key was one for typing. */
static bool edit(struct top_input *input, const struct top_press *press, size_t most)
{
    switch (press->key) {
    case TOP_KEY_CHAR:
        top_input_add(input, press->c, most);
        return true;
    case TOP_KEY_BACKSPACE:
        input_cut(input);
        return true;
    case TOP_KEY_ERASE_LINE:
        input_clear(input);
        return true;
    case TOP_KEY_ERASE_WORD:
        while (input->len > 0 && input->text[input->len - 1] == ' ')
            input_cut(input);
        while (input->len > 0 && input->text[input->len - 1] != ' ')
            input_cut(input);
        return true;
    default:
        return false;
    }
}

/* A place in a list of len after a key that moves; the same place after any other. */
static size_t moved(size_t at, size_t len, size_t page, const struct top_press *press)
{
    size_t step = page > 1 ? page - 1 : 1, last = len > 0 ? len - 1 : 0;

    switch (press->key) {
    case TOP_KEY_UP:
        return at > 0 ? at - 1 : 0;
    case TOP_KEY_DOWN:
        return at < last ? at + 1 : last;
    case TOP_KEY_PAGE_UP:
        return at > step ? at - step : 0;
    case TOP_KEY_PAGE_DOWN:
        return at + step < last ? at + step : last;
    case TOP_KEY_HOME:
        return 0;
    case TOP_KEY_END:
        return last;
    default:
        return at;
    }
}

/* --- modes ------------------------------------------------------------------------------------------------------------ */

static void open_menu(struct top_view *view, enum top_mode mode)
{
    view->mode = mode;
    memset(&view->menu, 0, sizeof view->menu);
}

static void open_pane(struct top_view *view, enum top_mode mode, const char *text)
{
    view->mode = mode;
    free(view->pane.text);
    view->pane.text = text ? alloc_string(text) : NULL;
    view->pane.first = 0;
}

static void open_explain(struct top_view *view, struct top_wish *wish)
{
    struct top_pane *pane = &view->pane;
    const struct top_row *row = &view->list[view->selected];

    top_view_select(view, view->selected);
    text_copy(pane->platform, sizeof pane->platform, row->row->facts->platform, strlen(row->row->facts->platform));
    text_copy(pane->model, sizeof pane->model, row->model, strlen(row->model));
    snprintf(pane->title, sizeof pane->title, "Why %s/%s stands where it stands", pane->platform, pane->model);
    open_pane(view, TOP_EXPLAIN, NULL);
    wish->explain = true;
}

static void open_confirm(struct top_view *view, enum top_action action)
{
    struct top_confirm *confirm = &view->confirm;
    const struct top_row *row = &view->list[view->selected];

    top_view_select(view, view->selected);
    memset(confirm, 0, sizeof *confirm);
    confirm->action = action;
    text_copy(confirm->platform, sizeof confirm->platform, row->row->facts->platform, strlen(row->row->facts->platform));
    text_copy(confirm->model, sizeof confirm->model, row->model, strlen(row->model));
    view->mode = TOP_CONFIRM;
}

static void next_sort(struct top_view *view)
{
    view->sort = (enum top_sort)((view->sort + 1) % TOP_SORT_COUNT);
    view->backwards = top_sort_backwards(view->sort);
    top_view_collect(view);
    top_view_say(view, STYLE_PLAIN, "Sorted by %s.", top_sort_words(view->sort));
}

/* Letters that act on the chosen route. */
static void act_on_route(struct top_view *view, uint32_t c, struct top_wish *wish)
{
    if (view->len == 0) {
        top_view_say(view, STYLE_WARN, "There is no route to choose.");
        return;
    }
    if (c == 'e')
        open_explain(view, wish);
    else
        open_confirm(view, c == 'd' ? TOP_DRAIN : c == 'n' ? TOP_PIN : TOP_ENABLE);
}

static void list_letter(struct top_view *view, uint32_t c, struct top_wish *wish)
{
    switch (c) {
    case 'q':
        wish->over = true;
        break;
    case 'j':
        top_view_select(view, view->selected + 1);
        break;
    case 'k':
        top_view_select(view, view->selected > 0 ? view->selected - 1 : 0);
        break;
    case '?':
    case 'h':
        open_pane(view, TOP_HELP, help_text);
        break;
    case '/':
        view->mode = TOP_FILTER;
        break;
    case 's':
        next_sort(view);
        break;
    case 'S':
        view->backwards = !view->backwards;
        top_view_collect(view);
        break;
    case 'p':
        open_menu(view, TOP_POLICIES);
        break;
    case 'm':
        open_menu(view, TOP_MODELS);
        break;
    case 'w':
        view->span = (view->span + 1) % TOP_SPANS_LEN;
        wish->span = true;
        break;
    case ' ':
        view->paused_at = view->paused_at > 0 ? 0 : view->now;
        wish->pause = true;
        break;
    case 'e':
    case 'd':
    case 'n':
    case 'u':
        act_on_route(view, c, wish);
        break;
    default:
        break;
    }
}

static void press_list(struct top_view *view, const struct top_press *press, struct top_wish *wish)
{
    view->message[0] = '\0';
    if (press->key == TOP_KEY_CHAR)
        list_letter(view, press->c, wish);
    else if (press->key == TOP_KEY_ENTER)
        act_on_route(view, 'e', wish);
    else if (press->key == TOP_KEY_ESCAPE) {
        input_clear(&view->filter);
        top_view_collect(view);
    } else if (view->len > 0) {
        size_t to = moved(view->selected, view->len, view->page, press);
        if (to != view->selected)
            top_view_select(view, to);
    }
}

static void press_filter(struct top_view *view, const struct top_press *press)
{
    if (press->key == TOP_KEY_ENTER) {
        view->mode = TOP_LIST;
    } else if (press->key == TOP_KEY_ESCAPE || (press->key == TOP_KEY_BACKSPACE && view->filter.len == 0)) {
        input_clear(&view->filter);
        view->mode = TOP_LIST;
    } else if (!edit(&view->filter, press, TOP_FILTER_MAX)) {
        if (view->len > 0)
            top_view_select(view, moved(view->selected, view->len, view->page, press));
        return;
    }
    top_view_collect(view);
}

static void press_confirm(struct top_view *view, const struct top_press *press, struct top_wish *wish)
{
    struct top_confirm *confirm = &view->confirm;

    switch (press->key) {
    case TOP_KEY_ENTER:
        wish->override = true;
        view->mode = TOP_LIST;
        break;
    case TOP_KEY_ESCAPE:
        view->mode = TOP_LIST;
        top_view_say(view, STYLE_PLAIN, "Nothing was changed.");
        break;
    case TOP_KEY_TAB:
        confirm->whole = !confirm->whole;
        break;
    case TOP_KEY_UP:
        confirm->lasting = (confirm->lasting + 1) % TOP_LASTING_LEN;
        break;
    case TOP_KEY_DOWN:
        confirm->lasting = (confirm->lasting + TOP_LASTING_LEN - 1) % TOP_LASTING_LEN;
        break;
    default:
        edit(&confirm->reason, press, TOP_REASON_MAX);
        break;
    }
}

struct choosing {
    size_t at;
    char name[128];
    bool found;
};

static void choose(void *arg, size_t at, const char *name, const char *about)
{
    struct choosing *choosing = arg;
    (void)about;
    if (at != choosing->at)
        return;
    text_copy(choosing->name, sizeof choosing->name, name, strlen(name));
    choosing->found = true;
}

static void press_menu(struct top_view *view, const struct top_press *press, struct top_wish *wish)
{
    struct top_menu *menu = &view->menu;

    if (press->key == TOP_KEY_ESCAPE) {
        view->mode = TOP_LIST;
    } else if (press->key == TOP_KEY_ENTER) {
        struct choosing choosing = {.at = menu->selected};
        top_view_each_choice(view, choose, &choosing);
        if (!choosing.found)
            return;
        if (view->mode == TOP_MODELS)
            text_copy(view->model, sizeof view->model, choosing.name, strlen(choosing.name));
        else
            text_copy(view->policy, sizeof view->policy, choosing.name, strlen(choosing.name));
        view->mode = TOP_LIST;
        wish->select = true;
    } else if (edit(&menu->typed, press, TOP_FILTER_MAX)) {
        menu->selected = menu->first = 0;
    } else {
        menu->selected = moved(menu->selected, menu->len, menu->page, press);
    }
}

static void press_pane(struct top_view *view, const struct top_press *press, struct top_wish *wish)
{
    struct top_pane *pane = &view->pane;
    struct top_press as = *press;

    if (press->key == TOP_KEY_ESCAPE || press->key == TOP_KEY_ENTER || (press->key == TOP_KEY_CHAR && press->c == 'q')) {
        view->mode = TOP_LIST;
        return;
    }
    if (press->key == TOP_KEY_CHAR && press->c == 'r' && view->mode == TOP_EXPLAIN) {
        wish->explain = true;
        return;
    }
    if (press->key == TOP_KEY_CHAR) {
        switch (press->c) {
        case 'j':
            as.key = TOP_KEY_DOWN;
            break;
        case 'k':
            as.key = TOP_KEY_UP;
            break;
        case ' ':
            as.key = TOP_KEY_PAGE_DOWN;
            break;
        case 'b':
            as.key = TOP_KEY_PAGE_UP;
            break;
        default:
            return;
        }
    }
    size_t places = pane->lines > pane->page ? pane->lines - pane->page + 1 : 1;
    size_t step = pane->page;
    pane->first = moved(pane->first, places, step, &as);
}

void top_press_key(struct top_view *view, const struct top_press *press, struct top_wish *wish)
{
    if (press->key == TOP_KEY_REDRAW) {
        wish->redraw = true;
        return;
    }
    switch (view->mode) {
    case TOP_LIST:
        press_list(view, press, wish);
        break;
    case TOP_FILTER:
        press_filter(view, press);
        break;
    case TOP_CONFIRM:
        press_confirm(view, press, wish);
        break;
    case TOP_POLICIES:
    case TOP_MODELS:
        press_menu(view, press, wish);
        break;
    default:
        press_pane(view, press, wish);
        break;
    }
}
