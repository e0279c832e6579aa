/* Every keyword of the configuration, with its type, range and default: the one place where they are.
 *
 * Reading (nodes.c, values.c), defaults, the dump, the diff of two configurations and the check that the man page names exactly these all
 * walk the tables below. A range is in the unit of the type: microseconds, bytes, percent, counts; money and numbers: whole units. A
 * default is written as a user would write it and read by the same code. The man page has one list a section. Constant data; nothing
 * here has a life of its own. */
#include "probed/config/parts.h"

#include <stdlib.h>
#include <string.h>

const char *const words_level[] = {"off", "reach", "models", "chat", NULL};
const char *const words_dialect[] = {"openai", "anthropic", "gemini", "responses", NULL};
const char *const words_latency[] = {"mean", "p50", "p90", "p95", NULL};
const char *const words_reference[] = {"median", "mean", NULL};
const char *const words_log[] = {"err", "warning", "notice", "info", "debug", NULL};
/* Where prices and balances can come from. All but config and none are feeds of a family of platforms. */
const char *const words_price_source[] = {"config", "none",   "auto",   "openrouter", "openrouter-endpoints", "newapi",
                                          "onehub", "voapi", "rixapi", "shellapi",   "aihubmix",             NULL};
const char *const words_balance_source[] = {"none",        "openrouter", "siliconflow", "oneapi", "newapi",
                                            "newapi-user", "dmxapi",     "aihubmix",    "apiyi",  NULL};

#define SECTION(linkage, id, shown, table)                                                                                                 \
    _Static_assert(ARRAY_LEN(table) <= KEYWORDS_MAX, "more keywords than struct seen has room for");                                       \
    linkage const struct section id = {.name = shown, .keywords = table, .len = ARRAY_LEN(table)}

#define AT(type, member) offsetof(struct type, member)
#define OWN(word, by)                                                                                                                      \
    {                                                                                                                                      \
        .name = word, .type = KEYWORD_OWN, .read = read_##by, .dump = dump_##by                                                            \
    }
/* Read by the owner of the section, after the others. */
#define LATER(word, by)                                                                                                                    \
    {                                                                                                                                      \
        .name = word, .type = KEYWORD_OWN, .read = read_nothing, .dump = dump_##by                                                         \
    }
#define US_MIN (10 * USEC_PER_MSEC)

/* --- probes: the timeouts and the rule of each kind --- */
#define TIMEOUT(word, to)                                                                                                                  \
    {                                                                                                                                      \
        .name = #word, .type = KEYWORD_DURATION, .offset = AT(config_timeouts, word), .min = US_MIN, .max = USEC_PER_HOUR, .initial = to   \
    }

static const struct keyword timeouts_reach[] = {TIMEOUT(connect, "5s"), TIMEOUT(headers, "10s"), TIMEOUT(total, "10s")};
static const struct keyword timeouts_models[] = {TIMEOUT(connect, "5s"), TIMEOUT(headers, "20s"), TIMEOUT(total, "20s")};
static const struct keyword timeouts_chat[] = {TIMEOUT(connect, "5s"), TIMEOUT(headers, "20s"), TIMEOUT(first, "20s"),
                                               TIMEOUT(stall, "15s"), TIMEOUT(total, "45s")};
SECTION(static, section_timeouts_reach, "probes.reach.timeouts", timeouts_reach);
SECTION(static, section_timeouts_models, "probes.models.timeouts", timeouts_models);
static const struct keyword timeouts_price[] = {TIMEOUT(connect, "5s"), TIMEOUT(headers, "30s"), TIMEOUT(total, "60s")};
static const struct keyword timeouts_balance[] = {TIMEOUT(connect, "5s"), TIMEOUT(headers, "20s"), TIMEOUT(total, "20s")};
static const struct keyword timeouts_burst[] = {TIMEOUT(connect, "5s"), TIMEOUT(headers, "20s"), TIMEOUT(first, "20s"),
                                                TIMEOUT(stall, "15s"), TIMEOUT(total, "45s")};
