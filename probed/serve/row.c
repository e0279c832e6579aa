/* A row of a ranking as JSON outside its ranking, in the very words of /v1/routes; and the answer when a ranking has no row to give. */
#include "probed/serve/api_parts.h"

#include <string.h>

cJSON *row_to_json(const struct table_row *row)
{
    /* Through the one codec, as the only row of a ranking, so that no word can differ. */
    struct ranking *alone = ranking_new(row->facts->model, 1);
    alone->rows[0] = *row;
    alone->rows[0].facts = table_facts_ref(row->facts);
    cJSON *json = ranking_to_json(alone);
    cJSON *ret = cJSON_DetachItemFromArray(cJSON_GetObjectItemCaseSensitive(json, "routes"), 0);
    cJSON_Delete(json);
    ranking_unref(alone);
    return ret;
}

void row_move(cJSON *row, cJSON *to, const char *const *names)
{
    for (; *names != NULL; names++) {
        cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(row, *names);
        if (item != NULL)
            cJSON_AddItemToObject(to, *names, item);
        else
            json_add_null(to, *names);
    }
}

enum MHD_Result answer_no_route(struct client *c, const struct found *found)
{
    cJSON *problem = answer_problem_new(MHD_HTTP_SERVICE_UNAVAILABLE, "no route for %s is eligible under policy %s", found->ranking->model,
                                        found->policy->name);
    json_add_string(problem, "policy", found->policy->name);
    json_add_string(problem, "model", found->ranking->model);
    cJSON *routes = json_add_array(problem, "routes");
    for (size_t i = 0; i < found->ranking->len; i++) {
        const struct table_row *row = &found->ranking->rows[i];
        cJSON *json = json_add_object(routes, NULL);
        json_add_string(json, "platform", row->facts->platform);
        json_add_string(json, "state", route_state_name(row->state));
        json_add_string(json, "reason", route_reason_name(row->reason));
    }
    return answer_problem_json(c, MHD_HTTP_SERVICE_UNAVAILABLE, problem);
}
