/* The commands of the control socket.
 *
 * Each takes the request object and fills the answer object; control.c adds "ok" and "id". A command that names several relays does them
 * in turn, and an error stops at the relay that it is about. */
#include "tests/relaysim/command.h"

#include <errno.h>
#include <string.h>

#include "shared/json.h"
#include "tests/relaysim/account.h"
#include "tests/relaysim/server.h"

#define LOG_LAST_DEFAULT 1000

static struct relay *find(struct sim *sim, const char *name, struct err *err)
{
    struct relay *relay = relays_find(&sim->relays, name, strlen(name));
    if (!relay)
        err_set(err, -ENOENT, "there is no relay \"%s\"", name);
    return relay;
}

int command_one_relay(struct sim *sim, const cJSON *request, struct relay **ret, struct err *err)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(request, "relay");
    *ret = NULL;
    if (!member || cJSON_IsNull(member) || (cJSON_IsString(member) && strcmp(member->valuestring, "*") == 0))
        return 0;
    if (!cJSON_IsString(member))
        return err_set(err, -EINVAL, "relay: a name or \"*\" is wanted");
    *ret = find(sim, member->valuestring, err);
    return *ret ? 0 : -ENOENT;
}

typedef int (*each_fn)(struct sim *sim, struct relay *relay, const cJSON *request, cJSON *answer, struct err *err);

/* Calls fn for "x", each of ["x","y"], or all of "*". */
static int for_each(struct sim *sim, const cJSON *request, cJSON *answer, each_fn fn, struct err *err)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(request, "relay");
    int e = 0, n = 0;
    if (cJSON_IsString(member) && strcmp(member->valuestring, "*") == 0) {
        for (size_t i = 0; i < sim->relays.len && e == 0; i++)
            if (!sim->relays.all[i]->removed) {
                e = fn(sim, sim->relays.all[i], request, answer, err);
                n++;
            }
    } else {
        const cJSON *item = cJSON_IsArray(member) ? member->child : member;
        if (!member)
            return err_set(err, -EINVAL, "relay: a name, a list of names or \"*\" is wanted");
        for (; item && e == 0; item = cJSON_IsArray(member) ? item->next : NULL) {
            struct relay *relay = cJSON_IsString(item) ? find(sim, item->valuestring, err) : NULL;
            if (!relay)
                return cJSON_IsString(item) ? -ENOENT : err_set(err, -EINVAL, "relay: a name is wanted");
            e = fn(sim, relay, request, answer, err);
            n++;
        }
    }
    if (e == 0)
        json_add_int(answer, "relays", n);
    return e;
}

static int set_one(struct sim *sim, struct relay *relay, const cJSON *request, cJSON *answer, struct err *err)
{
    const cJSON *behaviour = cJSON_GetObjectItemCaseSensitive(request, "behaviour");
    const cJSON *models = cJSON_GetObjectItemCaseSensitive(request, "models");
    (void)answer;
    int e = behaviour ? relay_set(relay, json_string(request, "model"), behaviour, err) : 0;
    if (e == 0 && models)
        e = relay_set_models(&sim->relays, relay, models, err);
    if (e == 0)
        relay_set_secrets(relay, request);
    return e == 0 ? server_apply(sim, relay, err) : e;
}

static int command_set(struct sim *sim, const cJSON *request, cJSON *answer, struct err *err)
{
    return for_each(sim, request, answer, set_one, err);
}

static int reset_one(struct sim *sim, struct relay *relay, const cJSON *request, cJSON *answer, struct err *err)
{
    (void)request;
    (void)answer;
    relay_reset(&sim->relays, relay);
    return server_apply(sim, relay, err);
}

static int command_reset(struct sim *sim, const cJSON *request, cJSON *answer, struct err *err)
{
    bool log = false;
    if (json_bool(request, "log", &log) && log)
        records_clear(&sim->records);
    return for_each(sim, request, answer, reset_one, err);
}

/* What a new relay would have, with every name and default, and every word: for people and for the test of the documentation. */
static void describe(const struct sim *sim, cJSON *answer)
{
    cJSON_AddItemToObject(answer, "behaviour", behaviour_to_json(sim->relays.behaviour, true));
    cJSON *faults = json_add_array(answer, "faults"), *errors = json_add_array(answer, "errors"),
          *families = json_add_array(answer, "families");
    for (int i = 0; i < FAULT_ID_COUNT; i++)
        json_add_string(faults, NULL, fault_id_name((enum fault_id)i));
    for (int i = 0; i < ERROR_ID_COUNT; i++)
        json_add_string(errors, NULL, error_id_name((enum error_id)i));
    for (int i = 0; i < FAMILY_COUNT; i++)
        json_add_string(families, NULL, family_name((enum family)i));
}

