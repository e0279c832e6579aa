/* Answers: what all of them have in common, and the three sorts of bodies that are made whole (JSON, text, problems). Longer ones come from
 * reading.c.
 *
 * Every answer carries X-Probed-Generation and X-Probed-Valid-Until. Nothing is stored by a cache unless the endpoint set Cache-Control
 * itself (the routes, which have an entity tag). An answer goes out even if the request was bad: cutting the connection (MHD_NO) tells a
 * client nothing, and is left for the case that MHD has no memory. */
#include "probed/serve/api_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probed/core/schedule.h"

#define HEADER_VALUE_MAX 4097 /* a key may have 4,096 bytes */

void answer_header(struct MHD_Response *response, const char *name, const char *value)
{
    char clean[HEADER_VALUE_MAX];
    size_t n = 0;
    for (; value[n] != '\0' && n < sizeof clean - 1; n++)
        clean[n] = (unsigned char)value[n] < 0x20 || value[n] == 0x7f ? '?' : value[n];
    clean[n] = '\0';
    /* An empty value is refused by MHD; the header is then left out. */
    if (n > 0)
        MHD_add_response_header(response, name, clean);
}

void answer_stamp(struct api *api, struct MHD_Response *response)
{
    char text[64];
    snprintf(text, sizeof text, "%" PRIu64 "-%" PRIu64, api->table->epoch, api->table->generation);
    MHD_add_response_header(response, "X-Probed-Generation", text);
    snprintf(text, sizeof text, "%" PRId64, api->owner.valid_until(api->owner.arg) / USEC_PER_SEC);
    MHD_add_response_header(response, "X-Probed-Valid-Until", text);
}

enum MHD_Result answer_send(struct client *c, unsigned status, struct MHD_Response *response)
{
    if (response == NULL)
        return MHD_NO;
    char retry[16];
    api_table(c->api);
    answer_stamp(c->api, response);
    if (MHD_get_response_header(response, "Cache-Control") == NULL)
        MHD_add_response_header(response, "Cache-Control", "no-store");
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE) {
        snprintf(retry, sizeof retry, "%d", API_RETRY_S);
        MHD_add_response_header(response, "Retry-After", retry);
    }
    api_deadline(c, c->api->times.answer);
    enum MHD_Result result = MHD_queue_response(c->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static ssize_t answer_nothing(void *arg, uint64_t pos, char *dst, size_t size)
{
    (void)arg, (void)pos, (void)dst, (void)size;
    return MHD_CONTENT_READER_END_OF_STREAM;
}

struct MHD_Response *answer_head_only(void)
{
    struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 64, answer_nothing, NULL, NULL);
    if (response != NULL)
        MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    return response;
}

static enum MHD_Result answer_body(struct client *c, unsigned status, const char *type, struct buf *body)
{
    size_t len = body->len;
    char *data = buf_take(body);
    struct MHD_Response *response = MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(data);
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", type);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED && c->endpoint != NULL)
        MHD_add_response_header(response, "Allow", strcmp(c->endpoint->method, "GET") == 0 ? "GET, HEAD" : c->endpoint->method);
    return answer_send(c, status, response);
}

enum MHD_Result answer_json(struct client *c, unsigned status, cJSON *json)
{
    struct buf body = BUF_INIT;
    json_print(json, false, &body);
    cJSON_Delete(json);
    buf_add_char(&body, '\n');
    return answer_body(c, status, "application/json", &body);
}

enum MHD_Result answer_text(struct client *c, unsigned status, const char *text)
{
    struct buf body = BUF_INIT;
    buf_add_str(&body, text);
    return answer_body(c, status, "text/plain; charset=utf-8", &body);
}

static cJSON *ATTR_PRINTF(2, 0) problem_new(unsigned status, const char *fmt, va_list ap)
{
    struct buf detail = BUF_CAP(4096);
    buf_vprintf(&detail, fmt, ap);
    cJSON *problem = json_new_object();
    json_add_string(problem, "type", "about:blank");
    json_add_string(problem, "title", MHD_get_reason_phrase_for(status));
    json_add_int(problem, "status", status);
    json_add_string(problem, "detail", buf_str(&detail));
    buf_done(&detail);
    return problem;
}

cJSON *answer_problem_new(unsigned status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    cJSON *problem = problem_new(status, fmt, ap);
    va_end(ap);
    return problem;
}

enum MHD_Result answer_problem_json(struct client *c, unsigned status, cJSON *problem)
{
    struct buf body = BUF_INIT;
    json_print(problem, false, &body);
    cJSON_Delete(problem);
    buf_add_char(&body, '\n');
    return answer_body(c, status, "application/problem+json", &body);
}

enum MHD_Result answer_problem(struct client *c, unsigned status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    cJSON *problem = problem_new(status, fmt, ap);
    va_end(ap);
    return answer_problem_json(c, status, problem);
}

void answer_etag(const struct table *table, const char *path, const char *policy, const char *model, char *ret, size_t size)
{
    char query[64 + 2 * API_NAME_MAX + 8];
    /* A separator that no name may hold, so that no two queries look alike. */
    snprintf(query, sizeof query, "%s\n%s\n%s", path, policy, model != NULL ? model : "");
    snprintf(ret, size, "\"%" PRIu64 "-%" PRIu64 "-%08" PRIx32 "\"", table->epoch, table->generation, (uint32_t)schedule_hash(query));
}

bool answer_unchanged(struct client *c, const char *etag)
{
    const char *given = MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, "If-None-Match");
    size_t len = strlen(etag);
    if (given == NULL)
        return false;
    /* A list of tags, each maybe weak (W/"..."), or "*": compared weakly, as RFC 9110 has it for this header. A tag holds no quote. */
    for (const char *p = given; *p != '\0';) {
        p += strspn(p, " \t,");
        if (*p == '*')
            return true;
        if (strncmp(p, "W/", 2) == 0)
            p += 2;
        if (*p != '"')
            return false; /* not a list of tags: as if it were not there */
        if (strncmp(p, etag, len) == 0)
            return true;
        const char *end = strchr(p + 1, '"');
        if (end == NULL)
            return false;
        p = end + 1;
    }
    return false;
}
