/* A request against the table of endpoints, in this order: caps, path, method, parameters, role, body. Each step that fails answers with a
 * problem that names what is wrong; the handler runs last, with all of it checked.
 *
 * MHD calls dispatch_request at least twice for a request: when the headers are in (an answer queued then would close the connection after
 * it, which is only wanted when a body is refused unread), then for each piece of the body, and at last with no data. A GET's body is read
 * and means nothing. */
#include "probed/serve/api_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/alloc.h"
#include "shared/text.h"

struct parameter_check {
    struct client *c;
    enum { PARAMETER_FINE, PARAMETER_UNKNOWN, PARAMETER_TWICE, PARAMETER_EMPTY, PARAMETER_LONG, PARAMETER_BYTES } wrong;
    const char *name;
    size_t max;
};

static enum MHD_Result parameter_take(void *arg, enum MHD_ValueKind kind, const char *key, size_t key_len, const char *value,
                                      size_t value_len)
{
    struct parameter_check *check = arg;
    struct client *c = check->c;
    (void)kind;
    size_t i = 0;
    for (; i < API_PARAMETERS_MAX && c->endpoint->parameters[i].name != NULL; i++)
        if (strcmp(c->endpoint->parameters[i].name, key) == 0)
            break;
    check->name = key;
    if (i == API_PARAMETERS_MAX || c->endpoint->parameters[i].name == NULL || strlen(key) != key_len)
        check->wrong = PARAMETER_UNKNOWN;
    else if (c->endpoint->parameters[i].many ? c->many_len == API_MANY_MAX : c->parameters[i] != NULL)
        check->wrong = PARAMETER_TWICE;
    else if (value == NULL || value_len == 0)
        check->wrong = PARAMETER_EMPTY;
    else if (value_len > c->endpoint->parameters[i].max) {
        check->wrong = PARAMETER_LONG;
        check->max = c->endpoint->parameters[i].max;
    } else if (strlen(value) != value_len || !text_is_utf8(value, value_len))
        check->wrong = PARAMETER_BYTES;
    else {
        if (c->endpoint->parameters[i].many)
            c->many[c->many_len++] = value;
        c->parameters[i] = value;
    }
    return check->wrong == PARAMETER_FINE ? MHD_YES : MHD_NO;
}

static enum MHD_Result parameter_problem(struct client *c, const struct parameter_check *check)
{
    char name[64];
    text_copy(name, sizeof name, check->name, strlen(check->name));
    cJSON *problem = NULL;
    switch (check->wrong) {
    case PARAMETER_TWICE:
        if (c->many_len > 0 && dispatch_parameter(c, name) == c->many[c->many_len - 1])
            problem = answer_problem_new(MHD_HTTP_BAD_REQUEST, "parameter \"%s\" is given more than %d times", name, API_MANY_MAX);
        else
            problem = answer_problem_new(MHD_HTTP_BAD_REQUEST, "parameter \"%s\" is given more than once", name);
        break;
    case PARAMETER_EMPTY:
        problem = answer_problem_new(MHD_HTTP_BAD_REQUEST, "parameter \"%s\" has no value", name);
        break;
    case PARAMETER_LONG:
        problem = answer_problem_new(MHD_HTTP_BAD_REQUEST, "parameter \"%s\" is longer than %zu bytes", name, check->max);
        break;
    case PARAMETER_BYTES:
        problem = answer_problem_new(MHD_HTTP_BAD_REQUEST, "parameter \"%s\" is not UTF-8 text", name);
        break;
    default:
        problem = answer_problem_new(MHD_HTTP_BAD_REQUEST, "%s does not take a parameter \"%s\"", c->endpoint->path, name);
        break;
    }
    json_add_string(problem, "parameter", name);
    if (check->wrong == PARAMETER_UNKNOWN) {
        cJSON *known = json_add_array(problem, "parameters");
        for (size_t i = 0; i < API_PARAMETERS_MAX && c->endpoint->parameters[i].name != NULL; i++)
            json_add_string(known, NULL, c->endpoint->parameters[i].name);
    }
    return answer_problem_json(c, MHD_HTTP_BAD_REQUEST, problem);
}

static bool parameters_check(struct client *c, enum MHD_Result *ret_answered)
{
    struct parameter_check check = {.c = c};
    MHD_get_connection_values_n(c->connection, MHD_GET_ARGUMENT_KIND, parameter_take, &check);
    if (check.wrong != PARAMETER_FINE) {
        *ret_answered = parameter_problem(c, &check);
        return false;
    }
    for (size_t i = 0; i < API_PARAMETERS_MAX && c->endpoint->parameters[i].name != NULL; i++)
        if (c->endpoint->parameters[i].required && c->parameters[i] == NULL) {
            const char *name = c->endpoint->parameters[i].name;
            cJSON *problem = answer_problem_new(MHD_HTTP_BAD_REQUEST, "%s needs the parameter \"%s\"", c->endpoint->path, name);
            json_add_string(problem, "parameter", name);
            *ret_answered = answer_problem_json(c, MHD_HTTP_BAD_REQUEST, problem);
            return false;
        }
    return true;
}

const char *dispatch_parameter(const struct client *c, const char *name)
{
    for (size_t i = 0; i < API_PARAMETERS_MAX && c->endpoint->parameters[i].name != NULL; i++)
        if (strcmp(c->endpoint->parameters[i].name, name) == 0)
            return c->parameters[i];
    return NULL;
}

