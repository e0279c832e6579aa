/* curses, kept small: a frame is painted run by run, and curses finds what has to be sent.
 *
 * The terminal has to be sane again however we end. An ordinary end closes it. A crash does not run our code any more: the handler of those
 * signals writes the sequences that were looked up when the screen was opened, puts the line discipline back, and lets the signal take its
 * course. Signals that ask us to end, stop or measure the window are the caller's (signalfd): none of them reaches curses.
 *
 * Block characters are drawn where they can be expected: not on the Linux console or a VT100, whose fonts lack most of them, and not where
 * the locale is not UTF-8. */
#include "routectl/top_draw.h"
#include "routectl/top_terminfo.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "shared/compiler.h"

#define ESCAPE_WAITS_MS 50

enum pair { PAIR_NONE, PAIR_GOOD, PAIR_WARN, PAIR_BAD };

static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

/* For the handler; written before it is installed. */
static struct {
    struct termios before;
    char leave[256]; /* sequences */
    size_t leave_len;
    struct sigaction old[ARRAY_LEN(crash_signals)];
} crash;

static SCREEN *screen;

/* --- crashes ---------------------------------------------------------------------------------------------------------- */

static void on_crash(int number, siginfo_t *info, void *context)
{
    (void)context;
    ssize_t ignored = write(STDOUT_FILENO, crash.leave, crash.leave_len);
    (void)ignored;
    tcsetattr(STDIN_FILENO, TCSANOW, &crash.before);
    /* The instruction that failed runs again and fails again, this time with what was there before us; abort() does likewise. */
    for (size_t i = 0; i < ARRAY_LEN(crash_signals); i++) {
        if (crash_signals[i] == number)
            sigaction(number, &crash.old[i], NULL);
    }
    if (info->si_code <= 0) /* somebody sent it: nothing will fail again by itself */
        raise(number);
}

/* Without the padding that slow terminals wanted. */
static void add_sequence(const char *name)
{
    const char *s = tigetstr(name);
    if (!s || s == (char *)-1)
        return;
    while (*s && crash.leave_len < sizeof crash.leave) {
        const char *end = s[0] == '$' && s[1] == '<' ? strchr(s, '>') : NULL;
        if (end)
            s = end + 1;
        else
            crash.leave[crash.leave_len++] = *s++;
    }
}

static void watch_for_crashes(void)
{
    struct sigaction action = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO};

    crash.leave_len = 0;
    add_sequence("sgr0");
    add_sequence("cnorm");
    add_sequence("rmkx");
    add_sequence("rmcup");
    for (size_t i = 0; i < ARRAY_LEN(crash_signals); i++)
        sigaction(crash_signals[i], &action, &crash.old[i]);
}

static void unwatch_for_crashes(void)
{
    for (size_t i = 0; i < ARRAY_LEN(crash_signals); i++)
        sigaction(crash_signals[i], &crash.old[i], NULL);
}

/* --- open and close --------------------------------------------------------------------------------------------------- */

static bool utf8_locale(void)
{
    /* Not LC_NUMERIC: the daemon wants a point in a number. */
    setlocale(LC_COLLATE, "");
    if (setlocale(LC_CTYPE, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0)
        return true;
    /* Names are UTF-8 whatever the locale says; curses has to count their columns. */
    setlocale(LC_CTYPE, "C.UTF-8");
    return false;
}

static bool has_blocks(const char *term)
{
    static const char *const poor[] = {"linux", "vt100", "vt102", "vt220", "vt320", "ansi", "dumb", "sun"};
    for (size_t i = 0; i < ARRAY_LEN(poor); i++) {
        size_t len = strlen(poor[i]);
        if (strncmp(term, poor[i], len) == 0 && (term[len] == '\0' || term[len] == '-'))
            return false;
    }
    return true;
}

static void begin_colours(struct top_terminal *terminal, bool colour)
{
    terminal->colour = colour && has_colors() && start_color() == OK;
    if (!terminal->colour)
        return;
    short ground = use_default_colors() == OK ? -1 : COLOR_BLACK;
    init_pair(PAIR_GOOD, COLOR_GREEN, ground);
    init_pair(PAIR_WARN, COLOR_YELLOW, ground);
    init_pair(PAIR_BAD, COLOR_RED, ground);
}

static void measure(struct top_terminal *terminal)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0 && (size.ws_row != LINES || size.ws_col != COLS))
        resizeterm(size.ws_row, size.ws_col);
    terminal->rows = LINES > 0 ? (size_t)LINES : 24;
    terminal->columns = COLS > 0 ? (size_t)COLS : 80;
}

