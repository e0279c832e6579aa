/* A table (one policy; one model or all) sent piece by piece out of the cache: a head, each ranking's shared bytes, a tail.
 *
 * A reading holds its table, so that it gives one generation from its first byte to its last however long it takes. Each ranking's bytes
 * are made as the reading comes to them: the largest table costs the loop one ranking at a time. It never holds more than one ranking's
 * bytes itself. */
#include "probed/serve/api_parts.h"

#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

#define TEXT_HEAD                                                                                                                          \
    "# policy\tmodel\trank\tplatform\tweight\tstate\tscore\tttft_ms\tavailability\tprice_in\tprice_out\tendpoint\tupstream_model\n"

struct reading {
    struct api *api;
    struct table *table;               /* counted */
    const struct table_policy *policy; /* in table */
    const struct ranking *only;        /* in table; NULL = all */
    enum reading_form form;
    enum { READING_PREFIX, READING_HEAD, READING_RANKINGS, READING_TAIL, READING_SUFFIX, READING_END } stage;
    char *prefix, *suffix;
    struct blob *head;
    size_t next;        /* model of the policy that comes next */
    bool comma;         /* a ranking was given, and another comes */
    struct blob *piece; /* counted; what `at` points into, or NULL */
    const char *at;
    size_t left;
};

/* The JSON of the table without its models, left open for them. */
static struct blob *reading_head_json(struct api *api, const struct table *table, const struct table_policy *policy)
{
    size_t index = (size_t)(policy - table->policies);
    bool current = table == api->table;
    if (current && api->seen[index].head != NULL)
        return blob_ref(api->seen[index].head);
    struct buf text = BUF_INIT;
    cJSON *json = table_head_to_json(table, policy);
    json_print(json, false, &text);
    cJSON_Delete(json);
    text.len--; /* the closing brace */
    buf_add_str(&text, ",\"models\":[");
    struct blob *head = blob_take(&text);
    if (current)
        api->seen[index].head = blob_ref(head);
    return head;
}

struct reading *reading_new(struct api *api, const struct found *found, enum reading_form form, const char *prefix, const char *suffix)
{
    struct reading *r = alloc_zero(1, sizeof *r);
    *r = (struct reading){
        .api = api,
        .table = table_ref(found->table),
        .policy = found->policy,
        .only = found->ranking,
        .form = form,
        .prefix = alloc_string(prefix),
        .suffix = alloc_string(suffix),
    };
    if (form == READING_JSON)
        r->head = reading_head_json(api, found->table, found->policy);
    else {
        struct buf text = BUF_INIT;
        buf_add_str(&text, TEXT_HEAD);
        r->head = blob_take(&text);
    }
    return r;
}

void reading_free(struct reading *r)
{
    if (r == NULL)
        return;
    blob_unref(r->piece);
    blob_unref(r->head);
    free(r->prefix);
    free(r->suffix);
    table_unref(r->table);
    free(r);
}

static struct blob *reading_ranking(const struct reading *r, const struct ranking *ranking)
{
    return r->form == READING_JSON ? cache_json(r->api->cache, ranking) : cache_text(r->api->cache, ranking, r->policy->name);
}

static void reading_span(struct reading *r, const char *at, size_t len)
{
    r->at = at;
    r->left = len;
}

static void reading_next_ranking(struct reading *r)
{
    if (r->comma) {
        r->comma = false;
        reading_span(r, ",", 1);
        return;
    }
    const struct ranking *ranking = r->only;
    if (ranking == NULL)
        ranking = r->next < r->policy->len ? r->policy->rankings[r->next] : NULL;
    else if (r->next > 0)
        ranking = NULL;
    if (ranking == NULL) {
        r->stage = READING_TAIL;
        return;
    }
    r->next++;
    r->comma = r->form == READING_JSON && r->only == NULL && r->next < r->policy->len;
    /* Held: a sweep of the cache may come before the last byte of it is taken. */
    r->piece = blob_ref(reading_ranking(r, ranking));
    reading_span(r, r->piece->data, r->piece->len);
}

/* Moves on to the next bytes, maybe none; at the end, stage is READING_END. */
static void reading_advance(struct reading *r)
{
    blob_unref(r->piece);
    r->piece = NULL;
    switch (r->stage) {
    case READING_PREFIX:
        reading_span(r, r->prefix, strlen(r->prefix));
        r->stage = READING_HEAD;
        break;
    case READING_HEAD:
        reading_span(r, r->head->data, r->head->len);
        r->stage = READING_RANKINGS;
        break;
    case READING_RANKINGS:
        reading_next_ranking(r);
        break;
    case READING_TAIL:
        if (r->form == READING_JSON)
            reading_span(r, "]}", 2);
        r->stage = READING_SUFFIX;
        break;
    case READING_SUFFIX:
        reading_span(r, r->suffix, strlen(r->suffix));
        r->stage = READING_END;
        break;
    case READING_END:
        break;
    }
}

size_t reading_copy(struct reading *r, char *dst, size_t size)
{
    size_t copied = 0;
    while (copied < size) {
        if (r->left == 0) {
            if (r->stage == READING_END)
                break;
            reading_advance(r);
            continue;
        }
        size_t n = r->left < size - copied ? r->left : size - copied;
        memcpy(dst + copied, r->at, n);
        copied += n;
        r->at += n;
        r->left -= n;
    }
    return copied;
}

size_t reading_len(const struct reading *r)
{
    if (r->only == NULL)
        return 0;
    return strlen(r->prefix) + r->head->len + reading_ranking(r, r->only)->len + (r->form == READING_JSON ? 2 : 0) + strlen(r->suffix);
}
