/* Honesty signals: counted, decayed, weighed.
 *
 * Each answer is wrong by as much as the heaviest signal that it shows; their decayed mean is the dishonesty, with one wrong answer added
 * for what is not known. A challenge that fails weighs nothing where the model has never passed any. An answer word for word like another
 * model's is looked for once a week only, so it would drown among the chats: it is weighed apart, by the share of the tests that found it.
 *
 * The evidence comes in the observation's detail, "name: words; name: words", as the prober put it there; of the form of a stream the
 * numbers are the evidence. Reported traffic tells none of this, so it only counts where it shows a signal. */
#include "probed/core/honesty.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "shared/text.h"

static const struct {
    const char *name, *text;
    unsigned flag;
    double weight;
    usec_t half_life;
} signals[HONESTY_SIGNALS] = {
#define X(id, name, flag, weight, half_life, text) {name, text, flag, weight, half_life},
    HONESTY_TABLE(X)
#undef X
};

const char *honesty_name(enum honesty_id id)
{
    return (size_t)id < HONESTY_SIGNALS ? signals[id].name : "?";
}

const char *honesty_text(enum honesty_id id)
{
    return (size_t)id < HONESTY_SIGNALS ? signals[id].text : "?";
}

bool honesty_weighs(enum honesty_id id)
{
    return (size_t)id < HONESTY_SIGNALS && signals[id].weight > 0;
}

static bool is_rare(enum honesty_id id)
{
    return signals[id].half_life != HONESTY_HALF_LIFE;
}

/* --- evidence ---------------------------------------------------------------------------------------------------------- */

/* Where the words after "name: " begin, at the start or behind a semicolon; NULL = there are none. */
static const char *find_words(const char *detail, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = detail; at; at = strstr(at, "; "), at = at ? at + 2 : NULL) {
        if (strncmp(at, name, len) == 0 && at[len] == ':' && at[len + 1] == ' ')
            return at + len + 2;
    }
    return NULL;
}

static void take_evidence(struct honesty_signal *s, enum honesty_id id, const struct observation *o)
{
    const char *words = find_words(o->detail, signals[id].name);

    if (id == HONESTY_ONE_BURST) {
        snprintf(s->evidence, sizeof(s->evidence), "%u pieces at once after %.1f s", o->chunks, (double)o->ttft / (double)USEC_PER_SEC);
    } else if (id == HONESTY_CUMULATIVE) {
        snprintf(s->evidence, sizeof(s->evidence), "%u pieces", o->chunks);
    } else if (words) {
        const char *end = strstr(words, "; ");

        text_copy(s->evidence, sizeof(s->evidence), words, end ? (size_t)(end - words) : strlen(words));
    } else { /* told by somebody who has nothing else to say */
        text_copy(s->evidence, sizeof(s->evidence), o->detail, strnlen(o->detail, sizeof(o->detail)));
    }
}

/* --- counting ---------------------------------------------------------------------------------------------------------- */

static void bring(struct honesty *h, usec_t now)
{
    if (now <= h->at)
        return;
    for (int i = 0; i < HONESTY_SIGNALS; i++) {
        float keep = (float)decay_factor(now - h->at, signals[i].half_life);

        h->signal[i].seen *= keep;
        h->signal[i].weight *= keep;
    }
    h->at = now;
}

/* Whether the answer could have shown it. */
static bool could_show(enum honesty_id id, const struct observation *o)
{
    if (o->flags & signals[id].flag)
        return true;
    if (o->source == SOURCE_TRAFFIC)
        return false;
    if (id == HONESTY_CHALLENGE_FAILED)
        return o->flags & OBSERVED_CHALLENGE_PASSED;
    if (id == HONESTY_SAME_ANSWER)
        return o->probe == PROBE_CAPABILITIES && o->ttft >= 0; /* the tries that are answered by a text */
    return o->probe != PROBE_CAPABILITIES;                     /* those answers have forms of their own */
}

bool honesty_unscorable(const struct honesty *h)
{
    const struct honesty_signal *s = &h->signal[HONESTY_CHALLENGE_FAILED];

    return s->count == s->of && s->count >= HONESTY_UNSCORABLE;
}

uint32_t honesty_challenges_passed(const struct honesty *h)
{
    return h->signal[HONESTY_CHALLENGE_FAILED].of - h->signal[HONESTY_CHALLENGE_FAILED].count;
}

/* What is wrong with this answer; -1 = it says nothing either way. */
static double wrong(const struct honesty *h, const struct observation *o)
{
    bool unscorable = honesty_unscorable(h), challenged = o->flags & (OBSERVED_CHALLENGE_PASSED | OBSERVED_CHALLENGE_FAILED);
    double most = challenged && !unscorable ? 0 : -1;

    for (int i = 0; i < HONESTY_SIGNALS; i++) {
        bool counts = (o->flags & signals[i].flag) && signals[i].weight > 0 && !is_rare((enum honesty_id)i);

        if (counts && !(i == HONESTY_CHALLENGE_FAILED && unscorable))
            most = fmax(most, signals[i].weight);
    }
    return most;
}

void honesty_observe(struct honesty *h, const struct observation *o, usec_t now)
{
    if (o->source == SOURCE_TRAFFIC && o->flags == 0)
        return;
    bring(h, now);
    for (int i = 0; i < HONESTY_SIGNALS; i++) {
        struct honesty_signal *s = &h->signal[i];

        if (!could_show((enum honesty_id)i, o))
            continue;
        s->of++;
        s->weight += 1;
        if (!(o->flags & signals[i].flag))
            continue;
        s->count++;
        s->seen += 1;
        s->last = now;
        take_evidence(s, (enum honesty_id)i, o);
    }
    double value = wrong(h, o);

    if (value >= 0)
        decay_moment_add(&h->fooled, value, HONESTY_HALF_LIFE, now);
}

/* --- what it comes to -------------------------------------------------------------------------------------------------- */

double honesty_share(const struct honesty *h, enum honesty_id id, usec_t now)
{
    const struct honesty_signal *s = &h->signal[id];

    (void)now; /* both decay alike */
    return s->weight > 0 ? fmin(1, (double)s->seen / (double)s->weight) : 0;
}

double honesty_samples(const struct honesty *h, usec_t now)
{
    return decay_moment_weight(&h->fooled, HONESTY_HALF_LIFE, now);
}

double honesty_dishonesty(const struct honesty *h, usec_t now)
{
    double n = honesty_samples(h, now), honest = 1 - fmin(1, (n * h->fooled.mean + 1) / (n + 1));

    for (int i = 0; i < HONESTY_SIGNALS; i++) {
        if (!is_rare((enum honesty_id)i))
            continue;
        /* One test is not enough to be sure of it. */
        double keep = decay_factor(now - h->at, signals[i].half_life), weight = (double)h->signal[i].weight * keep;

        honest *= 1 - signals[i].weight * (double)h->signal[i].seen * keep / (weight + 1);
    }
    return fmin(1, fmax(0, 1 - honest));
}