static const struct keyword timeouts_capabilities[] = {TIMEOUT(connect, "5s"), TIMEOUT(headers, "20s"), TIMEOUT(first, "20s"),
                                                       TIMEOUT(stall, "15s"), TIMEOUT(total, "45s")};
SECTION(static, section_timeouts_chat, "probes.chat.timeouts", timeouts_chat);
SECTION(static, section_timeouts_price, "probes.price.timeouts", timeouts_price);
SECTION(static, section_timeouts_balance, "probes.balance.timeouts", timeouts_balance);
SECTION(static, section_timeouts_burst, "probes.burst.timeouts", timeouts_burst);
SECTION(static, section_timeouts_capabilities, "probes.capabilities.timeouts", timeouts_capabilities);

#define PACE(word, to)                                                                                                                     \
    {                                                                                                                                      \
        .name = #word, .type = KEYWORD_DURATION, .offset = AT(config_probe, rule.word), .min = US_MIN, .max = 7 * USEC_PER_DAY,            \
        .initial = to                                                                                                                      \
    }
#define PROBE(kind, steady, quick, patient)                                                                                                \
    PACE(interval, steady), PACE(fast, quick), PACE(slow, patient),                                                                        \
        {.name = "jitter", .type = KEYWORD_PERCENT, .offset = AT(config_probe, rule.jitter), .max = 50, .initial = "5%"},                  \
    {                                                                                                                                      \
        .name = "timeouts", .type = KEYWORD_SECTION, .offset = AT(config_probe, timeouts), .section = &section_timeouts_##kind             \
    }

static const struct keyword probe_reach[] = {PROBE(reach, "30s", "10s", "5m")};
static const struct keyword probe_models[] = {PROBE(models, "5m", "1m", "15m")};
static const struct keyword probe_chat[] = {PROBE(chat, "5m", "30s", "15m")};
static const struct keyword probe_price[] = {PROBE(price, "10m", "1m", "1h")};
static const struct keyword probe_balance[] = {PROBE(balance, "10m", "1m", "1h")};
/* Rare ones: an interval of 0 is never, and there is no hurry in them. */
#define RARE(kind, often)                                                                                                                  \
    {.name = "interval", .type = KEYWORD_DURATION, .offset = AT(config_probe, rule.interval), .max = 3650 * USEC_PER_DAY,                  \
     .initial = often},                                                                                                                    \
        {.name = "jitter", .type = KEYWORD_PERCENT, .offset = AT(config_probe, rule.jitter), .max = 50, .initial = "5%"},                  \
    {                                                                                                                                      \
        .name = "timeouts", .type = KEYWORD_SECTION, .offset = AT(config_probe, timeouts), .section = &section_timeouts_##kind             \
    }
static const struct keyword probe_burst[] = {
    RARE(burst, "0s"),
    {.name = "size", .type = KEYWORD_COUNT, .offset = AT(config_probe, size), .min = 2, .max = 64, .initial = "8"},
};
static const struct keyword probe_capabilities[] = {RARE(capabilities, "7d")};
SECTION(static, section_reach, "probes.reach", probe_reach);
SECTION(static, section_models, "probes.models", probe_models);
SECTION(static, section_chat, "probes.chat", probe_chat);
SECTION(static, section_price_feed, "probes.price", probe_price);
SECTION(static, section_balance, "probes.balance", probe_balance);
SECTION(static, section_burst, "probes.burst", probe_burst);
SECTION(static, section_capabilities, "probes.capabilities", probe_capabilities);

