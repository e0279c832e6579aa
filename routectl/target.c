/* PLATFORM[/MODEL] as typed. A platform's name has no '/', a model's may ("deepseek-ai/DeepSeek-V3"): the first one divides. */
#include "routectl/verb.h"

#include <string.h>

bool target_parse(struct target *ret, const char *text, bool model_wanted)
{
    const char *slash = strchr(text, '/');
    size_t platform_len = slash ? (size_t)(slash - text) : strlen(text);
    const char *model = slash ? slash + 1 : "";

    if (platform_len == 0 || (slash && !*model)) {
        complain("'%s' is no route: PLATFORM%s is wanted, for example openrouter/gpt-4o-mini", text, model_wanted ? "/MODEL" : "[/MODEL]");
        return false;
    }
    if (model_wanted && !slash) {
        complain("'%s' names no model: PLATFORM/MODEL is wanted, for example %s/gpt-4o-mini", text, text);
        return false;
    }
    if (platform_len >= sizeof ret->platform || strlen(model) >= sizeof ret->model) {
        complain("'%s' is too long for a platform (%zu bytes) or a model (%zu bytes)", text, sizeof ret->platform - 1,
                 sizeof ret->model - 1);
        return false;
    }
    memcpy(ret->platform, text, platform_len);
    ret->platform[platform_len] = '\0';
    memcpy(ret->model, model, strlen(model) + 1);
    return true;
}
