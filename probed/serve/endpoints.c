/* The table of endpoints: the one place that says what there is, which parameters it takes and who may use it. dispatch.c holds requests
 * against it, and tests/lint/api-documented holds probed-api(7) against it. HEAD comes with every GET. */
#include "probed/serve/api_parts.h"

/* clang-format off */
#define POLICY            {.name = "policy", .max = API_NAME_MAX}
#define MODEL             {.name = "model", .max = API_NAME_MAX}
#define MODEL_REQUIRED    {.name = "model", .max = API_NAME_MAX, .required = true}
#define PLATFORM_REQUIRED {.name = "platform", .max = API_NAME_MAX, .required = true}
#define AFFINITY          {.name = "affinity", .max = API_AFFINITY_MAX}
#define LAST_EVENT_ID     {.name = "last_event_id", .max = 64}
#define ROUTE_REQUIRED    {.name = "route", .max = 64 + API_NAME_MAX, .required = true, .many = true}
#define PLATFORMS         {.name = "platform", .max = 63, .many = true}
#define PLATFORM          {.name = "platform", .max = 63}
#define METRIC            {.name = "metric", .max = 32}
#define EVENT             {.name = "name", .max = 31}
#define SINCE             {.name = "since", .max = 32}
#define UNTIL             {.name = "until", .max = 32}
#define POINTS            {.name = "points", .max = 32}
#define AFTER             {.name = "after", .max = 32}
#define LIMIT             {.name = "limit", .max = 32}
#define CURRENCY          {.name = "currency", .max = 15}
#define REQUESTS          {.name = "requests_per_day", .max = 32}
#define INPUT             {.name = "input", .max = 32}
#define OUTPUT            {.name = "output", .max = 32}
#define DAYS              {.name = "days", .max = 32}
/* clang-format on */

const struct endpoint endpoint_table[] = {
    {"GET", "/v1/pick", ROLE_READER, {MODEL_REQUIRED, POLICY, AFFINITY}, pick_get},
    {"GET", "/v1/best", ROLE_READER, {MODEL_REQUIRED, POLICY}, best_get},
    {"GET", "/v1/routes", ROLE_READER, {POLICY, MODEL}, routes_get},
    {"GET", "/v1/routes.txt", ROLE_READER, {POLICY, MODEL}, routes_text_get},
    {"GET", "/v1/watch", ROLE_READER, {POLICY, MODEL, LAST_EVENT_ID}, watch_get},
    {"GET", "/v1/explain", ROLE_READER, {PLATFORM_REQUIRED, MODEL_REQUIRED, POLICY}, explain_get},
    {"GET", "/v1/status", ROLE_READER, {}, status_get},
    {"GET", "/v1/history", ROLE_READER, {ROUTE_REQUIRED, METRIC, SINCE, UNTIL, POINTS, POLICY}, history_get},
    {"GET", "/v1/events", ROLE_READER, {SINCE, UNTIL, PLATFORM, MODEL, POLICY, EVENT, AFTER, LIMIT}, events_get},
    {"GET", "/v1/report", ROLE_READER, {SINCE, UNTIL, PLATFORMS}, report_get},
    {"GET", "/v1/dump", ROLE_READER, {SINCE, UNTIL, AFTER, LIMIT}, dump_get},
    {"GET", "/v1/prices", ROLE_READER, {MODEL, CURRENCY}, prices_get},
    {"GET", "/v1/spend", ROLE_READER, {PLATFORM, CURRENCY}, spend_get},
    {"GET", "/v1/forecast", ROLE_READER, {MODEL, REQUESTS, INPUT, OUTPUT, POLICY, DAYS, CURRENCY}, forecast_get},
    {"GET", "/v1/capabilities", ROLE_READER, {MODEL, PLATFORM}, capabilities_get},
    {"GET", "/v1/honesty", ROLE_READER, {MODEL, PLATFORM}, honesty_get},
    {"GET", "/healthz", 0, {}, healthz_get},
    {"POST", "/v1/override", ROLE_ADMIN, {}, override_post},
    {"POST", "/v1/reload", ROLE_ADMIN, {}, reload_post},
    {"POST", "/v1/probe", ROLE_ADMIN | ROLE_REPORTER, {}, probe_post},
};
const size_t endpoint_table_len = ARRAY_LEN(endpoint_table);
