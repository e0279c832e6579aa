/* A plain array in the order in which the words were spoken: there are few of them, and the youngest wins. */
#include "probed/overrides.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/text.h"

void overrides_done(struct overrides *o)
{
    free(o->list);
    *o = (struct overrides){NULL, 0};
}

static void remove_at(struct overrides *o, size_t i)
{
    memmove(&o->list[i], &o->list[i + 1], (o->len - i - 1) * sizeof *o->list);
    o->len--;
}

/* Takes back every word on this scope; a platform's scope includes its routes only if `below`. */
static bool take_back(struct overrides *o, const char *platform, const char *model, bool below)
{
    bool any = false;
    for (size_t i = 0; i < o->len;) {
        const struct api_override *w = &o->list[i];
        bool same = strcmp(w->platform, platform) == 0 && (strcmp(w->model, model) == 0 || (below && model[0] == '\0'));
        if (same) {
            remove_at(o, i);
            any = true;
        } else {
            i++;
        }
    }
    return any;
}

int overrides_add(struct overrides *o, const struct api_override *word, struct err *err)
{
    if (word->action == OVERRIDE_NONE || word->platform[0] == '\0')
        return err_set(err, -EINVAL, "an override needs an action and a platform");
    bool enable = word->action == OVERRIDE_ENABLE;
    take_back(o, word->platform, word->model, enable);
    if (enable && word->expires_at == 0) {
        const struct api_override *wider = overrides_find(o, word->platform, word->model);
        if (!wider || wider->action != OVERRIDE_DRAIN)
            return 0; /* nothing left that it would have to stand against */
    }
    if (o->len >= OVERRIDES_MAX)
        return err_set(err, -EBUSY, "there are %d overrides already; take some back with enable", OVERRIDES_MAX);
    o->list = alloc_resize(o->list, o->len + 1, sizeof *o->list);
    o->list[o->len++] = *word;
    return 0;
}

bool overrides_expire(struct overrides *o, usec_t now)
{
    bool any = false;
    for (size_t i = 0; i < o->len;) {
        if (o->list[i].expires_at != 0 && o->list[i].expires_at <= now) {
            remove_at(o, i);
            any = true;
        } else {
            i++;
        }
    }
    return any;
}

usec_t overrides_next_expiry(const struct overrides *o)
{
    usec_t next = USEC_INFINITY;
    for (size_t i = 0; i < o->len; i++)
        if (o->list[i].expires_at != 0 && o->list[i].expires_at < next)
            next = o->list[i].expires_at;
    return next;
}

const struct api_override *overrides_find(const struct overrides *o, const char *platform, const char *model)
{
    const struct api_override *wide = NULL;
    for (size_t i = o->len; i-- > 0;) {
        const struct api_override *w = &o->list[i];
        if (strcmp(w->platform, platform) != 0)
            continue;
        if (w->model[0] != '\0' && strcmp(w->model, model) == 0)
            return w;
        if (w->model[0] == '\0' && !wide)
            wide = w;
    }
    return wide;
}

void overrides_apply(const struct overrides *o, struct ranker *ranker, usec_t now)
{
    for (size_t i = 0; i < ranker_routes(ranker); i++) {
        const struct table_facts *facts = ranker_facts(ranker, (int)i);
        const struct api_override *word = overrides_find(o, facts->platform, facts->model);
        ranker_set_override(ranker, (int)i, word ? word->action : OVERRIDE_NONE, now);
    }
}

cJSON *overrides_word_to_json(const struct api_override *word)
{
    cJSON *j = cJSON_CreateObject();
    json_add_string(j, "action", override_action_name(word->action));
    json_add_string(j, "platform", word->platform);
    json_add_string(j, "model", word->model[0] ? word->model : NULL);
    json_add_time(j, "made_at", word->made_at);
    json_add_time(j, "expires_at", word->expires_at ? word->expires_at : -1);
    json_add_string(j, "reason", word->reason);
    json_add_string(j, "by", word->by);
    return j;
}

cJSON *overrides_to_json(const struct overrides *o)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < o->len; i++)
        cJSON_AddItemToArray(array, overrides_word_to_json(&o->list[i]));
    return array;
}

static void copy_member(char *dst, size_t size, const cJSON *json, const char *name)
{
    const char *s = json_string(json, name);
    text_copy(dst, size, s ? s : "", s ? strlen(s) : 0);
}

unsigned overrides_from_json(struct overrides *o, const cJSON *array)
{
    unsigned skipped = 0;
    const cJSON *j;
    cJSON_ArrayForEach(j, array)
    {
        struct api_override w = {.action = OVERRIDE_NONE};
        double made = 0, expires = 0;
        const char *action = json_string(j, "action");
        int a = action ? override_action_from_name(action) : -1;
        copy_member(w.platform, sizeof w.platform, j, "platform");
        copy_member(w.model, sizeof w.model, j, "model");
        copy_member(w.reason, sizeof w.reason, j, "reason");
        copy_member(w.by, sizeof w.by, j, "by");
        json_number(j, "made_at", &made);
        json_number(j, "expires_at", &expires);
        w.made_at = made > 0 && made < 1e12 ? (usec_t)(made * 1e6) : 0;
        w.expires_at = expires > 0 && expires < 1e12 ? (usec_t)(expires * 1e6) : 0;
        if (a > 0)
            w.action = (enum override_action)a;
        if (overrides_add(o, &w, NULL) < 0)
            skipped++;
    }
    return skipped;
}
