/* The simulated relays: who they are, how they behave now, what they have counted. */
#ifndef RELAYSIM_RELAY_H
#define RELAYSIM_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/relaysim/behaviour.h"

#define RELAY_NAME_MAX 64
#define RELAYS_MAX     100000

/* X(ID, name) */
#define FAMILY_TABLE(X)                                                                                                                    \
    X(OPENAI, "openai")                                                                                                                    \
    X(OPENROUTER, "openrouter")                                                                                                            \
    X(SILICONFLOW, "siliconflow")                                                                                                          \
    X(NEWAPI, "newapi")                                                                                                                    \
    X(ONEAPI, "oneapi")                                                                                                                    \
    X(AIHUBMIX, "aihubmix")                                                                                                                \
    X(APIYI, "apiyi")                                                                                                                      \
    X(DMXAPI, "dmxapi")                                                                                                                    \
    X(SUB2API, "sub2api")                                                                                                                  \
    X(ANTHROPIC, "anthropic")                                                                                                              \
    X(ONEHUB, "onehub")                                                                                                                    \
    X(VOAPI, "voapi")                                                                                                                      \
    X(RIXAPI, "rixapi")                                                                                                                    \
    X(SHELLAPI, "shellapi")

enum family {
#define X(id, name) FAMILY_##id,
    FAMILY_TABLE(X)
#undef X
        FAMILY_COUNT
};
const char *family_name(enum family family);

struct model_list { /* counted, shared by the relays that were given the same */
    unsigned refs;
    size_t len;
    char *names[];
};

struct model_behaviour {
    struct model_behaviour *next;
    struct behaviour *behaviour;
    char model[];
};

struct account;
struct listener;

struct relay {
    char *name;
    char *key;                 /* NULL = any, or none */
    char *access_token;        /* of its user page; NULL = nobody has one */
    char *management_key;      /* OpenRouter's; NULL = there is none */
    char *user_id;             /* NULL = "1" */
    struct model_list *models; /* NULL = every model there is */
    struct behaviour *behaviour;
    struct model_behaviour *by_model;
    struct listener *listener; /* of its own; NULL = on the shared ports */
    uint8_t family;
    bool tls;     /* on its own port */
    bool removed; /* kept, since records name it; no request finds it */
    bool failing; /* in a failing spell (fail_enter) */
    uint64_t random;
    double rate_left; /* token bucket of `rate` */
    usec_t rate_at;
    double credit_used; /* since credit was last set */
    uint32_t credit_requests_used;
    uint32_t in_flight, in_flight_max;
    uint64_t connections, handshakes_failed;
    uint64_t requests, chats, models_requests, answered, failed, left, tokens, duplicates;
    double spent;            /* what it charged, since start */
    struct account *account; /* NULL until money is asked about or spent */
    char *last_answer;       /* what it said last; NULL = nothing yet */
};

struct relays {
    struct relay **all;
    size_t len, size;
    struct relay **table; /* by name, open addressing; removed ones stay in their place */
    size_t table_size;
    struct model_list *last_models; /* for sharing */
    struct behaviour *behaviour;    /* what a new relay starts with */
    uint64_t seed;
};

void relays_init(struct relays *r, uint64_t seed);
void relays_done(struct relays *r);
/* From {"name","family","key","models":[...],"behaviour":{},"model_behaviour":{}}. Ports are the server's matter. A name that was removed
 * may come again. */
struct relay *relays_add(struct relays *r, const cJSON *json, struct err *err) ATTR_UNUSED_RESULT;
struct relay *relays_find(const struct relays *r, const char *name, size_t len);
void relay_remove(struct relay *relay);

bool relay_has_model(const struct relay *relay, const char *model);
/* What holds for this model (NULL = none named) now; borrowed. */
struct behaviour *relay_behaviour(const struct relay *relay, const char *model);
/* Lays members over the behaviour of the relay, or of one model of it. */
int relay_set(struct relay *relay, const char *model, const cJSON *json, struct err *err) ATTR_UNUSED_RESULT;
void relay_reset(struct relays *r, struct relay *relay); /* behaviour as a new one has it; counters that limits use; not the statistics */
/* Replaces the key (NULL = any), or one of the other secrets, by its name in the configuration. */
void relay_set_key(struct relay *relay, const char *key);
void relay_set_secrets(struct relay *relay,
                       const cJSON *json); /* those of "key", "access_token", "management_key", "user_id" that are there */
int relay_set_models(struct relays *r, struct relay *relay, const cJSON *json, struct err *err) ATTR_UNUSED_RESULT;

#endif
