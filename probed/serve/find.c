/* Names in a request against the table: what is meant, or a 404 that says which names are near. */
#include "probed/serve/api_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/text.h"

#define SUGGESTIONS_MAX 5
/* Longer words are no typing mistakes, and the edit distance to 2,000 names would hold the loop. */
#define SUGGEST_WORD_MAX 64

void find_suggest(cJSON *problem, const char *word, const char *const *names, size_t len)
{
    cJSON *nearest = json_add_array(problem, "nearest");
    int added = 0;
    if (strlen(word) > SUGGEST_WORD_MAX)
        return;
    const char *typo = text_nearest(word, names, len);
    if (typo != NULL) {
        json_add_string(nearest, NULL, typo);
        added++;
    }
    for (size_t i = 0; i < len && added < SUGGESTIONS_MAX; i++)
        if (names[i] != typo && strcasestr(names[i], word) != NULL) {
            json_add_string(nearest, NULL, names[i]);
            added++;
        }
}

static enum MHD_Result find_no_policy(struct client *c, const char *word, const struct table *table)
{
    const char **names = alloc_zero(table->len + 1, sizeof *names);
    for (size_t i = 0; i < table->len; i++)
        names[i] = table->policies[i].name;
    cJSON *problem = answer_problem_new(MHD_HTTP_NOT_FOUND, "there is no policy \"%s\"", word);
    json_add_string(problem, "policy", word);
    find_suggest(problem, word, names, table->len);
    free(names);
    return answer_problem_json(c, MHD_HTTP_NOT_FOUND, problem);
}

static enum MHD_Result find_no_model(struct client *c, const char *word, const struct table_policy *policy)
{
    const char **names = alloc_zero(policy->len + 1, sizeof *names);
    for (size_t i = 0; i < policy->len; i++)
        names[i] = policy->rankings[i]->model;
    cJSON *problem = answer_problem_new(MHD_HTTP_NOT_FOUND, "there is no model \"%s\"", word);
    json_add_string(problem, "model", word);
    find_suggest(problem, word, names, policy->len);
    free(names);
    return answer_problem_json(c, MHD_HTTP_NOT_FOUND, problem);
}

bool find_ranking(struct client *c, const char *policy, const char *model, struct found *ret, enum MHD_Result *ret_answered)
{
    *ret = (struct found){.table = api_table(c->api)};
    ret->policy = table_find_policy(ret->table, policy);
    if (ret->policy == NULL) {
        *ret_answered = find_no_policy(c, policy != NULL ? policy : "", ret->table);
        return false;
    }
    ret->policy_index = (size_t)(ret->policy - ret->table->policies);
    if (model == NULL)
        return true;
    ret->ranking = table_policy_find(ret->policy, model);
    if (ret->ranking == NULL) {
        *ret_answered = find_no_model(c, model, ret->policy);
        return false;
    }
    return true;
}

static bool platform_has(const struct config_platform *platform, const char *model)
{
    for (size_t i = 0; i < platform->routes_len; i++)
        if (strcmp(platform->routes[i].model, model) == 0)
            return true;
    return false;
}

bool find_route(struct client *c, const char *platform, const char *model, enum MHD_Result *ret_answered)
{
    const struct config *config = c->api->owner.config(c->api->owner.arg);
    const struct config_platform *found = config_find_platform(config, platform);
    if (found != NULL && (model == NULL || platform_has(found, model)))
        return true;

    const char **names = alloc_zero(config->platforms_len + 1, sizeof *names);
    size_t len = 0;
    cJSON *problem = NULL;
    if (found == NULL) {
        for (; len < config->platforms_len; len++)
            names[len] = config->platforms[len].name;
        problem = answer_problem_new(MHD_HTTP_NOT_FOUND, "there is no platform \"%s\"", platform);
        json_add_string(problem, "platform", platform);
        find_suggest(problem, platform, names, len);
    } else {
        /* Which platforms do have it? That is what one wants to know next. */
        problem = answer_problem_new(MHD_HTTP_NOT_FOUND, "platform %s has no route for model \"%s\"", platform, model);
        json_add_string(problem, "platform", platform);
        json_add_string(problem, "model", model);
        cJSON *offered = json_add_array(problem, "offered_by");
        for (size_t i = 0; i < config->platforms_len; i++)
            if (platform_has(&config->platforms[i], model))
                json_add_string(offered, NULL, config->platforms[i].name);
    }
    free(names);
    *ret_answered = answer_problem_json(c, MHD_HTTP_NOT_FOUND, problem);
    return false;
}