static int command_get(struct sim *sim, const cJSON *request, cJSON *answer, struct err *err)
{
    struct relay *relay;
    bool all = false;
    json_bool(request, "all", &all);
    int e = command_one_relay(sim, request, &relay, err);
    if (e < 0)
        return e;
    if (!relay) {
        describe(sim, answer);
        return 0;
    }
    CLEANUP(buf_done) struct buf url = BUF_INIT;
    server_url(sim, relay, &url);
    json_add_string(answer, "name", relay->name);
    json_add_string(answer, "family", family_name((enum family)relay->family));
    json_add_string(answer, "url", buf_str(&url));
    cJSON *models = relay->models ? json_add_array(answer, "models") : NULL;
    if (!models)
        json_add_null(answer, "models");
    for (size_t i = 0; models && i < relay->models->len; i++)
        json_add_string(models, NULL, relay->models->names[i]);
    cJSON_AddItemToObject(answer, "behaviour", behaviour_to_json(relay_behaviour(relay, json_string(request, "model")), all));
    cJSON *by_model = json_add_object(answer, "model_behaviour");
    for (const struct model_behaviour *m = relay->by_model; m; m = m->next)
        cJSON_AddItemToObject(by_model, m->model, behaviour_to_json(m->behaviour, all));
    return 0;
}

static int add_one(struct sim *sim, const cJSON *json, cJSON *urls, struct err *err)
{
    struct relay *relay = server_add_relay(sim, json, err);
    if (!relay)
        return -EINVAL;
    CLEANUP(buf_done) struct buf url = BUF_INIT;
    server_url(sim, relay, &url);
    json_add_string(urls, relay->name, buf_str(&url));
    return 0;
}

static int command_add(struct sim *sim, const cJSON *request, cJSON *answer, struct err *err)
{
    const cJSON *one = cJSON_GetObjectItemCaseSensitive(request, "relay"), *many = cJSON_GetObjectItemCaseSensitive(request, "relays");
    if (!cJSON_IsObject(one) && !cJSON_IsArray(many))
        return err_set(err, -EINVAL, "add: \"relay\", an object, or \"relays\", a list of them, is wanted");
    cJSON *urls = json_add_object(answer, "urls");
    int e = cJSON_IsObject(one) ? add_one(sim, one, urls, err) : 0;
    for (const cJSON *item = many ? many->child : NULL; item && e == 0; item = item->next)
        e = add_one(sim, item, urls, err);
    return e;
}

static int remove_one(struct sim *sim, struct relay *relay, const cJSON *request, cJSON *answer, struct err *err)
{
    (void)request;
    (void)answer;
    (void)err;
    server_remove_relay(sim, relay);
    return 0;
}

static int command_remove(struct sim *sim, const cJSON *request, cJSON *answer, struct err *err)
{
    return for_each(sim, request, answer, remove_one, err);
}

static int read_kind(const cJSON *request, int *ret, struct err *err)
{
    const char *name = json_string(request, "kind");
    *ret = name ? record_kind_from_name(name) : -1;
    return name && *ret < 0 ? err_set(err, -EINVAL, "kind: chat, models, reach, embeddings, price, balance or other is wanted") : 0;
}

static int command_log(struct sim *sim, const cJSON *request, cJSON *answer, struct err *err)
{
    struct relay *relay;
    int64_t last = LOG_LAST_DEFAULT, since = 0;
    bool ended = false, duplicates = false;
    int kind, e = command_one_relay(sim, request, &relay, err);
    if (e < 0 || (e = read_kind(request, &kind, err)) < 0)
        return e;
    json_int(request, "last", &last);
    json_int(request, "since", &since);
    json_bool(request, "ended", &ended);
    json_bool(request, "duplicates", &duplicates);
    if (last < 0 || since < 0)
        return err_set(err, -EINVAL, "last, since: 0 or more is wanted");
    cJSON_AddItemToObject(answer, "requests", records_log(&sim->records, relay, kind, (uint64_t)since, (size_t)last, ended, duplicates));
    json_add_int(answer, "seq", (int64_t)sim->records.seq);
    json_add_bool(answer, "duplicates_complete", !sim->records.seen_full);
    return 0;
}

