/* What the names of reasoning models say about their knobs.
 *
 * Only what is documented by the vendors and holds wherever the model is served: which of them take an effort and its least value, which
 * have a switch, which have a budget. A name that is not here gets no knob turned. Where a relay or a later model differs, it refuses the
 * parameter, and the route's manners remember that. */
#include "probed/probe/reason.h"

#include <string.h>
#include <strings.h>

#include "shared/compiler.h"

const char *reason_base_name(const char *model)
{
    const char *slash = strrchr(model, '/');
    return slash ? slash + 1 : model;
}

static bool begins(const char *name, const char *with)
{
    return strncasecmp(name, with, strlen(with)) == 0;
}

bool reason_is_newer_openai(const char *model)
{
    const char *name = reason_base_name(model);
    if ((name[0] == 'o' || name[0] == 'O') && name[1] >= '1' && name[1] <= '9')
        return true;
    return begins(name, "gpt-") && name[4] >= '5' && name[4] <= '9';
}

bool reason_takes_effort(const char *model)
{
    const char *name = reason_base_name(model);
    if (reason_is_newer_openai(model))
        return !strcasestr(name, "-chat") && !begins(name, "o1-mini") && !begins(name, "o1-preview");
    return begins(name, "gpt-oss") || begins(name, "gemini-");
}

/* The first gpt-5 family alone; 5.1 and later took the word out again. */
bool reason_takes_least_effort(const char *model)
{
    static const char *const names[] = {"gpt-5", "gpt-5-mini", "gpt-5-nano"};
    const char *name = reason_base_name(model);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t len = strlen(names[i]);
        if (begins(name, names[i]) && (!name[len] || name[len] == ':' || begins(name + len, "-20"))) /* a dated snapshot */
            return true;
    }
    return false;
}

/* SiliconFlow's list of models with the switch, and DashScope's own; those whose name says that they always or never think have none. */
bool reason_takes_switch(const char *model)
{
    static const char *const names[] = {
        "qwen3", "qwen-plus", "qwen-turbo", "qwen-flash", "deepseek-v3.1", "deepseek-v3.2", "glm-4.5", "glm-4.6", "hunyuan-a13b",
    };
    const char *name = reason_base_name(model);
    if (strcasestr(name, "thinking") || strcasestr(name, "instruct") || strcasestr(name, "coder"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (begins(name, names[i]))
            return true;
    return false;
}

const char *reason_gemini_config(const char *model)
{
    const char *name = reason_base_name(model);
    if (begins(name, "gemini-2.5-pro"))
        return "{\"thinkingBudget\":128}"; /* it cannot do without */
    if (begins(name, "gemini-2.5-"))
        return "{\"thinkingBudget\":0}";
    if (begins(name, "gemini-") && name[7] >= '3' && name[7] <= '9')
        return "{\"thinkingLevel\":\"low\"}";
    return NULL;
}
