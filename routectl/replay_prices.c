/* The prices that were in force when a stretch of the daemon's history begins.
 *
 * A price is told when it changes, which may be weeks before the history that is replayed; the record of it may be gone by then. The report
 * (GET /v1/report) knows what was in force: each model's first price, at the time that was asked for. */
#include "routectl/replay_prices.h"

#include "routectl/fetch.h"
#include "routectl/fields.h"

/* The first price of a model, if it is older than the window: then its time is the window's. */
static void add_price(struct buf *ret, const char *platform, const cJSON *model, usec_t since)
{
    char number[32];
    static const struct {
        const char *path, *member;
    } parts[] = {{"prices.0.input", "input_usd_per_mtok"}, {"prices.0.output", "output_usd_per_mtok"}, {"prices.0.call", "call_usd"}};
    const char *name = json_string(model, "model");
    usec_t at = field_time(model, "prices.0.t");
    double input, output;
    if (!platform || !name || at <= 0 || at > since)
        return;
    if (!json_number(model, "prices.0.input", &input) && !json_number(model, "prices.0.output", &output))
        return;
    buf_printf(ret, "{\"t\":%s,\"platform\":", json_format_number(number, sizeof number, (double)since / 1e6));
    json_quote(ret, platform);
    buf_add_str(ret, ",\"model\":");
    json_quote(ret, name);
    buf_add_str(ret, ",\"kind\":\"price\"");
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        double value;
        if (json_number(model, parts[i].path, &value) && value >= 0)
            buf_printf(ret, ",\"%s\":%s", parts[i].member, json_format_number(number, sizeof number, value));
    }
    buf_add_str(ret, "}\n");
}

enum exit_code replay_prices(const struct command *command, usec_t since, usec_t until, struct buf *ret)
{
    struct fetched report CLEANUP(fetched_done) = FETCHED_INIT;
    struct buf target CLEANUP(buf_done) = BUF_INIT;
    char from[32], to[32];
    const cJSON *platform, *model;
    since -= since % USEC_PER_MSEC; /* as it comes back */
    buf_printf(&target, "/v1/report?since=%s&until=%s", json_format_number(from, sizeof from, (double)since / 1e6),
               json_format_number(to, sizeof to, (double)(until / USEC_PER_MSEC) / 1e3));
    enum exit_code code = fetch_quiet(command, "GET", buf_str(&target), NULL, &report);
    if (code == EXIT_UNREACHABLE)
        return code;
    if (code != EXIT_OK)
        return EXIT_OK;
    cJSON_ArrayForEach(platform, json_at(report.json, "platforms"))
    {
        cJSON_ArrayForEach(model, json_at(platform, "models")) add_price(ret, json_string(platform, "platform"), model, since);
    }
    return EXIT_OK;
}
