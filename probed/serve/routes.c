/* GET /v1/routes, /v1/routes.txt and /v1/best: the table, and the one row of it that most want. */
#include "probed/serve/api_parts.h"

#include <string.h>

/* What MHD takes of a long answer at a time. */
#define ROUTES_BLOCK ((size_t)16 * 1024)

static ssize_t routes_read(void *arg, uint64_t pos, char *dst, size_t size)
{
    (void)pos;
    size_t n = reading_copy(arg, dst, size);
    return n > 0 ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
}

static void routes_read_done(void *arg)
{
    reading_free(arg);
}

static enum MHD_Result routes_answer(struct client *c, enum reading_form form)
{
    struct found found;
    enum MHD_Result answered = MHD_NO;
    const char *model = dispatch_parameter(c, "model");
    if (!find_ranking(c, dispatch_parameter(c, "policy"), model, &found, &answered))
        return answered;

    char etag[80];
    answer_etag(found.table, c->endpoint->path, found.policy->name, model, etag, sizeof etag);
    bool unchanged = answer_unchanged(c, etag);
    struct MHD_Response *response = NULL;
    if (unchanged)
        response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    else if (c->head && model == NULL)
        response = answer_head_only();
    else {
        struct reading *reading = reading_new(c->api, &found, form, "", form == READING_JSON ? "\n" : "");
        size_t len = reading_len(reading);
        response =
            MHD_create_response_from_callback(len > 0 ? len : MHD_SIZE_UNKNOWN, ROUTES_BLOCK, routes_read, reading, routes_read_done);
        if (response == NULL)
            reading_free(reading);
    }
    if (response == NULL)
        return MHD_NO;
    if (!unchanged)
        MHD_add_response_header(response, "Content-Type", form == READING_JSON ? "application/json" : "text/plain; charset=utf-8");
    MHD_add_response_header(response, "ETag", etag);
    /* To be kept, but asked about each time. */
    MHD_add_response_header(response, "Cache-Control", "no-cache");
    return answer_send(c, unchanged ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response);
}

enum MHD_Result routes_get(struct client *c)
{
    return routes_answer(c, READING_JSON);
}

enum MHD_Result routes_text_get(struct client *c)
{
    return routes_answer(c, READING_TEXT);
}

enum MHD_Result best_get(struct client *c)
{
    struct found found;
    enum MHD_Result answered = MHD_NO;
    const char *model = dispatch_parameter(c, "model");
    if (!find_ranking(c, dispatch_parameter(c, "policy"), model, &found, &answered))
        return answered;
    const struct table_row *best = ranking_best(found.ranking);
    if (best == NULL)
        return answer_no_route(c, &found);

    cJSON *row = row_to_json(best);
    cJSON *json = json_new_object();
    json_add_int(json, "epoch", (int64_t)found.table->epoch);
    json_add_int(json, "generation", (int64_t)found.table->generation);
    json_add_string(json, "policy", found.policy->name);
    json_add_string(json, "model", model);
    row_move(row, json, (const char *const[]){"platform", "title", "upstream_model", "endpoint", "dialect", NULL});
    json_add_string(json, "key_env", best->facts->key_env);
    row_move(row, json, (const char *const[]){"weight", "rank", "state", "score", "flags", NULL});
    json_add_time(json, "valid_until", c->api->owner.valid_until(c->api->owner.arg));
    cJSON_Delete(row);
    return answer_json(c, MHD_HTTP_OK, json);
}