int top_draw_open(struct top_terminal *terminal, bool colour, struct err *err)
{
    const char *term = getenv("TERM");
    bool utf8 = utf8_locale();

    if (!term || !term[0])
        return err_set(err, -ENODEV, "the variable TERM does not say which kind of terminal this is");
    if (tcgetattr(STDIN_FILENO, &crash.before) < 0)
        return err_set(err, -ENODEV, "no terminal: %s", strerror(errno));
    screen = top_terminfo_known(term) ? newterm(NULL, stdout, stdin) : NULL;
    if (!screen)
        return err_set(err, -ENODEV, "a terminal of the kind TERM=%s is not known here; TERM=xterm or TERM=vt100 may do", term);
    set_term(screen);
    if (!tigetstr("cup") || tigetstr("cup") == (char *)-1) {
        endwin();
        delscreen(screen);
        screen = NULL;
        return err_set(err, -ENODEV, "a terminal of the kind TERM=%s cannot place its cursor", term);
    }
    terminal->ascii = !utf8 || !has_blocks(term);
    cbreak();
    noecho();
    nonl();
    set_escdelay(ESCAPE_WAITS_MS);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    leaveok(stdscr, FALSE);
    curs_set(0);
    begin_colours(terminal, colour);
    watch_for_crashes();
    measure(terminal);
    terminal->open = true;
    return 0;
}

/* Where a terminal has no second screen the picture stays, and the prompt comes in its last row. */
static void put_prompt_row(void)
{
    move(LINES - 1, 0);
    clrtoeol();
    refresh();
}

void top_draw_close(struct top_terminal *terminal)
{
    if (!terminal->open)
        return;
    terminal->open = false;
    curs_set(1);
    put_prompt_row();
    endwin();
    unwatch_for_crashes();
    delscreen(screen);
    screen = NULL;
}

