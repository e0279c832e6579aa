/* A route's manners: what it refused, whether its model thinks, what its answers look like.
 *
 * A refusal is learnt once and for good (as long as the target lives): the parameter is left out, or goes by its other name, or by a
 * lesser value, from the next request on. What was not sent cannot have been refused, so a relay that complains of something else teaches
 * nothing. The limit of the answer's length is never left out: when both its names were refused, the request stays as it is, and the
 * refusal stands as what it is.
 *
 * A stale answer is told from a wrong one by what it names: it is the right answer to an earlier challenge of this route, and it stands
 * nowhere in the present passage, from which the model would have had to take it. */
#include "probed/probe/manners.h"

#include <stdio.h>
#include <string.h>

#include "probed/probe/challenge.h"
#include "shared/text.h"

static enum chat_parameter other_limit(enum chat_parameter p)
{
    return p == PARAMETER_MAX_TOKENS ? PARAMETER_MAX_COMPLETION_TOKENS : PARAMETER_MAX_TOKENS;
}

static bool is_limit(enum chat_parameter p)
{
    return p == PARAMETER_MAX_TOKENS || p == PARAMETER_MAX_COMPLETION_TOKENS;
}

bool manners_refused(struct manners *m, enum chat_parameter refused, unsigned sent, char *words, size_t size)
{
    words[0] = '\0';
    if (refused >= PARAMETER_COUNT)
        return false;
    if (refused == PARAMETER_EFFORT && (sent & PARAMETER_BIT(PARAMETER_LEAST_EFFORT)))
        refused = PARAMETER_LEAST_EFFORT; /* a larger one may be taken */
    unsigned bit = PARAMETER_BIT(refused);
    if (!(sent & bit) || (m->left_out & bit))
        return false;
    if (is_limit(refused)) {
        if (m->left_out & PARAMETER_BIT(other_limit(refused)))
            return false;
        snprintf(words, size, "%s is sent as %s from now on", parameter_name(refused), parameter_name(other_limit(refused)));
    } else {
        snprintf(words, size, "%s is left out from now on", parameter_name(refused));
    }
    m->left_out |= bit;
    return true;
}

bool manners_reasons(struct manners *m, const struct observation *o)
{
    bool thinks = o->reasoning_tokens > 0 || (o->flags & OBSERVED_THINKING_ONLY) || o->outcome.kind == OUTCOME_UNFINISHED;
    if (!thinks || m->reasons)
        return false;
    m->reasons = true;
    return true;
}

static bool holds_any(const char *reply, const struct challenge *c)
{
    for (size_t i = 0; i < ARRAY_LEN(c->others); i++)
        if (challenge_holds(reply, c->others[i]))
            return true;
    return challenge_holds(reply, c->answer);
}

static bool in_prompt(const struct challenge *c, const char *word)
{
    return challenge_holds(c->prompt, word);
}

bool manners_stale(struct manners *m, const struct challenge *c, const char *reply, unsigned flags)
{
    if (flags & OBSERVED_CHALLENGE_PASSED) {
        memcpy(m->answers[m->answers_next], c->answer, sizeof m->answers[0]);
        m->answers_next = (uint8_t)((m->answers_next + 1) % MANNERS_ANSWERS);
        return false;
    }
    if (!(flags & OBSERVED_CHALLENGE_FAILED) || holds_any(reply, c))
        return false;
    for (size_t i = 0; i < MANNERS_ANSWERS; i++)
        if (m->answers[i][0] && !in_prompt(c, m->answers[i]) && challenge_holds(reply, m->answers[i]))
            return true;
    return false;
}

void manners_describe(const struct manners *m, char *ret, size_t size)
{
    struct buf words = BUF_CAP(512);
    for (int p = 0; p < PARAMETER_COUNT; p++) {
        if (!(m->left_out & PARAMETER_BIT(p)))
            continue;
        buf_printf(&words, "%s%s", words.len > 0 ? ", " : "", parameter_name((enum chat_parameter)p));
        if (is_limit((enum chat_parameter)p))
            buf_printf(&words, " as %s", parameter_name(other_limit((enum chat_parameter)p)));
    }
    text_copy(ret, size, buf_str(&words), words.len);
    buf_done(&words);
}