static const struct keyword probes[] = {
    {.name = "reach", .type = KEYWORD_SECTION, .offset = PROBE_REACH * sizeof(struct config_probe), .section = &section_reach},
    {.name = "models", .type = KEYWORD_SECTION, .offset = PROBE_MODELS * sizeof(struct config_probe), .section = &section_models},
    {.name = "chat", .type = KEYWORD_SECTION, .offset = PROBE_CHAT * sizeof(struct config_probe), .section = &section_chat},
    {.name = "price", .type = KEYWORD_SECTION, .offset = PROBE_PRICE * sizeof(struct config_probe), .section = &section_price_feed},
    {.name = "balance", .type = KEYWORD_SECTION, .offset = PROBE_BALANCE * sizeof(struct config_probe), .section = &section_balance},
    {.name = "burst", .type = KEYWORD_SECTION, .offset = PROBE_BURST * sizeof(struct config_probe), .section = &section_burst},
    {.name = "capabilities",
     .type = KEYWORD_SECTION,
     .offset = PROBE_CAPABILITIES * sizeof(struct config_probe),
     .section = &section_capabilities},
};
SECTION(, section_probes, "probes", probes);

/* --- top level --- */
#define BUDGET(word)                                                                                                                       \
    {                                                                                                                                      \
        .name = #word, .type = KEYWORD_MONEY_DAY, .offset = AT(budget_limits, word), .max = 1000000                                        \
    }
static const struct keyword budget[] = {BUDGET(all), BUDGET(platform), BUDGET(route)};
SECTION(, section_budget, "budget", budget);

#define HEALTH(word, least, most, to)                                                                                                      \
    {                                                                                                                                      \
        .name = #word, .type = KEYWORD_COUNT, .offset = AT(health_rules, word), .min = least, .max = most, .initial = to                   \
    }
static const struct keyword health[] = {
    HEALTH(fall, 1, 32, "3"),
    HEALTH(window, 1, 32, "5"),
    HEALTH(rise, 1, 100, "2"),
    HEALTH(samples, 1, 10000, "30"),
    {.name = "alike", .type = KEYWORD_NUMBER, .offset = AT(health_rules, alike), .max = 10, .initial = "0.005"},
};
SECTION(, section_health, "health", health);

static const struct keyword replay[] = {
    {.name = "open", .type = KEYWORD_BOOL, .offset = AT(config, replay_open), .initial = "false"},
};
SECTION(, section_replay, "replay", replay);

#define KEEP(word, least, most, to)                                                                                                        \
    {                                                                                                                                      \
        .name = #word, .type = KEYWORD_DURATION, .offset = AT(config_store, word), .min = least, .max = most, .initial = to                \
    }
static const struct keyword store[] = {
    KEEP(raw, USEC_PER_HOUR, 3650 * USEC_PER_DAY, "7d"),
    KEEP(minutes, USEC_PER_HOUR, 3650 * USEC_PER_DAY, "48h"),
    KEEP(hours, USEC_PER_DAY, 36500 * USEC_PER_DAY, "365d"),
    {.name = "size", .type = KEYWORD_SIZE, .offset = AT(config_store, size), .min = 16 * 1024 * 1024, .max = INT64_MAX / 2, .initial = "4GiB"},
};
SECTION(static, section_store, "store", store);

static const struct keyword rate_source[] = {
    {.name = "url", .type = KEYWORD_TEXT, .offset = AT(config_fetch, url), .max = CONFIG_TEXT_MAX},
    {.name = "file", .type = KEYWORD_PATH, .offset = AT(config_fetch, file)},
    {.name = "interval", .type = KEYWORD_DURATION, .offset = AT(config_fetch, interval), .min = USEC_PER_MINUTE, .max = 365 * USEC_PER_DAY,
     .initial = "6h"},
};
SECTION(, section_rate_source, "rate_source", rate_source);

static const struct keyword price_reference[] = {
    {.name = "url", .type = KEYWORD_TEXT, .offset = AT(config_fetch, url), .max = CONFIG_TEXT_MAX},
    {.name = "file", .type = KEYWORD_PATH, .offset = AT(config_fetch, file)},
    {.name = "interval", .type = KEYWORD_DURATION, .offset = AT(config_fetch, interval), .min = USEC_PER_MINUTE, .max = 365 * USEC_PER_DAY,
     .initial = "24h"},
};
SECTION(, section_price_reference, "price_reference", price_reference);

