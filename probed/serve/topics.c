/* GET /v1/prices, /v1/spend, /v1/capabilities, /v1/honesty and /v1/forecast: what the daemon knows of money and conduct beside the table.
 *
 * The parameters are checked here and made into one query; what there is to tell is the owner's. A number that cannot be meant, and a name that
 * nobody has, is a problem that says what would be right. */
#include "probed/serve/api_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

#define DAYS_MAX     3650.0
#define REQUESTS_MAX 1e12
#define TOKENS_MAX   1e7

/* -1: not given. False: wrong, *ret_answered is the problem. */
static bool take_number(struct client *c, const char *name, double least, double most, double *ret, enum MHD_Result *ret_answered)
{
    const char *text = dispatch_parameter(c, name);
    int64_t value = 0;
    *ret = -1;
    if (text == NULL)
        return true;
    if (units_parse_decimal(text, 1000, &value) == 0 && (double)value / 1000 >= least && (double)value / 1000 <= most) {
        *ret = (double)value / 1000;
        return true;
    }
    cJSON *problem = answer_problem_new(MHD_HTTP_BAD_REQUEST, "parameter \"%s\" should be a number from %.10g to %.10g, not \"%s\"", name, least,
                                        most, text);
    json_add_string(problem, "parameter", name);
    *ret_answered = answer_problem_json(c, MHD_HTTP_BAD_REQUEST, problem);
    return false;
}

/* With the nearest of the names that there are. */
static enum MHD_Result no_such_name(struct client *c, const struct api_topic_query *query, const char *text)
{
    const struct config *config = c->api->owner.config(c->api->owner.arg);
    size_t most = config->platforms_len > config->models_len ? config->platforms_len : config->models_len, len = 0;
    const char **names = alloc_zero(most + CONFIG_POLICIES_MAX, sizeof *names);
    cJSON *problem = answer_problem_new(MHD_HTTP_NOT_FOUND, "%s", text);
    const char *word = query->policy;
    if (query->platform != NULL && config_find_platform(config, query->platform) == NULL) {
        word = query->platform;
        for (; len < config->platforms_len; len++)
            names[len] = config->platforms[len].name;
    } else if (query->model != NULL && config_find_model(config, query->model) == NULL) {
        word = query->model;
        for (; len < config->models_len; len++)
            names[len] = config->models[len].name;
    } else {
        for (; len < config->policies_len; len++)
            names[len] = config->policies[len].name;
    }
    if (word != NULL)
        find_suggest(problem, word, names, len);
    free(names);
    return answer_problem_json(c, MHD_HTTP_NOT_FOUND, problem);
}

static enum MHD_Result topic_get(struct client *c, enum api_topic topic)
{
    struct api *api = c->api;
    enum MHD_Result answered = MHD_NO;
    double input, output;
    struct api_topic_query query = {
        .platform = dispatch_parameter(c, "platform"),
        .model = dispatch_parameter(c, "model"),
        .policy = dispatch_parameter(c, "policy"),
        .currency = dispatch_parameter(c, "currency"),
    };
    if (!take_number(c, "requests_per_day", 0, REQUESTS_MAX, &query.requests, &answered) ||
        !take_number(c, "days", 1, DAYS_MAX, &query.days, &answered) || !take_number(c, "input", 0, TOKENS_MAX, &input, &answered) ||
        !take_number(c, "output", 0, TOKENS_MAX, &output, &answered))
        return answered;
    query.input = (int64_t)input;
    query.output = (int64_t)output;
    struct err err = {""};
    cJSON *json = NULL;
    int r = api->owner.tell(api->owner.arg, topic, &query, &json, &err);
    if (r == -ENOENT)
        return no_such_name(c, &query, err.text);
    if (r < 0)
        return answer_problem(c, MHD_HTTP_BAD_REQUEST, "%s", err.text);
    return answer_json(c, MHD_HTTP_OK, json);
}

enum MHD_Result prices_get(struct client *c)
{
    return topic_get(c, API_PRICES);
}

enum MHD_Result spend_get(struct client *c)
{
    return topic_get(c, API_SPEND);
}

enum MHD_Result capabilities_get(struct client *c)
{
    return topic_get(c, API_CAPABILITIES);
}

enum MHD_Result honesty_get(struct client *c)
{
    return topic_get(c, API_HONESTY);
}

enum MHD_Result forecast_get(struct client *c)
{
    return topic_get(c, API_FORECAST);
}
