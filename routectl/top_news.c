/* Reading status and events. Both come from the daemon and hold words of relays: kept as they are, made safe where they are shown.
 *
 * A daemon without a store has no events. Then what can be seen in the tables stands in for them: a state or a first place that changed. */
#include "routectl/top_news.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routectl/fields.h"
#include "shared/alloc.h"
#include "shared/text.h"

/* Of a sentence no more can be shown anyway. */
#define TEXT_MAX 512

static void names_done(struct top_name *names, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        free(names[i].name);
        free(names[i].about);
    }
    free(names);
}

void top_status_done(struct top_status *status)
{
    names_done(status->policies, status->policies_len);
    names_done(status->models, status->models_len);
    memset(status, 0, sizeof *status);
}

/* Of an array of strings, or of objects with the members `name` and `about`. */
static struct top_name *read_names(const cJSON *array, const char *name, const char *about, size_t *ret_len)
{
    int most = cJSON_IsArray(array) ? cJSON_GetArraySize(array) : 0;
    struct top_name *names = alloc_zero(most > 0 ? (size_t)most : 1, sizeof *names);
    size_t len = 0;
    const cJSON *item;

    cJSON_ArrayForEach(item, array)
    {
        const char *s = name ? json_string(item, name) : cJSON_GetStringValue(item);
        const char *more = about ? json_string(item, about) : NULL;
        if (!s || len >= TOP_NAMES_MAX)
            continue;
        names[len++] = (struct top_name){.name = alloc_string(s), .about = more ? alloc_string(more) : NULL};
    }
    *ret_len = len;
    return names;
}

static void read_word(char *ret, size_t size, const cJSON *json, const char *path)
{
    const char *s = json_string(json, path);
    text_copy(ret, size, s ? s : "", s ? strlen(s) : 0);
}

void top_status_read(struct top_status *ret, const cJSON *json)
{
    char state[32] = "";

    top_status_done(ret);
    ret->known = true;
    read_word(ret->version, sizeof ret->version, json, "version");
    read_word(ret->vantage, sizeof ret->vantage, json, "vantage");
    read_word(ret->currency, sizeof ret->currency, json, "currency");
    read_word(ret->default_policy, sizeof ret->default_policy, json, "default_policy");
    read_word(state, sizeof state, json, "store.state");
    if (state[0] && strcmp(state, "ok") != 0 && strcmp(state, "off") != 0)
        read_word(ret->store, sizeof ret->store, json, json_string(json, "store.text") ? "store.text" : "store.state");
    ret->limit = field_number(json, "budget.limit_per_day");
    ret->spent = field_number(json, "budget.spent");
    ret->left = field_number(json, "budget.left");
    if (!json_int(json, "probes.in_flight", &ret->in_flight))
        ret->in_flight = -1;
    ret->policies = read_names(json_at(json, "policies"), "policy", "about", &ret->policies_len);
    ret->models = read_names(json_at(json, "models"), NULL, NULL, &ret->models_len);
}

/* --- events ----------------------------------------------------------------------------------------------------------- */

static void event_done(struct top_event *event)
{
    free(event->text);
    free(event->policy);
    free(event->model);
}

void top_events_done(struct top_events *events)
{
    for (size_t i = 0; i < events->len; i++)
        event_done(&events->items[i]);
    events->len = 0;
}

static struct top_event *add(struct top_events *events, usec_t at, enum style style, char sign, const char *text)
{
    if (events->len == TOP_EVENTS_MAX) {
        event_done(&events->items[0]);
        memmove(events->items, events->items + 1, (TOP_EVENTS_MAX - 1) * sizeof *events->items);
        events->len--;
    }
    struct buf shown CLEANUP(buf_done) = BUF_INIT;
    text_escape_terminal(&shown, text, strlen(text), TEXT_MAX);
    events->items[events->len] = (struct top_event){.at = at, .style = style, .sign = sign, .text = buf_take(&shown)};
    return &events->items[events->len++];
}

static void add_told(struct top_events *events, const cJSON *event)
{
    const char *level = json_string(event, "level"), *text = json_string(event, "text"), *name = json_string(event, "name");
    bool bad = level && (strcmp(level, "err") == 0 || strcmp(level, "error") == 0);
    bool warning = level && strcmp(level, "warning") == 0;
    double at = field_number(event, "at");

    struct top_event *added = add(events, isfinite(at) && at > 0 && at < 1e11 ? (usec_t)llround(at * 1e6) : 0,
                                  bad       ? STYLE_BAD
                                  : warning ? STYLE_WARN
                                            : STYLE_PLAIN,
                                  bad       ? '!'
                                  : warning ? '*'
                                            : ' ',
                                  text   ? text
                                  : name ? name
                                         : "?");
    const char *policy = json_string(event, "policy"), *model = json_string(event, "model");
    added->policy = policy && policy[0] ? alloc_string(policy) : NULL;
    added->model = model && model[0] ? alloc_string(model) : NULL;
}

bool top_event_concerns(const struct top_event *event, const char *policy, const char *model)
{
    return (!event->policy || !policy[0] || strcmp(event->policy, policy) == 0) &&
           (!event->model || !model[0] || strcmp(event->model, model) == 0);
}

bool top_events_tell(struct top_events *events, const cJSON *json)
{
    const cJSON *list = json_at(json, "events"), *event;
    int64_t next;
    bool any = false;

    if (!cJSON_IsArray(list))
        return false;
    if (!events->told) {
        top_events_done(events);
        events->told = any = true;
    }
    cJSON_ArrayForEach(event, list)
    {
        add_told(events, event);
        any = true;
    }
    if (json_int(json, "next", &next) && next >= 0)
        events->after = next;
    return any;
}

static const struct table_row *row_of(const struct ranking *ranking, const char *platform)
{
    for (size_t i = 0; i < ranking->len; i++) {
        if (strcmp(ranking->rows[i].facts->platform, platform) == 0)
            return &ranking->rows[i];
    }
    return NULL;
}

static bool see_ranking(struct top_events *events, const struct ranking *before, const struct ranking *after, usec_t now)
{
    const struct table_row *was_first = ranking_best(before), *first = ranking_best(after);
    char text[TEXT_MAX];
    bool any = false;

    for (size_t i = 0; i < after->len; i++) {
        const struct table_row *row = &after->rows[i], *old = row_of(before, row->facts->platform);
        if (!old || old->state == row->state)
            continue;
        bool worse = row->state > old->state;
        snprintf(text, sizeof text, "%s/%s: %s, was %s", row->facts->platform, after->model, route_state_name(row->state),
                 route_state_name(old->state));
        add(events, now, worse ? STYLE_WARN : STYLE_GOOD, worse ? '*' : ' ', text);
        any = true;
    }
    if (first && was_first && strcmp(first->facts->platform, was_first->facts->platform) != 0) {
        snprintf(text, sizeof text, "%s: %s gets the most now, was %s", after->model, first->facts->platform, was_first->facts->platform);
        add(events, now, STYLE_PLAIN, ' ', text);
        any = true;
    }
    return any;
}

bool top_events_see(struct top_events *events, const struct table *before, const struct table *after, usec_t now)
{
    bool any = false;

    if (events->told || !before || before->len == 0 || after->len == 0 || strcmp(before->policies[0].name, after->policies[0].name) != 0)
        return false;
    for (size_t m = 0; m < after->policies[0].len; m++) {
        const struct ranking *ranking = after->policies[0].rankings[m];
        const struct ranking *old = table_policy_find(&before->policies[0], ranking->model);
        if (old && see_ranking(events, old, ranking, now))
            any = true;
    }
    return any;
}
