/* The writes: POST /v1/override, /v1/reload, /v1/probe. Each asks the owner and answers when it is done; nothing is changed in here. */
#include "probed/serve/api_parts.h"

#include <errno.h>
#include <string.h>

/* What the owner's refusal means to a client. */
static enum MHD_Result command_refused(struct client *c, int code, const struct err *err)
{
    unsigned status = MHD_HTTP_INTERNAL_SERVER_ERROR;
    if (code == -ENOENT)
        status = MHD_HTTP_NOT_FOUND;
    else if (code == -EINVAL)
        status = MHD_HTTP_BAD_REQUEST;
    else if (code == -EBUSY)
        status = MHD_HTTP_SERVICE_UNAVAILABLE;
    return answer_problem(c, status, "%s", err->text[0] != '\0' ? err->text : strerror(-code));
}

enum MHD_Result override_post(struct client *c)
{
    struct api *api = c->api;
    struct api_override o;
    struct err err = {.text = ""};
    enum MHD_Result answered = MHD_NO;
    if (override_parse(buf_str(&c->body), c->body.len, loop_wall(api->loop), &o, &err) < 0)
        return answer_problem(c, MHD_HTTP_BAD_REQUEST, "%s", err.text);
    if (!find_route(c, o.platform, o.model[0] != '\0' ? o.model : NULL, &answered))
        return answered;
    roles_describe(c, o.by, sizeof o.by);
    int code = api->owner.override(api->owner.arg, &o, &err);
    if (code < 0)
        return command_refused(c, code, &err);
    return answer_json(c, MHD_HTTP_OK, override_to_json(&o));
}

enum MHD_Result reload_post(struct client *c)
{
    struct api *api = c->api;
    struct buf messages CLEANUP(buf_done) = BUF_CAP(API_BODY_MAX);
    struct err err = {.text = ""};
    if (c->body.len > 0) { /* an empty object, or nothing at all */
        cJSON *json = json_parse(buf_str(&c->body), c->body.len, &err);
        bool empty = cJSON_IsObject(json) && json->child == NULL;
        cJSON_Delete(json);
        if (!empty)
            return answer_problem(c, MHD_HTTP_BAD_REQUEST, "the body of a reload is {} or nothing");
    }
    int code = api->owner.reload(api->owner.arg, &messages);
    if (code < 0) {
        cJSON *problem = answer_problem_new(MHD_HTTP_UNPROCESSABLE_CONTENT, "the new configuration is not right; the old one stays");
        json_add_string(problem, "messages", buf_str(&messages));
        return answer_problem_json(c, MHD_HTTP_UNPROCESSABLE_CONTENT, problem);
    }
    cJSON *json = json_new_object();
    json_add_bool(json, "ok", true);
    if (messages.len > 0) /* warnings */
        json_add_string(json, "messages", buf_str(&messages));
    return answer_json(c, MHD_HTTP_OK, json);
}

enum MHD_Result probe_post(struct client *c)
{
    struct api *api = c->api;
    char platform[64], model[128];
    struct err err = {.text = ""};
    enum MHD_Result answered = MHD_NO;
    int kind = -1;
    if (override_parse_probe(buf_str(&c->body), c->body.len, platform, model, &kind, &err) < 0)
        return answer_problem(c, MHD_HTTP_BAD_REQUEST, "%s", err.text);
    if (!find_route(c, platform, model[0] != '\0' ? model : NULL, &answered))
        return answered;
    int code = api->owner.probe(api->owner.arg, platform, model, kind, &err);
    if (code < 0)
        return command_refused(c, code, &err);
    cJSON *json = json_new_object();
    json_add_bool(json, "ok", true);
    json_add_string(json, "platform", platform);
    json_add_string(json, "model", model[0] != '\0' ? model : NULL);
    json_add_string(json, "kind", kind >= 0 ? probe_kind_name((enum probe_kind)kind) : NULL);
    return answer_json(c, MHD_HTTP_ACCEPTED, json);
}
