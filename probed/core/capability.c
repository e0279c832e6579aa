/* Capabilities as they were measured, against what is declared. Values only: whoever tries them out is elsewhere (probe/capability*.c), and so is
 * whoever ranks by them.
 *
 * A state changes by evidence alone. A try that could not tell (no answer, 429, no money left) says nothing: it is remembered as a state only where
 * nothing better is known, so that one bad day does not take a vision route away from those who need one. */
#include "probed/core/capability.h"

#include <string.h>

#include "shared/compiler.h"
#include "shared/text.h"

static const struct {
    const char *name, *text;
} capabilities[CAPABILITY_COUNT] = {
#define X(id, name, text) {name, text},
    CAPABILITY_TABLE(X)
#undef X
};

static const char *const states[CAPABILITY_STATES] = {"untested", "yes", "no", "unclear"};

const char *capability_name(enum capability capability)
{
    return (size_t)capability < CAPABILITY_COUNT ? capabilities[capability].name : "?";
}

const char *capability_text(enum capability capability)
{
    return (size_t)capability < CAPABILITY_COUNT ? capabilities[capability].text : "?";
}

int capability_from_name(const char *name)
{
    for (int i = 0; i < CAPABILITY_COUNT; i++) {
        if (strcmp(capabilities[i].name, name) == 0)
            return i;
    }
    return -1;
}

const char *capability_state_name(enum capability_state state)
{
    return (size_t)state < CAPABILITY_STATES ? states[state] : "?";
}

bool capability_learn(struct capability_known *k, enum capability_state found, bool declared, const char *evidence, usec_t now)
{
    enum capability_state was = (enum capability_state)k->state, is = found;

    k->at = now;
    if (found == CAPABILITY_YES) {
        k->refusals = 0;
    } else if (found == CAPABILITY_NO) {
        if (k->refusals < UINT8_MAX)
            k->refusals++;
        /* A yes that was seen is as good a word as a declaration. */
        if (k->refusals < CAPABILITY_REFUSALS && (declared || was == CAPABILITY_YES))
            is = was == CAPABILITY_YES ? CAPABILITY_YES : CAPABILITY_UNCLEAR;
    } else if (was == CAPABILITY_YES || was == CAPABILITY_NO) {
        return false; /* and its evidence stands */
    }
    k->state = (uint8_t)is;
    text_copy(k->evidence, sizeof(k->evidence), evidence, strlen(evidence));
    return is != was;
}

usec_t capabilities_tried(const struct capabilities *c)
{
    usec_t at = 0;

    for (int i = 0; c && i < CAPABILITY_COUNT; i++)
        at = c->of[i].at > at ? c->of[i].at : at;
    return at;
}

static bool meets(const struct tag *wanted, const struct tag *model, size_t model_len, const struct tag *platform, size_t platform_len)
{
    const struct policy one = {.require = wanted, .require_len = 1};

    return policy_unmet(&one, model, model_len, platform, platform_len) == NULL;
}

bool capability_declared(enum capability capability, const struct tag *model, size_t model_len, const struct tag *platform, size_t platform_len)
{
    const struct tag wanted = {.name = capability_name(capability), .value = ""};

    return meets(&wanted, model, model_len, platform, platform_len);
}

const struct tag *capability_unmet(const struct policy *policy, const struct capabilities *measured, const struct tag *model, size_t model_len,
                                   const struct tag *platform, size_t platform_len)
{
    for (size_t i = 0; i < policy->require_len; i++) {
        const struct tag *wanted = &policy->require[i];
        int capability = measured ? capability_from_name(wanted->name) : -1;
        uint8_t state = capability < 0 ? CAPABILITY_UNTESTED : measured->of[capability].state;

        if (state == CAPABILITY_NO)
            return wanted;
        /* Which sort of vision it is, no measurement tells. */
        if (state == CAPABILITY_YES && (!wanted->value || wanted->value[0] == '\0'))
            continue;
        if (!meets(wanted, model, model_len, platform, platform_len))
            return wanted;
    }
    return NULL;
}
