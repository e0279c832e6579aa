/* The challenge: a question on a short passage, made anew for each chat probe.
 *
 * A relay that answers from a cache, echoes what it was sent, or lets something answer that has not read the prompt, cannot pass it. The
 * answer is a word that stands in the passage among others of its sort; nothing marks it, so it has to be found. It is a plain look-up, not
 * a riddle or a sum: small models get it right, and what fails it is not the model that was paid for. The nonce at the head keeps prompt
 * and prefix caches out. Passing feeds honesty only, never availability.
 *
 * The whole form, for whoever has to answer it by machine (a simulated relay):
 *
 *     prompt   = "Note " NONCE ": " clause ", " clause ", " clause ", " clause " and " clause ". " question " Answer with one word only."
 *     clause   = NAME " " PAST " the " THING                     five clauses, PAST the same in all, NAMEs and THINGs all different
 *     question = "Who " PAST " the " THING "?"                   answer: the NAME of the clause with that THING
 *              | "What did " NAME " " VERB "?"                   answer: the THING of the clause with that NAME
 *     NONCE    = 8 lower-case hexadecimal digits;  NAME = a capital and lower-case letters;  PAST, VERB, THING = lower-case letters
 *
 *     Note 5b1e09af: Nora found the kettle, Omar found the drum, Petra found the ladder, Felix found the rope and Silas found the lamp. Who
 * found the drum? Answer with one word only.
 *
 * About 60 tokens. The reply passes if the answer stands in it as a word (in any case, a plural s allowed) and nothing does that a right
 * answer has no reason to hold: none of the other four, not the nonce, and not the words of the instruction. So an echo fails, whole or cut
 * at either end: its head holds the nonce, its tail the instruction. The answer never stands in the first or the last clause, so that a cut
 * echo has also passed another of the five.
 *
 * How many tokens the prompt is, any honest tokenizer agrees on within bounds, since it is made of common words. Counted over 1,500 such
 * prompts with the vocabularies of ten families (o200k, cl100k, p50k, Claude 2, DeepSeek V3, Gemma 3, Qwen 3, Llama 2 and 3, Mistral):
 * never fewer than one for each word and mark of punctuation, never more than 0.35 a byte (Llama 2). LEAST and MOST leave room for
 * vocabularies that join words, and for smaller ones. What the vendor's template puts around it comes on top; where a vendor adds a text
 * of its own that nobody knows, nothing is known.
 *
 * Pure: all chance comes from the state passed in. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "probed/core/schedule.h"
#include "probed/probe/challenge.h"

#define CLAUSES 5
#define LEAST_TOKENS 0.85 /* a word or mark */
#define MOST_TOKENS 0.42  /* a byte */

/* No word is the start of another with an s behind it, none is a common word of an answer ("the", "one"), none is a model's or vendor's
 * name. */
static const char *const names[] = {
    "Nora",  "Omar",  "Petra", "Silas", "Felix", "Greta",  "Hugo",   "Ivan",   "Jonas",  "Karin", "Leila", "Marek",
    "Nadia", "Oskar", "Priya", "Quinn", "Rosa",  "Stefan", "Tamara", "Ursula", "Viktor", "Wanda", "Yusuf", "Zelda",
};
static const char *const things[] = {
    "kettle", "drum",  "ladder", "rope",   "lamp",    "violin",  "hammer", "basket", "carpet", "mirror", "candle", "bucket",
    "helmet", "piano", "pencil", "ticket", "blanket", "bicycle", "teapot", "anchor", "saddle", "wallet", "kite",   "trumpet",
};
static const struct {
    const char *past, *verb;
} verbs[] = {
    {"found", "find"}, {"sold", "sell"}, {"bought", "buy"}, {"lost", "lose"}, {"painted", "paint"}, {"borrowed", "borrow"},
};

/* The bias of a remainder by a two-digit number is of no account here. */
static size_t draw(uint64_t *state, size_t n)
{
    return (size_t)(schedule_random(state) % n);
}

/* CLAUSES different words out of n. */
static void draw_words(uint64_t *state, const char *const *from, size_t n, const char *ret[CLAUSES])
{
    for (size_t i = 0; i < CLAUSES; i++) {
        const char *word;
        bool taken;
        do {
            word = from[draw(state, n)];
            taken = false;
            for (size_t j = 0; j < i; j++)
                taken |= ret[j] == word;
        } while (taken);
        ret[i] = word;
    }
}

static void copy_lower(char *dst, size_t size, const char *word)
{
    size_t i = 0;
    for (; word[i] && i + 1 < size; i++)
        dst[i] = (char)tolower((unsigned char)word[i]);
    dst[i] = '\0';
}