static const struct keyword credit[] = {
    {.name = "low", .type = KEYWORD_MONEY, .offset = AT(config, credit_low), .max = 1000000},
    {.name = "runway", .type = KEYWORD_DURATION, .offset = AT(config, credit_runway), .max = 3650 * USEC_PER_DAY, .initial = "3d"},
};
SECTION(static, section_credit, "credit", credit);

static const struct keyword workload[] = {
    {.name = "model", .type = KEYWORD_TEXT, .offset = AT(config_workload, model), .max = 127},
    OWN("requests", workload_requests),
    {.name = "input", .type = KEYWORD_COUNT, .offset = AT(config_workload, input), .max = 10000000, .initial = "1000"},
    {.name = "output", .type = KEYWORD_COUNT, .offset = AT(config_workload, output), .max = 10000000, .initial = "300"},
    {.name = "policy", .type = KEYWORD_TEXT, .offset = AT(config_workload, policy), .max = 63},
};
SECTION(, section_workload, "workload.*", workload);

static const struct keyword roles[] = {
    LATER("reader", nothing),
    LATER("reporter", nothing),
    LATER("key-reader", nothing),
    LATER("admin", nothing),
};
SECTION(, section_roles, "roles", roles);

static const struct keyword role[] = {OWN("users", role_users), OWN("groups", role_groups)};
SECTION(, section_role, "roles.*", role);

static const struct keyword model[] = {
    {.name = "reasoning", .type = KEYWORD_BOOL, .offset = AT(config_model, reasoning), .initial = "false"},
    OWN("capabilities", model_capabilities),
};
SECTION(, section_model, "models.*", model);

#define COUNT(word, member, least, most, to)                                                                                               \
    {                                                                                                                                      \
        .name = word, .type = KEYWORD_COUNT, .offset = AT(config, member), .min = least, .max = most, .initial = to, .pass = PASS_SETTINGS \
    }
#define FIRST(word, by, when, often)                                                                                                       \
    {                                                                                                                                      \
        .name = word, .type = KEYWORD_OWN, .read = read_##by, .dump = dump_##by, .pass = when, .many = often                               \
    }

