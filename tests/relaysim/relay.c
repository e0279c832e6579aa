/* The simulated relays.
 *
 * A relay is some 250 bytes: what can be shared (default behaviour, model lists) is shared by reference, so that thousands fit in one
 * process. Relays are never freed before the end, only marked as removed, since records and connections point at them. Found by name
 * through a hash table. */
#include "tests/relaysim/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/json.h"
#include "shared/text.h"
#include "tests/relaysim/account.h"

#define MODELS_MAX 10000

static const char *const family_names[] = {
#define X(id, name) name,
    FAMILY_TABLE(X)
#undef X
};

const char *family_name(enum family family)
{
    return family_names[family];
}

/* --- model lists -------------------------------------------------------------------------------------------------- */

static void model_list_unref(struct model_list *list)
{
    if (!list || --list->refs)
        return;
    for (size_t i = 0; i < list->len; i++)
        free(list->names[i]);
    free(list);
}

static bool model_list_equal(const struct model_list *a, const struct model_list *b)
{
    if (!a || !b || a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++)
        if (strcmp(a->names[i], b->names[i]) != 0)
            return false;
    return true;
}

int relay_set_models(struct relays *r, struct relay *relay, const cJSON *json, struct err *err)
{
    struct model_list *list = NULL;
    if (json && !cJSON_IsNull(json)) {
        int len = cJSON_GetArraySize(json);
        if (!cJSON_IsArray(json) || len > MODELS_MAX)
            return err_set(err, -EINVAL, "models: a list of at most %d names is wanted", MODELS_MAX);
        list = alloc_zero(1, sizeof *list + (size_t)len * sizeof *list->names);
        list->refs = 1;
        for (const cJSON *item = json->child; item; item = item->next) {
            if (!cJSON_IsString(item) || !*item->valuestring) {
                model_list_unref(list);
                return err_set(err, -EINVAL, "models: a list of names is wanted");
            }
            list->names[list->len++] = alloc_string(item->valuestring);
        }
        if (model_list_equal(list, r->last_models)) {
            model_list_unref(list);
            list = r->last_models;
        } else {
            model_list_unref(r->last_models);
            r->last_models = list;
        }
        list->refs++;
    }
    model_list_unref(relay->models);
    relay->models = list;
    return 0;
}

static bool in_comma_list(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = list; p && *p; p = strchr(p, ','), p = p ? p + 1 : NULL)
        if (strncmp(p, name, len) == 0 && (p[len] == ',' || !p[len]))
            return true;
    return false;
}

bool relay_has_model(const struct relay *relay, const char *model)
{
    if (in_comma_list(relay->behaviour->models_without, model))
        return false;
    for (size_t i = 0; relay->models && i < relay->models->len; i++)
        if (strcmp(relay->models->names[i], model) == 0)
            return true;
    return !relay->models;
}

/* --- behaviour ---------------------------------------------------------------------------------------------------- */

static struct model_behaviour *find_model_behaviour(const struct relay *relay, const char *model)
{
    for (struct model_behaviour *m = model ? relay->by_model : NULL; m; m = m->next)
        if (strcmp(m->model, model) == 0)
            return m;
    return NULL;
}

struct behaviour *relay_behaviour(const struct relay *relay, const char *model)
{
    struct model_behaviour *m = find_model_behaviour(relay, model);
    return m ? m->behaviour : relay->behaviour;
}

int relay_set(struct relay *relay, const char *model, const cJSON *json, struct err *err)
{
    struct model_behaviour *m = find_model_behaviour(relay, model);
    struct behaviour *made = behaviour_merge(m ? m->behaviour : relay->behaviour, json, err);
    if (!made)
        return -EINVAL;
    if (cJSON_GetObjectItemCaseSensitive(json, "credit") || cJSON_GetObjectItemCaseSensitive(json, "credit_requests")) {
        relay->credit_used = 0;
        relay->credit_requests_used = 0;
    }
    if (model && !m) {
        size_t size = strlen(model) + 1;
        m = alloc_zero(1, sizeof *m + size);
        memcpy(m->model, model, size);
        m->next = relay->by_model;
        relay->by_model = m;
    }
    struct behaviour **place = m ? &m->behaviour : &relay->behaviour;
    behaviour_unref(*place);
    *place = made;
    if (!model)
        account_apply(relay, json);
    return 0;
}