static enum MHD_Result no_such_path(struct client *c, const char *url)
{
    char path[128];
    const char **paths = alloc_zero(endpoint_table_len, sizeof *paths);
    text_copy(path, sizeof path, url, strlen(url));
    for (size_t i = 0; i < endpoint_table_len; i++)
        paths[i] = endpoint_table[i].path;
    cJSON *problem = answer_problem_new(MHD_HTTP_NOT_FOUND, "there is no %s", path);
    find_suggest(problem, path, paths, endpoint_table_len);
    cJSON *all = json_add_array(problem, "endpoints");
    for (size_t i = 0; i < endpoint_table_len; i++)
        json_add_string(all, NULL, paths[i]);
    free(paths);
    return answer_problem_json(c, MHD_HTTP_NOT_FOUND, problem);
}

static bool method_allowed(const struct endpoint *endpoint, const char *method)
{
    return strcmp(endpoint->method, method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(endpoint->method, "GET") == 0);
}

static enum MHD_Result refuse_role(struct client *c)
{
    char who[64];
    roles_describe(c, who, sizeof who);
    c->api->refused++;
    bool two = (c->endpoint->role & ROLE_REPORTER) != 0 && c->endpoint->role != ROLE_REPORTER;
    cJSON *problem = answer_problem_new(MHD_HTTP_FORBIDDEN, "%s is for the role %s%s, which %s does not have", c->endpoint->path,
                                        two ? "reporter or " : "", role_name(two ? ROLE_ADMIN : c->endpoint->role), who);
    json_add_string(problem, "role", role_name(two ? ROLE_ADMIN : c->endpoint->role));
    return answer_problem_json(c, MHD_HTTP_FORBIDDEN, problem);
}

/* Beyond the cap: admins are served out of the reserve, so that a crowd cannot lock them out. */
static bool client_beyond_cap(struct client *c)
{
    const struct config *config = c->api->owner.config(c->api->owner.arg);
    size_t clients = c->api->connections - c->api->watchers_len;
    if (!c->over || clients <= (size_t)(config->clients > 0 ? config->clients : 0)) {
        c->over = false;
        return false;
    }
    return (roles_of(c) & ROLE_ADMIN) == 0;
}

/* The checks that need no body. True, or *ret_answered. */
static bool request_check(struct client *c, const char *url, const char *method, enum MHD_Result *ret_answered)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (client_beyond_cap(c)) {
        c->api->refused++;
        *ret_answered = answer_problem(c, MHD_HTTP_SERVICE_UNAVAILABLE, "too many clients are connected");
    } else if (c->url_len > API_URL_MAX)
        *ret_answered = answer_problem(c, MHD_HTTP_URI_TOO_LONG, "the URL is longer than %zu bytes", API_URL_MAX);
    else if (info != NULL && info->header_size > API_HEADERS_MAX)
        *ret_answered =
            answer_problem(c, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, "the request's headers are longer than %zu bytes", API_HEADERS_MAX);
    else {
        for (size_t i = 0; i < endpoint_table_len; i++)
            if (strcmp(endpoint_table[i].path, url) == 0) {
                c->endpoint = &endpoint_table[i];
                break;
            }
        if (c->endpoint == NULL)
            *ret_answered = no_such_path(c, url);
        else if (!method_allowed(c->endpoint, method))
            *ret_answered =
                answer_problem(c, MHD_HTTP_METHOD_NOT_ALLOWED, "%s is read or written with %s", c->endpoint->path, c->endpoint->method);
        else if (!parameters_check(c, ret_answered))
            return false;
        else if (c->endpoint->role != 0 && (roles_of(c) & (unsigned)c->endpoint->role) == 0)
            *ret_answered = refuse_role(c);
        else
            return true;
    }
    return false;
}

/* Would the body be refused anyway? Then it is answered before it is sent. */
static bool body_announced_too_large(struct client *c)
{
    const char *length = MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, "Content-Length");
    return length != NULL && strtoull(length, NULL, 10) > API_BODY_MAX;
}

static enum MHD_Result refuse_body(struct client *c)
{
    return answer_problem(c, MHD_HTTP_CONTENT_TOO_LARGE, "the body is longer than %zu bytes", API_BODY_MAX);
}

static void body_take(struct client *c, const char *data, size_t len)
{
    c->body.cap = API_BODY_MAX;
    if (!c->body_over)
        buf_add(&c->body, data, len);
    if (c->body.full) {
        c->body_over = true;
        buf_done(&c->body);
    }
}

enum MHD_Result dispatch_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                 const char *upload_data, size_t *upload_data_size, void **con_cls)
{
    struct client *c = *con_cls;
    enum MHD_Result answered = MHD_NO;
    (void)arg;
    (void)connection;
    (void)version;
    if (c == NULL)
        return MHD_NO;
    if (c->asking != NULL)
        return asking_answer(c);
    if (!c->begun) {
        c->begun = true;
        c->head = strcmp(method, "HEAD") == 0;
        c->api->requests++;
        return body_announced_too_large(c) ? refuse_body(c) : MHD_YES;
    }
    if (*upload_data_size > 0) {
        body_take(c, upload_data, *upload_data_size);
        *upload_data_size = 0;
        return MHD_YES; /* MHD lets nothing be queued until the body is in; the connection's deadline bounds an endless one */
    }
    if (!request_check(c, url, method, &answered))
        return answered;
    if (c->body_over)
        return refuse_body(c);
    return c->endpoint->handle(c);
}

void dispatch_done(struct client *c)
{
    asking_free(c->asking);
    c->begun = false;
    c->endpoint = NULL;
    c->url_len = 0;
    memset(c->parameters, 0, sizeof c->parameters);
    c->many_len = 0;
    if (c->body.data != NULL)
        buf_done(&c->body);
    c->body_over = false;
}
