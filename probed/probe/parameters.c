/* Which parameter of ours a refusal is about.
 *
 * The error's own `param` counts first, then the message: the first of our names that stands in it, if the message also says that what it
 * names is not taken, and not that its value is too small or too large. "Unsupported parameter: 'max_tokens' is not supported with this
 * model. Use 'max_completion_tokens' instead." is about max_tokens, which comes first. Names are looked for as words, so that "store" is
 * not found in "restored". Words were read in OpenAI's, Azure's, Anthropic's and Gemini's errors, in SiliconFlow's and DashScope's, in
 * those of pydantic (vLLM, Mistral and many relays), as public issues quote them. */
#include "probed/probe/parameters.h"

#include <ctype.h>
#include <string.h>

#include "shared/compiler.h"

static const char *const parameter_names[PARAMETER_COUNT] = {
#define X(id, name) name,
    PARAMETER_TABLE(X)
#undef X
};

const char *parameter_name(enum chat_parameter parameter)
{
    return parameter < PARAMETER_COUNT ? parameter_names[parameter] : "?";
}

static const struct {
    const char *name;
    enum chat_parameter parameter;
} spellings[] = {
    {"max_tokens", PARAMETER_MAX_TOKENS},
    {"max_completion_tokens", PARAMETER_MAX_COMPLETION_TOKENS},
    {"temperature", PARAMETER_TEMPERATURE},
    {"stream_options", PARAMETER_STREAM_OPTIONS},
    {"include_usage", PARAMETER_STREAM_OPTIONS},
    {"max_output_tokens", PARAMETER_SIZE}, /* these two have no other name */
    {"maxoutputtokens", PARAMETER_SIZE},
    {"reasoning_effort", PARAMETER_EFFORT},
    {"reasoning.effort", PARAMETER_EFFORT},
    {"reasoningeffort", PARAMETER_EFFORT},
    {"reasoning", PARAMETER_EFFORT},
    {"enable_thinking", PARAMETER_ENABLE_THINKING},
    {"thinkingconfig", PARAMETER_THINKING_CONFIG},
    {"thinking_config", PARAMETER_THINKING_CONFIG},
    {"thinkingbudget", PARAMETER_THINKING_CONFIG},
    {"thinking_budget", PARAMETER_THINKING_CONFIG},
    {"thinking budget", PARAMETER_THINKING_CONFIG},
    {"thinkinglevel", PARAMETER_THINKING_CONFIG},
    {"thinking_level", PARAMETER_THINKING_CONFIG},
    {"thinking level", PARAMETER_THINKING_CONFIG},
    {"budget 0", PARAMETER_THINKING_CONFIG},
    {"thinking can't be disabled", PARAMETER_THINKING_CONFIG},
    {"thinking is not", PARAMETER_THINKING_CONFIG}, /* enabled, supported */
    {"store", PARAMETER_STORE},
};

/* That something is not taken, or not with the value that we give it. */
static const char *const refusals[] = {
    "unsupported",
    "not support",
    "n't support",
    "unrecognized",
    "unknown",
    "not permitted",
    "not allowed",
    "extra inputs",
    "extra fields",
    "extra_forbidden",
    "unexpected",
    "cannot find",
    "deprecated",
    "only the default",
    "may only be set",
    "restricted to",
    "is invalid",
    "not valid",
    "invalid value",
    "can't be",
    "cannot be",
    "incompatible with",
    "not enabled",
    "must be set to",
    "must be one of",
    "must not be",
    "must be greater",
    "must be strictly",
    "instead",
    "不支持",
    "无效",
    "未知",
    "不允许",
    "only one of",
};

/* About the value of a limit that is taken as such. */
static const char *const too_large[] = {"too large", "too big",    "at most", "exceed", "maximum",
                                        "less than", "lower than", "[1,",     "[1 ,",   "过大"};
static const char *const too_small[] = {"too small", "at least", "minimum", "greater"};

static bool is_name_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static const char *find_name(const char *text, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = text; (p = strcasestr(p, name)); p++)
        if ((p == text || !is_name_byte(p[-1])) && !is_name_byte(p[len]))
            return p;
    return NULL;
}

static enum chat_parameter first_named(const char *text)
{
    enum chat_parameter first = PARAMETER_NONE;
    const char *at = NULL;
    size_t longest = 0;
    for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
        const char *found = find_name(text, spellings[i].name);
        size_t len = strlen(spellings[i].name);
        if (found && (!at || found < at || (found == at && len > longest))) {
            first = spellings[i].parameter;
            at = found;
            longest = len;
        }
    }
    return first;
}

static bool says(const char *message, const char *const *words, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (strcasestr(message, words[i]))
            return true;
    return false;
}

static bool is_limit(enum chat_parameter p)
{
    return p == PARAMETER_MAX_TOKENS || p == PARAMETER_MAX_COMPLETION_TOKENS || p == PARAMETER_SIZE;
}

enum chat_parameter parameter_refused(const char *param, const char *message)
{
    enum chat_parameter named = first_named(param);
    bool told = named != PARAMETER_NONE;
    if (!told)
        named = first_named(message);
    if (named == PARAMETER_NONE)
        return named;
    if (is_limit(named) && says(message, too_large, ARRAY_LEN(too_large)))
        return PARAMETER_SIZE;
    if (is_limit(named) && says(message, too_small, ARRAY_LEN(too_small)))
        return PARAMETER_NONE;
    /* An error that names one of the others as its cause needs no more words; of a limit it may be the value. */
    bool refused = (told && !is_limit(named)) || says(message, refusals, ARRAY_LEN(refusals));
    return refused && named != PARAMETER_SIZE ? named : PARAMETER_NONE;
}