/* In the order in which they are dumped: what others need comes before them. */
static const struct keyword top[] = {
    {.name = "include", .type = KEYWORD_OWN, .read = read_nothing, .dump = dump_nothing, .pass = PASS_SETTINGS, .many = true},
    FIRST("currency", currency, PASS_CURRENCY, false),
    FIRST("rates", rates, PASS_RATES, false),
    {.name = "socket",
     .type = KEYWORD_PATH,
     .offset = AT(config, socket_path),
     .initial = "/run/probed/probed.sock",
     .pass = PASS_SETTINGS},
    {.name = "socket_mode", .type = KEYWORD_MODE, .offset = AT(config, socket_mode), .initial = "0660", .pass = PASS_SETTINGS},
    {.name = "socket_group",
     .type = KEYWORD_OWN,
     .offset = AT(config, socket_group),
     .read = read_socket_group,
     .dump = dump_socket_group,
     .pass = PASS_SETTINGS},
    COUNT("clients", clients, 1, 10000, "256"),
    COUNT("watchers", watchers, 0, 10000, "1024"),
    {.name = "state_dir", .type = KEYWORD_PATH, .offset = AT(config, state_dir), .initial = "/var/lib/probed", .pass = PASS_SETTINGS},
    {.name = "vantage", .type = KEYWORD_TEXT, .offset = AT(config, vantage), .max = 64, .pass = PASS_SETTINGS},
    {.name = "log_level",
     .type = KEYWORD_WORD,
     .offset = AT(config, log_level),
     .min = 3,
     .words = words_log,
     .initial = "info",
     .pass = PASS_SETTINGS},
    {.name = "lease",
     .type = KEYWORD_DURATION,
     .offset = AT(config, lease),
     .min = USEC_PER_SEC,
     .max = USEC_PER_HOUR,
     .initial = "30s",
     .pass = PASS_SETTINGS},
    FIRST("rate_source", rate_source, PASS_SETTINGS, false),
    FIRST("price_reference", price_reference, PASS_SETTINGS, false),
    {.name = "credit", .type = KEYWORD_SECTION, .section = &section_credit, .pass = PASS_SETTINGS},
    FIRST("budget", budget, PASS_SETTINGS, false),
    {.name = "health", .type = KEYWORD_SECTION, .offset = AT(config, health), .section = &section_health, .pass = PASS_SETTINGS},
    {.name = "store", .type = KEYWORD_SECTION, .offset = AT(config, store), .section = &section_store, .pass = PASS_SETTINGS},
    {.name = "replay", .type = KEYWORD_SECTION, .section = &section_replay, .pass = PASS_SETTINGS},
    COUNT("concurrency", concurrency, 1, 10000, "64"),
    COUNT("platform_concurrency", platform_concurrency, 1, 1000, "8"),
    COUNT("dns_concurrency", dns_concurrency, 1, 1000, "16"),
    {.name = "max_body",
     .type = KEYWORD_SIZE,
     .offset = AT(config, max_body),
     .min = 16 * 1024,
     .max = 64 * 1024 * 1024,
     .initial = "4MiB",
     .pass = PASS_SETTINGS},
    {.name = "ca_file", .type = KEYWORD_PATH, .offset = AT(config, ca_file), .pass = PASS_SETTINGS},
    {.name = "pick_keys", .type = KEYWORD_BOOL, .offset = AT(config, pick_keys), .initial = "false", .pass = PASS_SETTINGS},
    FIRST("self_check", self_check, PASS_SETTINGS, false),
    FIRST("roles", roles, PASS_SETTINGS, false),
    {.name = "probes", .type = KEYWORD_OWN, .read = read_default_probes, .dump = dump_nothing, .pass = PASS_SETTINGS},
    {.name = "default_policy", .type = KEYWORD_TEXT, .offset = AT(config, default_policy), .max = 63, .pass = PASS_SETTINGS},
    FIRST("models", models, PASS_SETTINGS, true),
    FIRST("policies", policies, PASS_POLICIES, true),
    FIRST("platforms", platforms, PASS_PLATFORMS, true),
    FIRST("workload", workload, PASS_PLATFORMS, true),
};
SECTION(, section_top, "", top);

/* --- policies --- */
static const struct keyword request[] = {
    /* Into an array of two ints: the core's struct has 64 bits each. */
    {.name = "input", .type = KEYWORD_COUNT, .max = 10000000, .initial = "1000"},
    {.name = "output", .type = KEYWORD_COUNT, .offset = sizeof(int), .max = 10000000, .initial = "300"},
};
SECTION(, section_request, "policies.*.request", request);

#define SOFT(word)                                                                                                                         \
    {                                                                                                                                      \
        .name = #word, .type = KEYWORD_NUMBER, .offset = AT(policy, word), .max = 1000, .initial = "0"                                     \
    }
static const struct keyword policy[] = {
    {.name = "about", .type = KEYWORD_TEXT, .offset = AT(policy, about), .max = 400},
    {.name = "latency", .type = KEYWORD_WORD, .offset = AT(policy, latency), .words = words_latency, .initial = "mean"},
    LATER("failure", policy_failure), /* these three together */
    LATER("second", policy_second),
    LATER("money", policy_money),
    {.name = "reference", .type = KEYWORD_WORD, .offset = AT(policy, reference), .words = words_reference, .initial = "median"},
    {.name = "request", .type = KEYWORD_OWN, .read = read_policy_request, .dump = dump_policy_request},
    SOFT(stability),
    SOFT(capacity),
    SOFT(honesty),
    OWN("require", policy_require),
    {.name = "concurrency", .type = KEYWORD_COUNT, .offset = AT(policy, concurrency), .min = 1, .max = 100000, .initial = "1"},
};
SECTION(, section_policy, "policies.*", policy);