static void forget_models(struct relay *relay)
{
    for (struct model_behaviour *m; (m = relay->by_model);) {
        relay->by_model = m->next;
        behaviour_unref(m->behaviour);
        free(m);
    }
}

void relay_reset(struct relays *r, struct relay *relay)
{
    forget_models(relay);
    behaviour_unref(relay->behaviour);
    relay->behaviour = behaviour_ref(r->behaviour);
    relay->failing = false;
    relay->rate_left = relay->credit_used = 0;
    relay->rate_at = 0;
    relay->credit_requests_used = 0;
    account_free(relay->account);
    relay->account = NULL;
    free(relay->last_answer);
    relay->last_answer = NULL;
}

static void replace(char **text, const char *with)
{
    char *copy = with ? alloc_string(with) : NULL;
    free(*text);
    *text = copy;
}

void relay_set_key(struct relay *relay, const char *key)
{
    replace(&relay->key, key);
}

void relay_set_secrets(struct relay *relay, const cJSON *json)
{
    const struct {
        const char *name;
        char **text;
    } secrets[] = {{"key", &relay->key},
                   {"access_token", &relay->access_token},
                   {"management_key", &relay->management_key},
                   {"user_id", &relay->user_id}};
    char number[32]; /* user_id may be one */
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
        if (cJSON_HasObjectItem(json, secrets[i].name))
            replace(secrets[i].text, cJSON_IsString(cJSON_GetObjectItemCaseSensitive(json, secrets[i].name))
                                         ? json_string(json, secrets[i].name)
                                         : json_text(json, secrets[i].name, number, sizeof number));
}

/* --- the registry ------------------------------------------------------------------------------------------------- */

static uint64_t hash_name(const char *name, size_t len)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)name[i]) * 0x100000001b3u;
    return h;
}

void relays_init(struct relays *r, uint64_t seed)
{
    *r = (struct relays){.behaviour = behaviour_default(), .seed = seed};
}

void relays_done(struct relays *r)
{
    for (size_t i = 0; i < r->len; i++) {
        struct relay *relay = r->all[i];
        forget_models(relay);
        behaviour_unref(relay->behaviour);
        model_list_unref(relay->models);
        account_free(relay->account);
        free(relay->last_answer);
        free(relay->access_token);
        free(relay->management_key);
        free(relay->user_id);
        free(relay->key);
        free(relay->name);
        free(relay);
    }
    model_list_unref(r->last_models);
    behaviour_unref(r->behaviour);
    free(r->all);
    free(r->table);
    *r = (struct relays){.all = NULL};
}

/* The slot that holds the name, or the free one where it belongs. */
static size_t find_slot(const struct relays *r, const char *name, size_t len)
{
    size_t i = hash_name(name, len) & (r->table_size - 1);
    while (r->table[i] && (strncmp(r->table[i]->name, name, len) != 0 || r->table[i]->name[len]))
        i = (i + 1) & (r->table_size - 1);
    return i;
}

struct relay *relays_find(const struct relays *r, const char *name, size_t len)
{
    if (!r->table_size || !len || len >= RELAY_NAME_MAX || memchr(name, 0, len))
        return NULL;
    struct relay *relay = r->table[find_slot(r, name, len)];
    return relay && !relay->removed ? relay : NULL;
}

void relay_remove(struct relay *relay)
{
    relay->removed = true;
}

