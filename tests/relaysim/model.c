/* The simulated model.
 *
 * By default it reads: probed asks a question on five clauses "NAME did the THING" (probed/probe/challenge.c has the form), and solve()
 * looks the answer up as anybody would, so a route through here passes the challenge. It can also be told to repeat, to say a fixed text or
 * to take the wrong clause. To an open question it makes up sentences, other ones each time, as an honest model does. Pure. */
#include "tests/relaysim/model.h"

#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

#define CLAUSES_MAX 16

struct word {
    const char *at;
    size_t len;
};

struct clause {
    struct word who, what;
};

static bool word_is(struct word w, const char *text, size_t len)
{
    return w.len == len && memcmp(w.at, text, len) == 0;
}

static struct word next_word(const char **p)
{
    static const char between[] = " \t\r\n,.:;?!\"'";
    *p += strspn(*p, between);
    struct word w = {*p, strcspn(*p, between)};
    *p += w.len;
    return w;
}

/* "... NAME PAST the THING ...": every such pair before `end`. */
static size_t find_clauses(const char *text, const char *end, struct clause ret[CLAUSES_MAX])
{
    struct word before = {text, 0}, last = {text, 0};
    size_t n = 0;
    for (const char *p = text; p < end && n < CLAUSES_MAX;) {
        struct word w = next_word(&p);
        if (!w.len || w.at >= end)
            break;
        if (word_is(w, "the", 3) && before.len) {
            ret[n].who = before;
            ret[n++].what = next_word(&p);
        }
        before = last;
        last = w;
    }
    return n;
}

static const char *last_of(const char *text, const char *what)
{
    const char *found = NULL;
    for (const char *p = text; (p = strstr(p, what)); p++)
        found = p;
    return found;
}

static bool solve(const char *prompt, bool wrong, struct buf *ret)
{
    const char *who = last_of(prompt, "Who "), *what = last_of(prompt, "What did ");
    bool for_name = who && (!what || who > what);
    const char *question = for_name ? who : what;
    if (!question)
        return false;
    struct clause clauses[CLAUSES_MAX];
    size_t n = find_clauses(prompt, question, clauses);
    const char *p = question + (for_name ? strlen("Who ") : strlen("What did "));
    struct word asked = next_word(&p);
    if (for_name) { /* Who PAST the THING? */
        next_word(&p);
        asked = next_word(&p);
    }
    for (size_t i = 0; i < n; i++) {
        struct word key = for_name ? clauses[i].what : clauses[i].who;
        if (!word_is(key, asked.at, asked.len))
            continue;
        const struct clause *taken = &clauses[wrong ? (i + 1) % n : i];
        struct word answer = for_name ? taken->who : taken->what;
        buf_add(ret, answer.at, answer.len);
        return true;
    }
    return false;
}

/* --- what it says to other questions ------------------------------------------------------------------------------ */

/* What it says to everything when it is one model behind many names. */
static const char same_words[] =
    "Certainly! Here is a short overview. The river rises in the hills above the old town, passes two mills and a bridge of grey stone, "
    "and "
    "reaches the sea after forty miles. In spring it floods the lower meadows, and in a dry summer one can cross it on foot. The town grew "
    "around its market, which is still held on every second Thursday of the month.";

uint64_t model_hash(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

static const char *choose(const char *const words[], size_t n, uint64_t *chance)
{
    return words[random_next(chance) % n];
}

/* One of many thousand. */
static void say_sentence(uint64_t *chance, struct buf *ret)
{
    static const char *const times[] = {"Early in the day", "Before the first boat", "When the fog lifts", "After a night of rain",
                                        "Toward noon",      "In the last light",     "As the bells ring",  "While the kettle sings"};
    static const char *const whos[] = {"an old dog",     "the baker's son",  "a woman in green", "the youngest clerk",
                                       "a quiet tailor", "the night porter", "a flock of gulls", "the retired captain"};
    static const char *const dos[] = {"crosses", "watches", "passes", "remembers", "circles", "leaves", "studies", "greets"};
    static const char *const whats[] = {"the wet stones", "a row of crates",   "the painted doors", "a broken lantern",
                                        "the tall masts", "three blue wagons", "the empty benches", "a heap of nets"};
    static const char *const ends[] = {"without a word", "with cold hands",    "and thinks of spring", "as if nothing had happened",
                                       "humming softly", "and turns for home", "under a pale sky",     "until somebody laughs"};
    buf_printf(ret, "%s %s %s %s by the %s, ", choose(times, ARRAY_LEN(times), chance), choose(whos, ARRAY_LEN(whos), chance),
               choose(dos, ARRAY_LEN(dos), chance), choose(whats, ARRAY_LEN(whats), chance),
               random_next(chance) % 2 ? "harbour wall" : "narrow gate");
    buf_printf(ret, "%s, while %s %s %s.", choose(ends, ARRAY_LEN(ends), chance), choose(whos, ARRAY_LEN(whos), chance),
               choose(dos, ARRAY_LEN(dos), chance), choose(whats, ARRAY_LEN(whats), chance));
}

/* An open question gets sentences of its own, others one that says that it cannot tell. */
static void say_other(const struct behaviour *b, const char *prompt, uint64_t chance, struct buf *ret)
{
    bool open = strstr(prompt, "sentence") || strstr(prompt, "escribe") || strstr(prompt, "Write ");
    if (b->same_answer) {
        buf_add_str(ret, same_words);
    } else if (b->text) {
        buf_add_str(ret, b->text);
    } else if (open) {
        say_sentence(&chance, ret);
        buf_add_char(ret, ' ');
        say_sentence(&chance, ret);
    } else {
        buf_add_str(ret, "I cannot tell.");
    }
}

void model_reply(const struct behaviour *b, const char *prompt, uint64_t chance, struct buf *ret)
{
    switch (b->answer) {
    case ANSWER_ECHO:
        buf_add_str(ret, prompt);
        break;
    case ANSWER_FIXED:
        buf_add_str(ret, b->text ? b->text : "pong");
        break;
    case ANSWER_MARKER: {
        const char *at = b->marker && *b->marker ? strstr(prompt, b->marker) : NULL;
        at = at ? at + strlen(b->marker) : "";
        at += strspn(at, " \t");
        buf_add(ret, at, strcspn(at, "\r\n"));
        break;
    }
    case ANSWER_SMART:
    case ANSWER_WRONG:
        if (!solve(prompt, b->answer == ANSWER_WRONG, ret))
            say_other(b, prompt, chance, ret);
        break;
    }
}

size_t model_piece(const char *text, int max_chars)
{
    size_t len = 0;
    int chars = 0;
    while (text[len]) {
        bool starts_char = ((unsigned char)text[len] & 0xc0) != 0x80;
        if (starts_char && (chars == max_chars || (chars > 0 && text[len] == ' ' && text[len - 1] != ' ')))
            break;
        chars += starts_char;
        len++;
    }
    return len;
}

const char *model_filler(unsigned i)
{
    static const char *const words[] = {" so", " much", " is", " clear", " from", " this", " short", " text", " alone", ","};
    return words[i % ARRAY_LEN(words)];
}

unsigned model_count_tokens(const char *text)
{
    unsigned n = 0;
    for (size_t len; (len = model_piece(text, 4)) > 0; text += len)
        n++;
    return n;
}