void top_draw_suspend(struct top_terminal *terminal)
{
    sigset_t stop, before;
    struct sigaction ordinary = {.sa_handler = SIG_DFL}, old;

    curs_set(1);
    put_prompt_row();
    endwin();
    /* The signal itself and not SIGSTOP: the kernel drops it where nobody could let us go on. */
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    sigaction(SIGTSTP, &ordinary, &old);
    raise(SIGTSTP);
    sigprocmask(SIG_UNBLOCK, &stop, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    sigaction(SIGTSTP, &old, NULL);
    refresh();
    top_draw_retake(terminal);
}

void top_draw_retake(struct top_terminal *terminal)
{
    reset_prog_mode();
    keypad(stdscr, TRUE); /* the terminal has been told otherwise, and curses does not tell it again by itself */
    curs_set(0);
    top_draw_resize(terminal);
}

void top_draw_resize(struct top_terminal *terminal)
{
    measure(terminal);
    clearok(curscr, TRUE);
}

/* --- painting --------------------------------------------------------------------------------------------------------- */

static attr_t attributes(const struct top_terminal *terminal, unsigned style)
{
    attr_t a = A_NORMAL;

    switch (style & TOP_STYLE) {
    case STYLE_GOOD:
        a |= terminal->colour ? COLOR_PAIR(PAIR_GOOD) : 0;
        break;
    case STYLE_WARN:
        a |= terminal->colour ? COLOR_PAIR(PAIR_WARN) : 0;
        break;
    case STYLE_BAD:
        a |= terminal->colour ? COLOR_PAIR(PAIR_BAD) : A_BOLD;
        break;
    case STYLE_DIM:
        a |= A_DIM;
        break;
    case STYLE_BOLD:
        a |= A_BOLD;
        break;
    default:
        break;
    }
    if (style & TOP_STRONG)
        a |= A_BOLD;
    if (style & TOP_REVERSE)
        a |= A_REVERSE;
    if (style & TOP_FADED)
        a = (a & ~(attr_t)A_BOLD) | A_DIM;
    return a;
}

static void paint_line(const struct top_terminal *terminal, const struct top_line *line, int row)
{
    size_t len = line->text.len;

    move(row, 0);
    for (size_t i = 0; i < len;) {
        unsigned style = (unsigned char)line->styles.data[i];
        size_t end = i + 1;
        while (end < len && (unsigned char)line->styles.data[end] == style)
            end++;
        attrset(attributes(terminal, style));
        addnstr(line->text.data + i, (int)(end - i));
        i = end;
    }
    attrset(A_NORMAL);
    int y, x;
    getyx(stdscr, y, x);
    (void)x;
    if (y == row && line->width < (size_t)COLS) /* a full row left the cursor in the next one */
        clrtoeol();
}

void top_draw_frame(const struct top_terminal *terminal, const struct top_frame *frame, const struct top_frame *before, bool whole)
{
    if (!terminal->open)
        return;
    for (size_t i = 0; i < frame->rows && i < (size_t)LINES; i++) {
        if (whole || !top_frame_same_line(frame, before, i))
            paint_line(terminal, &frame->lines[i], (int)i);
    }
    if (whole)
        clearok(curscr, TRUE);
    curs_set(frame->cursor ? 1 : 0);
    if (frame->cursor)
        move((int)frame->cursor_row, (int)frame->cursor_column);
    refresh();
}

/* --- keys ------------------------------------------------------------------------------------------------------------- */

static bool special_key(wint_t c, enum top_key *ret)
{
    static const struct {
        wint_t c;
        enum top_key key;
    } keys[] = {
        {KEY_UP, TOP_KEY_UP},        {KEY_DOWN, TOP_KEY_DOWN}, {KEY_PPAGE, TOP_KEY_PAGE_UP}, {KEY_NPAGE, TOP_KEY_PAGE_DOWN},
        {KEY_HOME, TOP_KEY_HOME},    {KEY_END, TOP_KEY_END},   {KEY_ENTER, TOP_KEY_ENTER},   {KEY_BACKSPACE, TOP_KEY_BACKSPACE},
        {KEY_DC, TOP_KEY_BACKSPACE}, {KEY_FIND, TOP_KEY_HOME}, {KEY_SELECT, TOP_KEY_END},
    };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (keys[i].c == c) {
            *ret = keys[i].key;
            return true;
        }
    }
    return false;
}

static bool control_key(wint_t c, enum top_key *ret)
{
    static const struct {
        wint_t c;
        enum top_key key;
    } keys[] = {
        {'\r', TOP_KEY_ENTER},
        {'\n', TOP_KEY_ENTER},
        {'\t', TOP_KEY_TAB},
        {27, TOP_KEY_ESCAPE},
        {127, TOP_KEY_BACKSPACE},
        {8, TOP_KEY_BACKSPACE},
        {CTRL('u'), TOP_KEY_ERASE_LINE},
        {CTRL('w'), TOP_KEY_ERASE_WORD},
        {CTRL('l'), TOP_KEY_REDRAW},
        {CTRL('n'), TOP_KEY_DOWN},
        {CTRL('p'), TOP_KEY_UP},
        {CTRL('f'), TOP_KEY_PAGE_DOWN},
        {CTRL('b'), TOP_KEY_PAGE_UP},
    };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (keys[i].c == c) {
            *ret = keys[i].key;
            return true;
        }
    }
    return false;
}

bool top_draw_key(struct top_press *ret)
{
    wint_t c;

    for (int n = get_wch(&c); n != ERR; n = get_wch(&c)) {
        if (n == KEY_CODE_YES) {
            if (special_key(c, &ret->key))
                return true;
            continue; /* KEY_RESIZE and what we have no use for */
        }
        if (control_key(c, &ret->key))
            return true;
        if (c >= 0x20) {
            *ret = (struct top_press){.key = TOP_KEY_CHAR, .c = (uint32_t)c};
            return true;
        }
    }
    return false;
}
