/* A platform's list of models as a sorted set of ids.
 *
 * Shapes that are understood, by what they hold and not by who sends them:
 *
 *     {"object":"list","data":[{"id":...},...]}                    OpenAI, one-api, SiliconFlow, OpenRouter (also canonical_slug)
 *     {"success":true,"data":[{"id":...}],"object":"list"}         new-api; {"success":false,"message"} under 200 is its error
 *     {"data":[{"type":"model","id"}],"has_more":true,...}         Anthropic, in pages
 *     {"models":[{"name":"models/gemini-..."}],"nextPageToken"}    Gemini
 *     {"data":[{"model_id":...}]}, {"data":[{"model_name":...}]}   AIHubMix's and new-api's public lists
 *     [{"id":...}], ["id",...], {"data":["id",...]}                others
 *
 * Ids are kept in one arena, folded to lower case, sorted, duplicates dropped: a look-up is a binary search. An id longer than ID_MAX is no
 * id. The parsed tree lives only inside models_list_parse. */
#include <stdlib.h>
#include <string.h>

#include "probed/probe/models.h"
#include "shared/alloc.h"

#define ID_MAX ((size_t)512)

struct models_list {
    char *names; /* the arena: lower-case ids, each with its NUL */
    const char **sorted;
    size_t len;
    bool partial;
};

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Gemini's ids carry their collection. */
static const char *bare_id(const char *id)
{
    return strncmp(id, "models/", 7) == 0 ? id + 7 : id;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const cJSON *first_array(const cJSON *json)
{
    static const char *const names[] = {"data", "models", "result"};
    if (cJSON_IsArray(json))
        return json;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const cJSON *found = cJSON_GetObjectItemCaseSensitive(json, names[i]);
        if (cJSON_IsArray(found))
            return found;
        if (cJSON_IsObject(found))
            for (size_t j = 0; j < ARRAY_LEN(names); j++)
                if (cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(found, names[j])))
                    return cJSON_GetObjectItemCaseSensitive(found, names[j]);
    }
    return NULL;
}

/* The ids that an entry goes by; NULL where there is none. */
#define ENTRY_IDS 2
static void entry_ids(const cJSON *entry, const char *ret[ENTRY_IDS])
{
    static const char *const names[] = {"id", "model_id", "model_name", "model", "name"};
    ret[0] = cJSON_IsString(entry) ? entry->valuestring : NULL;
    for (size_t i = 0; i < ARRAY_LEN(names) && !ret[0]; i++)
        ret[0] = json_string(entry, names[i]);
    ret[1] = json_string(entry, "canonical_slug");
    for (size_t i = 0; i < ENTRY_IDS; i++)
        if (ret[i] && (!ret[i][0] || strlen(ret[i]) > ID_MAX))
            ret[i] = NULL;
}

static bool more_pages(const cJSON *json)
{
    bool more = false;
    const char *token = json_string(json, "nextPageToken");
    return (json_bool(json, "has_more", &more) && more) || (token && token[0]);
}

static struct models_list *build(const cJSON *array)
{
    struct models_list *list = alloc_zero(1, sizeof *list);
    struct buf arena = BUF_INIT; /* its cap is as good as MODELS_MAX: what does not fit makes the list partial */
    size_t entries = 0;
    const char *ids[ENTRY_IDS];
    for (const cJSON *entry = array->child; entry && !list->partial; entry = entry->next) {
        entry_ids(entry, ids);
        for (size_t i = 0; i < ENTRY_IDS; i++) {
            if (!ids[i])
                continue;
            const char *id = bare_id(ids[i]);
            if (!*id)
                continue;
            buf_add(&arena, id, strlen(id) + 1);
            list->partial |= arena.full || ++entries == MODELS_MAX;
        }
    }
    list->names = buf_take(&arena);
    list->sorted = alloc_zero(entries + 1, sizeof *list->sorted);
    char *p = list->names;
    for (size_t i = 0; i < entries; i++) {
        list->sorted[i] = p;
        for (; *p; p++)
            *p = fold(*p);
        p++;
    }
    qsort(list->sorted, entries, sizeof *list->sorted, compare);
    for (size_t i = 0; i < entries; i++)
        if (list->len == 0 || strcmp(list->sorted[list->len - 1], list->sorted[i]) != 0)
            list->sorted[list->len++] = list->sorted[i];
    return list;
}

struct classification models_list_parse(int status, const char *content_type, const char *body, size_t len, struct models_list **ret)
{
    struct classification c = {.outcome = outcome_make(STAGE_DONE, OUTCOME_OK, status), .refused = PARAMETER_NONE};
    *ret = NULL;
    CLEANUP(json_deletep) cJSON *json = json_parse(body, len, NULL);
    if (!json)
        return classify_not_json(status, content_type, body, len);
    if (classify_json(json, STAGE_FIRST, status, &c))
        return c;
    const cJSON *array = first_array(json);
    if (!array)
        return classify_not_json(status, content_type, body, len);
    *ret = build(array);
    (*ret)->partial |= more_pages(json);
    return c;
}

void models_list_free(struct models_list *list)
{
    if (!list)
        return;
    free(list->names);
    free(list->sorted);
    free(list);
}

size_t models_list_len(const struct models_list *list)
{
    return list->len;
}

bool models_list_partial(const struct models_list *list)
{
    return list->partial;
}

bool models_list_has(const struct models_list *list, const char *id)
{
    char key[ID_MAX + 1];
    size_t n = 0;
    for (id = bare_id(id); *id && n < ID_MAX; id++)
        key[n++] = fold(*id);
    key[n] = '\0';
    const char *wanted = key;
    return list->partial || (!*id && bsearch(&wanted, list->sorted, list->len, sizeof wanted, compare));
}
