/* GET /v1/status, the daemon about itself, and GET /healthz, whether its table may be relied on. */
#include "probed/serve/api_parts.h"

enum MHD_Result status_get(struct client *c)
{
    struct api *api = c->api;
    cJSON *json = api->owner.status(api->owner.arg);
    struct api_stats stats = api_stats(api);
    json_add_int(json, "clients", stats.clients);
    json_add_int(json, "watchers", stats.watchers);
    json_add_int(json, "requests", (int64_t)stats.requests);
    json_add_int(json, "refused", (int64_t)stats.refused);
    return answer_json(c, MHD_HTTP_OK, json);
}

enum MHD_Result healthz_get(struct client *c)
{
    struct api *api = c->api;
    if (api->owner.valid_until(api->owner.arg) <= loop_wall(api->loop))
        return answer_text(c, MHD_HTTP_SERVICE_UNAVAILABLE, "stale\n");
    return answer_text(c, MHD_HTTP_OK, "ok\n");
}