/* Words and marks, as few tokens as they can be. */
static int least_tokens(const char *text)
{
    int n = 0;
    for (bool before = false; *text; text++) {
        bool word = isalnum((unsigned char)*text);
        n += word ? !before : *text != ' ';
        before = word;
    }
    return (int)(n * LEAST_TOKENS);
}

void challenge_make(struct challenge *ret, uint64_t *random)
{
    const char *who[CLAUSES], *what[CLAUSES];
    draw_words(random, names, ARRAY_LEN(names), who);
    draw_words(random, things, ARRAY_LEN(things), what);
    size_t v = draw(random, ARRAY_LEN(verbs)), asked = 1 + draw(random, CLAUSES - 2);
    const char *past = verbs[v].past;
    bool for_name = draw(random, 2) == 0;

    memset(ret, 0, sizeof *ret);
    snprintf(ret->nonce, sizeof ret->nonce, "%08" PRIx32, (uint32_t)(schedule_random(random) >> 32));
    char question[64];
    if (for_name)
        snprintf(question, sizeof question, "Who %s the %s?", past, what[asked]);
    else
        snprintf(question, sizeof question, "What did %s %s?", who[asked], verbs[v].verb);
    snprintf(ret->prompt, sizeof ret->prompt,
             "Note %s: %s %s the %s, %s %s the %s, %s %s the %s, %s %s the %s and %s %s the %s. %s Answer with one word only.", ret->nonce,
             who[0], past, what[0], who[1], past, what[1], who[2], past, what[2], who[3], past, what[3], who[4], past, what[4], question);

    ret->tokens_low = least_tokens(ret->prompt);
    ret->tokens_high = (int)((double)strlen(ret->prompt) * MOST_TOKENS) + 1;
    ret->after_nonce_low = least_tokens(strchr(ret->prompt, ':'));

    const char **sort = for_name ? who : what;
    size_t n = 0;
    for (size_t i = 0; i < CLAUSES; i++) {
        if (i == asked)
            copy_lower(ret->answer, sizeof ret->answer, sort[i]);
        else
            copy_lower(ret->others[n++], sizeof ret->others[0], sort[i]);
    }
}

/* Letters of any script count as part of a word only if they are ASCII: "答案是Omar。" holds the word Omar. */
static bool is_word_byte(char c)
{
    return isalnum((unsigned char)c) && (unsigned char)c < 0x80;
}

bool challenge_holds(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = text; len > 0 && (p = strcasestr(p, word)); p++) {
        const char *after = p + len;
        if (p > text && is_word_byte(p[-1]))
            continue;
        if (*after == 's' || *after == 'S')
            after++;
        if (!is_word_byte(*after))
            return true;
    }
    return false;
}

/* What a right answer has no reason to hold. */
static bool holds_foreign(const struct challenge *c, const char *reply)
{
    for (size_t i = 0; i < ARRAY_LEN(c->others); i++)
        if (challenge_holds(reply, c->others[i]))
            return true;
    return strcasestr(reply, c->nonce) || strcasestr(reply, "with one word only");
}

enum challenge_verdict challenge_judge(const struct challenge *c, const char *reply, bool cut)
{
    if (holds_foreign(c, reply))
        return CHALLENGE_FAILED;
    if (c->answer[0] && challenge_holds(reply, c->answer))
        return CHALLENGE_PASSED;
    return cut ? CHALLENGE_OPEN : CHALLENGE_FAILED;
}

bool challenge_passed(const struct challenge *c, const char *reply)
{
    return challenge_judge(c, reply, false) == CHALLENGE_PASSED;
}

/* What the templates of a model's family add, in tokens: roles and marks (8 to 12), a line about who it is or the date, instructions for
 * its thinking. The first that is found in the name. */
static const struct {
    const char *family;
    int most; /* -1 = some prompt of the vendor's own */
} templates[] = {
    {"search", -1},    {"online", -1},   {"sonar", -1},   {"grok", -1},     {"command", -1},  {"compound", -1}, {"gpt-oss", 90},  {"thinking", 64},
    {"gpt-", 16},      {"chatgpt", 16},  {"claude", 24},  {"gemini", 16},   {"deepseek", 24}, {"llama", 48},    {"qwen", 40},     {"kimi", 40},
};
#define TEMPLATE_MOST 64 /* of any other */

void challenge_known(const struct challenge *c, const char *model, int *low, int *high)
{
    int most = TEMPLATE_MOST;
    for (size_t i = ARRAY_LEN(templates); i-- > 0;)
        if (strcasestr(model, templates[i].family))
            most = templates[i].most;
    bool known = c->tokens_low > 0 && most >= 0;
    *low = known ? c->tokens_low : 0;
    *high = known ? c->tokens_high + most : 0;
}
