/* Lists whose prices are money: OpenRouter's (text, USD a token), AIHubMix's (numbers, USD a million), LiteLLM's map (numbers, USD a
 * token), and the rates of currencies. */
#include <string.h>
#include <time.h>

#include "shared/json.h"
#include "tests/relaysim/families.h"
#include "tests/relaysim/feed.h"

/* --- OpenRouter ------------------------------------------------------------------------------------------------------ */

static void add_token_price(const char *name, double per_million, struct buf *ret)
{
    buf_printf(ret, ",\"%s\":", name);
    feed_add_decimal(per_million < 0 ? -1 : per_million / 1e6, ret);
}

/* {"prompt":"0.00000015",...}; -1 is what is not known. */
static void add_pricing(const struct feed_row *row, struct buf *ret)
{
    const struct prices *p = &row->p;
    if (!row->told) {
        buf_add_str(ret, "{}");
        return;
    }
    bool unknown = p->unlisted || p->input < 0;
    buf_add_str(ret, "{\"prompt\":");
    feed_add_decimal(unknown ? -1 : p->input / 1e6, ret);
    add_token_price("completion", unknown ? -1 : p->output, ret);
    if (!unknown && p->call > 0) {
        buf_add_str(ret, ",\"request\":");
        feed_add_decimal(p->call, ret);
    }
    if (!unknown)
        buf_add_str(ret, ",\"image\":\"0\",\"web_search\":\"0\",\"internal_reasoning\":\"0\"");
    if (!unknown && p->cache_read >= 0)
        add_token_price("input_cache_read", p->cache_read, ret);
    if (!unknown && p->cache_write >= 0)
        add_token_price("input_cache_write", p->cache_write, ret);
    if (!unknown && p->tier_from > 0) {
        buf_printf(ret, ",\"overrides\":[{\"min_prompt_tokens\":%d", p->tier_from);
        add_token_price("prompt", p->input * p->tier, ret);
        add_token_price("completion", p->output * p->tier, ret);
        if (p->cache_read >= 0)
            add_token_price("input_cache_read", p->cache_read * p->tier, ret);
        buf_add_str(ret, "}]");
    }
    buf_add_char(ret, '}');
}

static void add_architecture(struct buf *ret)
{
    buf_add_str(
        ret,
        "\"architecture\":{\"modality\":\"text+image->text\",\"input_modalities\":[\"text\",\"image\"],\"output_modalities\":[\"text\"],"
        "\"tokenizer\":\"GPT\",\"instruct_type\":null}");
}

static void add_openrouter(const struct feed *f, const struct feed_row *row, struct buf *ret)
{
    (void)f;
    buf_add_str(ret, "{\"id\":");
    json_quote(ret, row->model);
    buf_add_str(ret, ",\"canonical_slug\":");
    json_quote(ret, row->model);
    buf_add_str(ret, ",\"hugging_face_id\":null,\"name\":");
    json_quote(ret, row->model);
    buf_printf(ret, ",\"created\":1692901234,\"description\":\"A simulated model.\",\"context_length\":%d,",
               row->p.unlisted ? 2000000 : 128000);
    add_architecture(ret);
    buf_add_str(ret, ",\"pricing\":");
    add_pricing(row, ret);
    buf_printf(ret,
               ",\"top_provider\":{\"context_length\":%s,\"max_completion_tokens\":%s,\"is_moderated\":false},\"per_request_limits\":null,"
               "\"supported_parameters\":[\"max_tokens\",\"temperature\",\"tools\",\"tool_choice\",\"response_format\",\"stop\"],\"default_"
               "parameters\":{},"
               "\"supported_voices\":null,\"knowledge_cutoff\":null,\"expiration_date\":null,\"links\":{\"details\":",
               row->p.unlisted ? "null" : "128000", row->p.unlisted ? "null" : "16384");
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    buf_printf(&path, "/api/v1/models/%s/endpoints", row->model);
    json_quote(ret, buf_str(&path));
    buf_add_str(ret, "}}");
}

void feed_write_openrouter(const struct feed *f, struct buf *ret)
{
    buf_add_str(ret, "{\"data\":[");
    feed_rows(f, add_openrouter, ret);
    buf_add_str(ret, "]}");
}

/* Two providers: one at the price of the list, one dearer by a half. */
static void add_endpoint(const struct feed_row *row, const char *provider, double times, struct buf *ret)
{
    struct feed_row here = *row;
    here.p.input *= times;
    here.p.output *= times;
    buf_add_str(ret, "{\"name\":");
    CLEANUP(buf_done) struct buf name = BUF_INIT;
    buf_printf(&name, "%s | %s", provider, row->model);
    json_quote(ret, buf_str(&name));
    buf_add_str(ret, ",\"model_id\":");
    json_quote(ret, row->model);
    buf_add_str(ret, ",\"model_name\":");
    json_quote(ret, row->model);
    buf_add_str(ret, ",\"context_length\":128000,\"pricing\":");
    add_pricing(&here, ret);
    buf_printf(ret,
               ",\"provider_name\":\"%s\",\"tag\":\"%c%s\",\"quantization\":\"unknown\",\"max_completion_tokens\":16384,\"max_prompt_"
               "tokens\":null,"
               "\"supported_parameters\":[\"max_tokens\",\"temperature\"],\"status\":0,\"uptime_last_5m\":99.5,\"uptime_last_30m\":99.5,"
               "\"uptime_last_1d\":99.5,\"latency_last_30m\":null,\"throughput_last_30m\":null,\"supports_implicit_caching\":false}",
               provider, provider[0] | 32, provider + 1);
}

