/* The configuration: YAML files in, one immutable struct out, or every error of all files at once.
 *
 * probed.yaml names everything in it; `include:` brings in platforms/(name).yaml and policies.yaml. Each error and warning is printed through libfyaml
 * as file:line:col with the offending text underlined. Keys are read apart (config/secret.h) and never kept in here. Counted: the daemon swaps
 * pointers on reload, whoever still needs the old one holds a reference. */
#ifndef PROBED_CONFIG_CONFIG_H
#define PROBED_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "probed/config/secret.h"
#include "probed/core/budget.h"
#include "probed/core/policy.h"
#include "probed/core/ranker.h"
#include "probed/core/schedule.h"

#define CONFIG_PLATFORMS_MAX 2000
#define CONFIG_MODELS_MAX 2000
#define CONFIG_ENDPOINTS_MAX 16
#define CONFIG_POLICIES_MAX 64

enum dialect_id { DIALECT_OPENAI, DIALECT_ANTHROPIC, DIALECT_GEMINI, DIALECT_RESPONSES, DIALECT_COUNT };
const char *dialect_name(enum dialect_id id); /* "openai", "anthropic", "gemini", "responses" */

/* How deep a target may be probed; each level includes those before it. */
enum probe_level { LEVEL_OFF, LEVEL_REACH, LEVEL_MODELS, LEVEL_CHAT };
const char *probe_level_name(enum probe_level level); /* "off", "reach", "models", "chat" */

struct config_timeouts { /* each is a cap on one stretch; total on all of it */
    usec_t connect, headers, first, stall, total;
};

struct config_probe {
    struct schedule_rule rule;       /* interval 0 = never (burst, capabilities) */
    struct config_timeouts timeouts; /* those that the kind has */
    int size;                        /* burst: chats at once */
};

/* Where prices or a balance come from. What was not given is NULL or 0. */
struct config_source {
    char *source;              /* its name; "config", "none" = no feed */
    char *url;                 /* in place of the source's usual one: whole, or a path at the platform's host */
    char *group, *group_ratio; /* prices: of our key; the ratio as decimal text, where no feed tells it */
    char currency[CURRENCY_MAX]; /* of the feed's own unit, where it does not say or says it wrong */
    int64_t quota_per_unit;    /* one-api family: points that are one unit of money; 0 = as the relay says, or 500000 */
    double scale;              /* money read is taken times this: a correction found by comparing; 1 */
    struct secret_source key;  /* balance: a key of its own (management key, access token); all NULL = the platform's */
    char *user, *user_header;  /* balance: the account's number, and the header that carries it */
    bool shared;               /* balance: others spend from it too: how it falls says nothing of prices */
    bool alone;                /* balance: nobody else does (it was said so): how it falls is what our own requests cost */
};

struct config_fetch { /* something that is fetched for all platforms */
    char *url, *file; /* one of them; both NULL = not at all */
    usec_t interval;
};

struct config_workload { /* what users mean to send: for the forecast */
    char *model;
    char *policy; /* NULL = the default */
    double requests; /* a day */
    int input, output; /* tokens a request */
};
#define CONFIG_WORKLOADS_MAX 100

struct config_endpoint {
    char *url; /* base URL without a trailing slash */
    enum dialect_id dialect;
};

struct config_price { /* as configured, in its own currency; converted with config_convert */
    bool known;
    int64_t input, output, call; /* pico a token; call: pico a request */
    char currency[CURRENCY_MAX];
};

struct config_route { /* a model as this platform has it */
    char *model;      /* our name */
    char *upstream;   /* theirs */
    enum dialect_id dialect;
    enum probe_level level;      /* deepest allowed by the configuration */
    struct config_price price;
    bool reasoning;
    int max_tokens;              /* of a chat probe; 0 = the default for its sort */
    int64_t max_probe_cost;      /* pico reference currency: reserved when the price is unknown; -1 = not given */
    struct tag *tags;            /* capabilities (from the model's definition and the platform's) */
    size_t tags_len;
};

struct config_window { /* planned maintenance: one stretch, or daily */
    bool daily;
    usec_t from, to; /* one stretch: wall clock, us; daily: us since midnight UTC (offset applied), to may be < from (over midnight) */
    char *reason;
};

struct config_store { /* how long the history is kept */
    usec_t raw, minutes, hours; /* single records; sums of a minute; of an hour, and events */
    size_t size;                /* bytes of the file, beyond which the oldest goes first */
};