static void add_relay_stats(const struct relay *relay, cJSON *json)
{
    json_add_int(json, "connections", (int64_t)relay->connections);
    json_add_int(json, "handshakes_failed", (int64_t)relay->handshakes_failed);
    json_add_int(json, "requests", (int64_t)relay->requests);
    json_add_int(json, "chats", (int64_t)relay->chats);
    json_add_int(json, "models", (int64_t)relay->models_requests);
    json_add_int(json, "answered", (int64_t)relay->answered);
    json_add_int(json, "failed", (int64_t)relay->failed);
    json_add_int(json, "left", (int64_t)relay->left);
    json_add_int(json, "in_flight", relay->in_flight);
    json_add_int(json, "in_flight_max", relay->in_flight_max);
    json_add_int(json, "tokens", (int64_t)relay->tokens);
    json_add_int(json, "duplicates", (int64_t)relay->duplicates);
    json_add_number(json, "spent", relay->spent);
}

static int stats_one(struct sim *sim, struct relay *relay, const cJSON *request, cJSON *answer, struct err *err)
{
    (void)sim;
    (void)request;
    (void)err;
    cJSON *by_name = cJSON_GetObjectItemCaseSensitive(answer, "by_relay");
    add_relay_stats(relay, json_add_object(by_name ? by_name : json_add_object(answer, "by_relay"), relay->name));
    return 0;
}

static int command_stats(struct sim *sim, const cJSON *request, cJSON *answer, struct err *err)
{
    struct relay total = {.name = NULL};
    size_t relays = 0;
    for (size_t i = 0; i < sim->relays.len; i++) {
        const struct relay *relay = sim->relays.all[i];
        relays += !relay->removed;
        total.connections += relay->connections;
        total.handshakes_failed += relay->handshakes_failed;
        total.requests += relay->requests;
        total.chats += relay->chats;
        total.models_requests += relay->models_requests;
        total.answered += relay->answered;
        total.failed += relay->failed;
        total.left += relay->left;
        total.in_flight += relay->in_flight;
        total.tokens += relay->tokens;
        total.duplicates += relay->duplicates;
        total.spent += relay->spent;
    }
    cJSON *all = json_add_object(answer, "total");
    add_relay_stats(&total, all);
    cJSON_DeleteItemFromObject(all, "in_flight_max");
    json_add_int(answer, "open_connections", (int64_t)sim->conns_len);
    json_add_int(answer, "accepted", (int64_t)sim->conns_seen);
    if (cJSON_HasObjectItem(request, "relay"))
        return for_each(sim, request, answer, stats_one, err);
    json_add_int(answer, "relays", (int64_t)relays);
    return 0;
}

static int command_ping(struct sim *sim, const cJSON *request, cJSON *answer, struct err *err)
{
    (void)sim;
    (void)request;
    (void)err;
    struct instant now = instant_now();
    json_add_int(answer, "steady_us", now.steady);
    json_add_int(answer, "real_us", now.real);
    return 0;
}

static int command_quit(struct sim *sim, const cJSON *request, cJSON *answer, struct err *err)
{
    (void)request;
    (void)answer;
    (void)err;
    reactor_stop(&sim->reactor);
    return 0;
}

static int topup_one(struct sim *sim, struct relay *relay, const cJSON *request, cJSON *answer, struct err *err)
{
    double amount = 0, expires = -1;
    const char *kind = json_string(request, "kind");
    (void)sim;
    (void)answer;
    if (!json_number(request, "amount", &amount))
        return err_set(err, -EINVAL, "topup: \"amount\", a number, is wanted");
    json_number(request, "expires", &expires);
    return account_put(relay, amount, kind ? kind : "topup", expires, err);
}

static int command_topup(struct sim *sim, const cJSON *request, cJSON *answer, struct err *err)
{
    return for_each(sim, request, answer, topup_one, err);
}

static int command_account(struct sim *sim, const cJSON *request, cJSON *answer, struct err *err)
{
    struct relay *relay;
    int e = command_one_relay(sim, request, &relay, err);
    if (e < 0)
        return e;
    if (!relay)
        return err_set(err, -EINVAL, "account: \"relay\", a name, is wanted");
    account_to_json(relay, answer);
    return 0;
}

int command_run(struct sim *sim, const cJSON *request, cJSON *answer, struct err *err)
{
    static const struct {
        const char *name;
        int (*run)(struct sim *sim, const cJSON *request, cJSON *answer, struct err *err);
    } commands[] = {{"set", command_set},       {"get", command_get},   {"reset", command_reset}, {"add", command_add},
                    {"remove", command_remove}, {"log", command_log},   {"stats", command_stats}, {"account", command_account},
                    {"topup", command_topup},   {"ping", command_ping}, {"quit", command_quit}};
    const char *name = json_string(request, "cmd");
    for (size_t i = 0; name && i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(sim, request, answer, err);
    return err_set(err, -EINVAL, "cmd: set, get, reset, add, remove, log, wait, stats, account, topup, ping or quit is wanted");
}
