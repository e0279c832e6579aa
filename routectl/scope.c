/* PLATFORM, PLATFORM/MODEL or MODEL: which of them a word is only the daemon knows, because a model's name may hold slashes too. */
#include "routectl/scope.h"

#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

static enum exit_code ask(const struct command *command, const char *path, const char *platform, const char *model, struct fetched *ret)
{
    struct buf target CLEANUP(buf_done) = BUF_INIT;

    buf_add_str(&target, path);
    fetch_query(&target, "platform", platform);
    fetch_query(&target, "model", model);
    return fetch_quiet(command, "GET", buf_str(&target), NULL, ret);
}

enum exit_code scope_fetch(const struct command *command, const char *path, struct fetched *ret)
{
    const char *word = command->args_len > 0 ? command->args[0] : NULL;
    struct target route = {.platform = ""};

    if (word && !target_parse(&route, word, false))
        return EXIT_USAGE;
    enum exit_code code = ask(command, path, word ? route.platform : NULL, word && route.model[0] ? route.model : NULL, ret);
    if (code == EXIT_REFUSED && word && ret->status == 404) {
        struct fetched of_model = FETCHED_INIT;
        enum exit_code second = ask(command, path, NULL, word, &of_model);
        if (second == EXIT_OK) {
            fetched_done(ret);
            *ret = of_model;
            return EXIT_OK;
        }
        fetched_done(&of_model);
        if (second == EXIT_UNREACHABLE)
            return second;
    }
    if (code == EXIT_REFUSED || code == EXIT_NO_ROUTE)
        fetch_complain(command, ret);
    return code;
}

void scope_currency(struct buf *target, const struct command *command)
{
    char *code CLEANUP(alloc_freep) = command->currency ? alloc_string(command->currency) : NULL;

    for (char *c = code; c && *c; c++)
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    fetch_query(target, "currency", code);
}

struct placed {
    const cJSON *route;
    const char *model;
    size_t first; /* where the model came first */
    size_t at;
};

static int by_model_name(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    int order = strcmp(x->model, y->model);
    return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

static int by_place(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

const cJSON **scope_by_model(const cJSON *routes, size_t *ret_len)
{
    size_t size = cJSON_IsArray(routes) ? (size_t)cJSON_GetArraySize(routes) : 0, len = 0;
    struct placed *placed CLEANUP(alloc_freep) = alloc_zero(size + 1, sizeof *placed);
    const cJSON **list = alloc_zero(size + 1, sizeof *list);
    const cJSON *route;

    if (size > 0) {
        cJSON_ArrayForEach(route, routes)
        {
            const char *model = json_string(route, "model");
            if (cJSON_IsObject(route)) {
                placed[len] = (struct placed){.route = route, .model = model ? model : "?", .at = len};
                len++;
            }
        }
    }
    qsort(placed, len, sizeof *placed, by_model_name);
    for (size_t i = 0; i < len; i++)
        placed[i].first = i > 0 && strcmp(placed[i].model, placed[i - 1].model) == 0 ? placed[i - 1].first : placed[i].at;
    qsort(placed, len, sizeof *placed, by_place);
    for (size_t i = 0; i < len; i++)
        list[i] = placed[i].route;
    *ret_len = len;
    return list;
}