/* --- platforms --- */
static const struct keyword key[] = {
    {.name = "env", .type = KEYWORD_TEXT, .offset = AT(config_platform, key.env), .max = 128},
    {.name = "credential", .type = KEYWORD_TEXT, .offset = AT(config_platform, key.credential), .max = 128},
    {.name = "file", .type = KEYWORD_PATH, .offset = AT(config_platform, key.file)},
    {.name = "required", .type = KEYWORD_BOOL, .offset = AT(config_platform, key_required), .initial = "true"},
    {.name = "bearer", .type = KEYWORD_BOOL, .offset = AT(config_platform, key_bearer), .initial = "true"},
};
SECTION(, section_key, "platforms.*.key", key);

static const struct keyword endpoint[] = {
    {.name = "url", .type = KEYWORD_TEXT, .offset = AT(config_endpoint, url), .max = CONFIG_TEXT_MAX},
    {.name = "dialect", .type = KEYWORD_WORD, .offset = AT(config_endpoint, dialect), .words = words_dialect, .initial = "openai"},
};
SECTION(, section_endpoint, "platforms.*.endpoints.*", endpoint);

static const struct keyword window[] = {
    LATER("from", nothing),
    LATER("to", nothing),
    LATER("daily", nothing),
    {.name = "reason", .type = KEYWORD_TEXT, .offset = AT(config_window, reason), .max = 200},
};
SECTION(, section_window, "platforms.*.maintenance.*", window);

static const struct keyword price[] = {
    LATER("input", nothing),
    LATER("output", nothing),
    LATER("call", nothing),
};
SECTION(, section_price, "platforms.*.models.*.price", price);

static const struct keyword route[] = {
    {.name = "upstream", .type = KEYWORD_TEXT, .offset = AT(config_route, upstream), .max = 200},
    {.name = "dialect", .type = KEYWORD_WORD, .offset = AT(config_route, dialect), .words = words_dialect},
    {.name = "level", .type = KEYWORD_WORD, .offset = AT(config_route, level), .words = words_level, .initial = "chat"},
    OWN("price", route_price),
    {.name = "reasoning", .type = KEYWORD_BOOL, .offset = AT(config_route, reasoning)},
    {.name = "max_tokens", .type = KEYWORD_COUNT, .offset = AT(config_route, max_tokens), .max = 100000, .initial = "0"},
    {.name = "max_probe_cost", .type = KEYWORD_MONEY, .offset = AT(config_route, max_probe_cost), .max = 1000},
    OWN("capabilities", route_capabilities),
};
SECTION(, section_route, "platforms.*.models.*", route);