static void grow_table(struct relays *r)
{
    struct relay **old = r->table;
    size_t old_size = r->table_size;
    r->table_size = old_size ? old_size * 2 : 64;
    r->table = alloc_zero(r->table_size, sizeof *r->table);
    for (size_t i = 0; i < old_size; i++)
        if (old[i])
            r->table[find_slot(r, old[i]->name, strlen(old[i]->name))] = old[i];
    free(old);
}

static void register_relay(struct relays *r, struct relay *relay)
{
    if (r->len == r->size) {
        r->size = r->size ? r->size * 2 : 64;
        r->all = alloc_resize(r->all, r->size, sizeof *r->all);
    }
    r->all[r->len++] = relay;
    if (2 * r->len > r->table_size)
        grow_table(r);
    r->table[find_slot(r, relay->name, strlen(relay->name))] = relay;
}

static int check_name(const struct relays *r, const char *name, struct err *err)
{
    if (!name || !*name || strlen(name) >= RELAY_NAME_MAX)
        return err_set(err, -EINVAL, "name: a name of 1 to %d characters is wanted", RELAY_NAME_MAX - 1);
    if (name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")])
        return err_set(err, -EINVAL, "name: \"%s\" is not of letters, digits, '-', '_' and '.'", name);
    if (strcmp(name, "v1") == 0 || strcmp(name, "api") == 0)
        return err_set(err, -EINVAL, "name: \"%s\" is a part of every URL", name);
    if (relays_find(r, name, strlen(name)))
        return err_set(err, -EEXIST, "there is a relay \"%s\" already", name);
    return 0;
}

static int parse_family(const cJSON *json, uint8_t *ret, struct err *err)
{
    const char *name = json_string(json, "family");
    for (size_t i = 0; name && i < ARRAY_LEN(family_names); i++)
        if (strcmp(name, family_names[i]) == 0) {
            *ret = (uint8_t)i;
            return 0;
        }
    *ret = FAMILY_OPENAI;
    return cJSON_HasObjectItem(json, "family") ? err_set(err, -EINVAL, "family: there is no family \"%s\"", name ? name : "?") : 0;
}

static int parse_relay(struct relays *r, struct relay *relay, const cJSON *json, struct err *err)
{
    int e = parse_family(json, &relay->family, err);
    if (e < 0)
        return e;
    e = relay_set_models(r, relay, cJSON_GetObjectItemCaseSensitive(json, "models"), err);
    if (e < 0)
        return e;
    const cJSON *behaviour = cJSON_GetObjectItemCaseSensitive(json, "behaviour");
    if (behaviour && (e = relay_set(relay, NULL, behaviour, err)) < 0)
        return e;
    const cJSON *by_model = cJSON_GetObjectItemCaseSensitive(json, "model_behaviour");
    for (const cJSON *item = by_model ? by_model->child : NULL; item; item = item->next)
        if (!item->string || (e = relay_set(relay, item->string, item, err)) < 0)
            return item->string ? e : err_set(err, -EINVAL, "model_behaviour: an object is wanted");
    return 0;
}

struct relay *relays_add(struct relays *r, const cJSON *json, struct err *err)
{
    const char *name = json_string(json, "name");
    if (check_name(r, name, err) < 0)
        return NULL;
    if (r->len >= RELAYS_MAX) {
        err_set(err, -ENOSPC, "more than %d relays", RELAYS_MAX);
        return NULL;
    }
    struct relay *relay = alloc_zero(1, sizeof *relay);
    relay->behaviour = behaviour_ref(r->behaviour);
    relay->random = r->seed ^ hash_name(name, strlen(name));
    if (parse_relay(r, relay, json, err) < 0) {
        forget_models(relay);
        behaviour_unref(relay->behaviour);
        model_list_unref(relay->models);
        account_free(relay->account);
        free(relay);
        err_prefix(err, "relay \"%s\"", name);
        return NULL;
    }
    relay_set_secrets(relay, json);
    relay->name = alloc_string(name);
    register_relay(r, relay);
    return relay;
}