struct config_platform {
    char *name, *title;
    char *file; /* where it was defined, for messages */
    struct config_endpoint *endpoints;
    size_t endpoints_len;
    struct config_route *routes;
    size_t routes_len;
    struct secret_source key;   /* where its key comes from; kind SECRET_NONE = keyless */
    bool key_required;          /* false: the platform works without a key (private gateways) */
    bool key_bearer;            /* "Authorization: Bearer KEY" (else bare) */
    char *user_agent;           /* NULL = probed/VERSION */
    struct { char *name, *value; } *headers; /* extra request headers, no secrets */
    size_t headers_len;
    bool insecure_http;         /* http:// is allowed beyond loopback and private addresses */
    char *ca_file;              /* CA for its TLS; NULL = the system's */
    char *models_path, *chat_path; /* appended to the endpoint; NULL = the dialect's own */
    enum probe_level level;
    int64_t budget;             /* pico reference a day, BUDGET_UNLIMITED = only the limits above it */
    double target;              /* availability that was promised or is wanted, 0..1; 0 = none */
    int concurrency;            /* probes in flight, 0 = the default */
    struct tag *tags;
    size_t tags_len;
    struct config_window *windows;
    size_t windows_len;
    struct config_source price_feed, balance_feed;
    struct config_probe probes[PROBE_KIND_COUNT]; /* the defaults with the platform's own changes */
};

struct config_model {
    char *name;
    bool reasoning;
    struct tag *tags; /* capabilities: vision, tools, ... */
    size_t tags_len;
};

enum role { ROLE_READER = 1 << 0, ROLE_REPORTER = 1 << 1, ROLE_KEY_READER = 1 << 2, ROLE_ADMIN = 1 << 3 };
struct config_role {
    enum role role;
    uid_t *users;
    size_t users_len;
    gid_t *groups;
    size_t groups_len;
};

struct config {
    unsigned refs;
    char *file;        /* the one that was loaded */
    char *socket_path; /* "/run/probed/probed.sock" */
    mode_t socket_mode; /* 0660 */
    char *socket_group; /* NULL = the process's */
    char *state_dir;   /* "/var/lib/probed" */
    char *vantage;     /* this host's name */
    char *default_policy; /* the first of policies unless named */
    char currency[CURRENCY_MAX]; /* reference */
    struct { char currency[CURRENCY_MAX]; int64_t pico; } *rates; /* 1 unit of it in pico reference units */
    size_t rates_len;
    struct config_fetch rate_source;     /* how much a unit of other currencies is; overrides `rates` while it is fresh */
    struct config_fetch price_reference; /* LiteLLM's price map */
    int64_t credit_low; /* pico reference: less on a platform is an alert; 0 = none */
    usec_t credit_runway; /* credit that lasts less long is an alert; 0 = none */
    struct config_workload *workloads;
    size_t workloads_len;
    struct budget_limits budget;
    struct health_rules health;
    struct config_store store;
    bool replay_open;  /* a replay adds platforms and models as they appear */
    int concurrency, platform_concurrency; /* probes in flight: in all, a platform */
    int dns_concurrency;
    size_t max_body;   /* bytes of one answer */
    char *ca_file;     /* NULL = /etc/ssl/certs/ca-certificates.crt */
    bool pick_keys;    /* X-Probed-Key for key-readers */
    int watchers, clients; /* caps of the socket */
    usec_t lease;      /* how long a table is good for without renewal [30 s] */
    char **self_check; /* anchor URLs; may be none */
    size_t self_check_len;
    struct config_model *models;
    size_t models_len;
    struct config_platform *platforms;
    size_t platforms_len;
    struct policy *policies;
    size_t policies_len;
    struct config_role *roles;
    size_t roles_len;
    int log_level;     /* enum log_level */
};

/* Reads file and what it includes. NULL if anything is wrong: every error of every file has then been written to
 * `messages` (file:line:col, text underlined; colours only if asked for), with how many in *ret_errors. Warnings are written too. */
struct config *config_load(const char *file, FILE *messages, bool colour, int *ret_errors);
struct config *config_ref(struct config *config);
void config_unref(struct config *config);
/* The effective configuration as YAML that loads again and means the same; keys only as where they come from. */
void config_dump(const struct config *config, FILE *to);

int64_t config_convert(const struct config *config, int64_t pico, const char *currency); /* -1: no rate */
/* The other way: so much of the reference currency in that one. */
int64_t config_convert_to(const struct config *config, int64_t pico, const char *currency); /* -1: no rate */
/* A configured price as the core takes it: in the reference currency; not known where there is no rate. */
struct price config_price_in_reference(const struct config *config, const struct config_price *price);
/* NULL or the window that `wall` is in. */
const struct config_window *config_platform_maintenance(const struct config_platform *platform, usec_t wall);
const struct config_platform *config_find_platform(const struct config *config, const char *name);
const struct config_model *config_find_model(const struct config *config, const char *name);

/* One sentence a difference that an operator cares about ("platform dmxapi: endpoint 2 added"), for the reload's log; at most `max`
 * sentences, the rest counted in the last. */
void config_diff(const struct config *old, const struct config *new, size_t max, void (*say)(void *arg, const char *sentence),
                 void *arg);

#endif