#define SOURCE(words_of)                                                                                                                   \
    {.name = "source", .type = KEYWORD_OWN, .read = read_##words_of##_word, .dump = dump_source_word},                                     \
        {.name = "url", .type = KEYWORD_TEXT, .offset = AT(config_source, url), .max = CONFIG_TEXT_MAX},                                   \
        OWN("currency", source_currency),                                                                                                  \
        {.name = "quota_per_unit", .type = KEYWORD_OWN, .read = read_source_quota, .dump = dump_source_quota},                             \
        {.name = "scale", .type = KEYWORD_NUMBER, .offset = AT(config_source, scale), .max = 1000000, .initial = "1"}
static const struct keyword price_source[] = {
    SOURCE(price_source),
    {.name = "group", .type = KEYWORD_TEXT, .offset = AT(config_source, group), .max = 100},
    OWN("group_ratio", source_group_ratio),
};
SECTION(, section_price_source, "platforms.*.price_source", price_source);

static const struct keyword balance_source[] = {
    SOURCE(balance_source),
    OWN("key", source_key),
    {.name = "user", .type = KEYWORD_TEXT, .offset = AT(config_source, user), .max = 100},
    {.name = "user_header", .type = KEYWORD_TEXT, .offset = AT(config_source, user_header), .max = 64},
    OWN("shared", source_shared),
};
SECTION(, section_balance_source, "platforms.*.balance_source", balance_source);

static const struct keyword source_key[] = {
    {.name = "env", .type = KEYWORD_TEXT, .offset = AT(config_source, key.env), .max = 128},
    {.name = "credential", .type = KEYWORD_TEXT, .offset = AT(config_source, key.credential), .max = 128},
    {.name = "file", .type = KEYWORD_PATH, .offset = AT(config_source, key.file)},
};
SECTION(, section_source_key, "platforms.*.balance_source.key", source_key);

static const struct keyword platform[] = {
    {.name = "title", .type = KEYWORD_TEXT, .offset = AT(config_platform, title), .max = 100},
    {.name = "insecure_http", .type = KEYWORD_BOOL, .offset = AT(config_platform, insecure_http), .initial = "false"},
    LATER("endpoints", platform_endpoints), /* when insecure_http is known */
    OWN("key", platform_key),
    {.name = "level", .type = KEYWORD_WORD, .offset = AT(config_platform, level), .words = words_level, .initial = "chat"},
    {.name = "budget", .type = KEYWORD_MONEY_DAY, .offset = AT(config_platform, budget), .max = 1000000, .initial = "unlimited"},
    {.name = "target", .type = KEYWORD_PERCENT, .offset = AT(config_platform, target), .max = 100, .initial = "0%"},
    {.name = "concurrency", .type = KEYWORD_COUNT, .offset = AT(config_platform, concurrency), .max = 1000, .initial = "0"},
    {.name = "user_agent", .type = KEYWORD_TEXT, .offset = AT(config_platform, user_agent), .max = 200},
    OWN("headers", platform_headers),
    {.name = "ca_file", .type = KEYWORD_PATH, .offset = AT(config_platform, ca_file)},
    {.name = "models_path", .type = KEYWORD_ROUTE_PATH, .offset = AT(config_platform, models_path)},
    {.name = "chat_path", .type = KEYWORD_ROUTE_PATH, .offset = AT(config_platform, chat_path)},
    OWN("tags", platform_tags),
    OWN("maintenance", platform_maintenance),
    {.name = "price_source", .type = KEYWORD_OWN, .read = read_price_source, .dump = dump_price_source},
    {.name = "balance_source", .type = KEYWORD_OWN, .read = read_balance_source, .dump = dump_balance_source},
    OWN("probes", platform_probes),
    LATER("models", platform_models), /* when its endpoints are known */
};
SECTION(, section_platform, "platforms.*", platform);

const struct keyword *section_find(const struct section *s, const char *name)
{
    for (size_t i = 0; i < s->len; i++)
        if (strcmp(s->keywords[i].name, name) == 0)
            return &s->keywords[i];
    return NULL;
}

void section_defaults(const struct section *s, void *base)
{
    for (size_t i = 0; i < s->len; i++) {
        const struct keyword *k = &s->keywords[i];
        void *target = (char *)base + k->offset;
        if (k->type == KEYWORD_SECTION)
            section_defaults(k->section, target);
        else if (k->initial && k->type != KEYWORD_OWN && value_parse(NULL, k, k->initial, target, NULL) < 0)
            abort(); /* a default that its own type refuses is a mistake in this file */
    }
}

struct fy_node *seen_at(const struct seen *seen, const struct section *s, const char *name)
{
    const struct keyword *k = section_find(s, name);
    return k ? seen->value[k - s->keywords] : NULL;
}