bool feed_write_endpoints(const struct feed *f, struct buf *ret)
{
    if (!relay_has_model(f->relay, f->model))
        return false;
    struct feed_row row = {.model = f->model, .p = prices_of(f->relay, f->model), .told = f->fault != FEED_UNKNOWN};
    if (f->fault == FEED_MINUS_ONE)
        row.p.unlisted = true;
    buf_add_str(ret, "{\"data\":{\"id\":");
    json_quote(ret, f->model);
    buf_add_str(ret, ",\"name\":");
    json_quote(ret, f->model);
    buf_add_str(ret, ",\"created\":1692901234,\"description\":\"A simulated model.\",");
    add_architecture(ret);
    buf_add_str(ret, ",\"endpoints\":[");
    if (f->fault != FEED_EMPTY) {
        add_endpoint(&row, "Simulated", 1, ret);
        buf_add_char(ret, ',');
        add_endpoint(&row, "Other", 1.5, ret);
    }
    buf_add_str(ret, "]}}");
    return true;
}

/* --- AIHubMix -------------------------------------------------------------------------------------------------------- */

static void add_figure(const char *name, double value, struct buf *ret)
{
    buf_printf(ret, "%s\"%s\":", buf_str(ret)[ret->len - 1] == '{' ? "" : ",", name);
    feed_add_number(value, ret);
}

static void add_aihubmix(const struct feed *f, const struct feed_row *row, struct buf *ret)
{
    (void)f;
    buf_add_str(ret, "{\"model_id\":");
    json_quote(ret, row->model);
    buf_add_str(ret, ",\"desc\":\"\",\"pricing\":{");
    if (row->told) {
        add_figure("input", row->p.input, ret);
        add_figure("output", row->p.output, ret);
        if (row->p.cache_read >= 0)
            add_figure("cache_read", row->p.cache_read, ret);
        if (row->p.cache_write >= 0)
            add_figure("cache_write", row->p.cache_write, ret);
    }
    buf_add_str(ret, "},\"types\":\"llm\",\"features\":\"\",\"input_modalities\":\"text\",\"max_output\":16384,\"context_length\":128000}");
}

void feed_write_aihubmix(const struct feed *f, struct buf *ret)
{
    buf_add_str(ret, "{\"data\":[");
    feed_rows(f, add_aihubmix, ret);
    buf_add_str(ret, "],\"message\":\"\",\"success\":true}");
}

/* --- LiteLLM's map --------------------------------------------------------------------------------------------------- */

static void add_reference(const struct feed *f, const struct feed_row *row, struct buf *ret)
{
    (void)f;
    double input = row->b->reference_input >= 0 ? row->b->reference_input : row->p.input,
           output = row->b->reference_output >= 0 ? row->b->reference_output : row->p.output;
    json_quote(ret, row->model);
    buf_add_str(ret, ":{\"litellm_provider\":\"simulated\",\"mode\":\"chat\",\"max_tokens\":16384,\"max_input_tokens\":128000,\"max_output_"
                     "tokens\":16384");
    if (row->told) {
        add_figure("input_cost_per_token", input < 0 ? -1 : input / 1e6, ret);
        add_figure("output_cost_per_token", output < 0 ? -1 : output / 1e6, ret);
        if (row->p.cache_read >= 0)
            add_figure("cache_read_input_token_cost", row->p.cache_read / 1e6, ret);
    }
    buf_add_str(ret, ",\"supports_function_calling\":true}");
}

void feed_write_reference(const struct feed *f, struct buf *ret)
{
    buf_add_str(
        ret, "{\"sample_spec\":{\"input_cost_per_token\":0.0,\"output_cost_per_token\":0.0,\"litellm_provider\":\"one of the providers\","
             "\"max_tokens\":\"the most tokens\",\"mode\":\"one of: chat, embedding\"}");
    if (f->fault == FEED_EMPTY) {
        buf_clear(ret);
        buf_add_str(ret, "{}");
        return;
    }
    buf_add_char(ret, ',');
    feed_rows(f, add_reference, ret);
    if (ret->data[ret->len - 1] == ',') /* no models at all */
        buf_add_str(ret, "\"none\":{\"mode\":\"chat\"}");
    buf_add_char(ret, '}');
}

/* --- rates ----------------------------------------------------------------------------------------------------------- */

void feed_write_rates(const struct feed *f, struct buf *ret)
{
    char date[16];
    time_t now = time(NULL);
    struct tm tm;
    strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&now, &tm));
    double cny = f->fault == FEED_MINUS_ONE ? -1 : f->fault == FEED_ZERO ? 0 : f->b->usd_exchange_rate;
    buf_printf(ret,
               "{\"result\":\"success\",\"base\":\"USD\",\"base_code\":\"USD\",\"date\":\"%s\",\"time_last_update_unix\":%lld,\"rates\":{",
               date, (long long)now);
    if (f->fault != FEED_EMPTY && f->fault != FEED_UNKNOWN)
        buf_printf(ret, "\"USD\":1,\"CNY\":%.12g,\"EUR\":0.92,\"JPY\":150.25", cny);
    buf_add_str(ret, "}}");
}
