/* Lists of the relays that descend from one-api: ratios, quota points, groups. What one unit of their money is, /api/status says.
 *
 * The behaviour's prices are what our group pays; the numbers written here are such that a reader who multiplies ratio, completion ratio
 * and group ratio as documented comes to just that. */
#include <string.h>

#include "shared/json.h"
#include "tests/relaysim/feed.h"

static double completion_of(const struct feed_row *row)
{
    return row->p.input > 0 ? row->p.output / row->p.input : row->p.input < 0 ? -1 : 1;
}

static void add_member(const char *name, double value, struct buf *ret)
{
    buf_printf(ret, ",\"%s\":", name);
    feed_add_number(value, ret);
}

/* --- new-api --------------------------------------------------------------------------------------------------------- */

static void add_tier(const struct feed *f, const struct prices *p, const char *name, double times, struct buf *ret)
{
    buf_printf(ret, "tier(\\\"%s\\\", p * %.12g + c * %.12g", name, p->input * times / f->ratio, p->output * times / f->ratio);
    if (p->cache_read >= 0)
        buf_printf(ret, " + cr * %.12g", p->cache_read * times / f->ratio);
    if (p->cache_write >= 0)
        buf_printf(ret, " + cc * %.12g", p->cache_write * times / f->ratio);
    buf_add_char(ret, ')');
}

static void add_newapi_price(const struct feed *f, const struct feed_row *row, struct buf *ret)
{
    bool call = row->by_call;
    buf_printf(ret, ",\"quota_type\":%d", call);
    add_member("model_ratio", call ? 0 : feed_ratio(f, row->p.input), ret);
    add_member("model_price", call ? feed_call(f, row->p.call) : f->fault == FEED_MINUS_ONE ? -1 : 0, ret);
    buf_add_str(ret, ",\"owner_by\":\"\"");
    add_member("completion_ratio", call ? 0 : completion_of(row), ret);
    if (!f->old && row->p.cache_read >= 0 && row->p.input > 0)
        add_member("cache_ratio", row->p.cache_read / row->p.input, ret);
    if (!f->old && row->p.cache_write >= 0 && row->p.input > 0)
        add_member("create_cache_ratio", row->p.cache_write / row->p.input, ret);
    if (!f->old && row->p.tier_from > 0) {
        buf_printf(ret, ",\"billing_mode\":\"tiered_expr\",\"billing_expr\":\"len <= %d ? ", row->p.tier_from - 1);
        add_tier(f, &row->p, "standard", 1, ret);
        buf_add_str(ret, " : ");
        add_tier(f, &row->p, "long_context", row->p.tier, ret);
        buf_add_char(ret, '"');
    }
}

static void add_newapi(const struct feed *f, const struct feed_row *row, struct buf *ret)
{
    buf_add_str(ret, "{\"model_name\":");
    json_quote(ret, row->model);
    if (!f->old)
        buf_add_str(ret, ",\"description\":\"\",\"tags\":\"chat\",\"vendor_id\":1");
    if (row->told)
        add_newapi_price(f, row, ret);
    else
        buf_add_str(ret, ",\"quota_type\":0,\"model_ratio\":null,\"model_price\":null,\"completion_ratio\":null");
    buf_add_str(ret, ",\"enable_groups\":");
    feed_add_sold(f, row, ret);
    if (!f->old)
        buf_add_str(ret, ",\"supported_endpoint_types\":[\"openai\"],\"pricing_version\":\"0123456789abcdef\"");
    buf_add_char(ret, '}');
}

void feed_write_newapi(const struct feed *f, struct buf *ret)
{
    buf_add_str(ret, "{\"success\":true,\"data\":[");
    feed_rows(f, add_newapi, ret);
    buf_add_str(ret, "],\"group_ratio\":");
    feed_add_groups(f, ret);
    buf_add_str(ret, ",\"usable_group\":{\"\":\"user's own group\",");
    json_quote(ret, f->group);
    buf_add_str(ret, ":\"our group\"}");
    if (!f->old)
        buf_add_str(
            ret,
            ",\"vendors\":[{\"id\":1,\"name\":\"OpenAI\",\"icon\":\"OpenAI\"}],\"supported_endpoint\":{\"openai\":{\"path\":\"/v1/chat/"
            "completions\",\"method\":\"POST\"}},\"auto_groups\":[\"default\"],\"pricing_version\":\"0123456789abcdef\"");
    buf_add_char(ret, '}');
}

void feed_write_status(const struct feed *f, struct buf *ret)
{
    static const char *const displays[] = {"USD", "CNY", "TOKENS", "CUSTOM"};
    const struct behaviour *b = f->b;
    buf_add_str(ret,
                "{\"success\":true,\"message\":\"\",\"data\":{\"version\":\"v0.0.0-simulated\",\"start_time\":1767225600,\"system_name\":");
    json_quote(ret, f->relay->name);
    buf_printf(ret, ",\"server_address\":\"\",\"quota_per_unit\":%.12g,\"display_in_currency\":%s", b->quota_per_unit,
               b->quota_display_type == QUOTA_TOKENS ? "false" : "true");
    if (f->relay->family == FAMILY_NEWAPI && !f->old)
        buf_printf(ret,
                   ",\"quota_display_type\":\"%s\",\"price\":%.12g,\"usd_exchange_rate\":%.12g,\"custom_currency_symbol\":\"\u00a4\","
                   "\"custom_currency_exchange_rate\":1,\"announcements\":[],\"faq\":[],\"api_info\":[],\"uptime_kuma_enabled\":false,"
                   "\"demo_site_enabled\":false,\"self_use_mode_enabled\":false",
                   displays[b->quota_display_type], b->price, b->usd_exchange_rate);
    else
        buf_add_str(ret, ",\"email_verification\":false,\"github_oauth\":false,\"top_up_link\":\"\",\"chat_link\":\"\",\"oidc\":false");
    buf_add_str(ret, "}}");
}

/* --- one-hub --------------------------------------------------------------------------------------------------------- */

/* {"type":"tokens","input":n,"output":n}: both are ratios of their own; by the call it is so many thousand quota points. */
static void add_hub_price(const struct feed *f, const struct feed_row *row, struct buf *ret)
{
    if (row->by_call) {
        buf_add_str(ret, "\"type\":\"times\",\"input\":");
        double points = row->p.call < 0 ? -1 : row->p.call * f->b->quota_per_unit / 1000 / f->ratio;
        feed_add_number(points, ret);
        add_member("output", points, ret);
        return;
    }
    buf_add_str(ret, "\"type\":\"tokens\",\"input\":");
    feed_add_number(feed_ratio(f, row->p.input), ret);
    add_member("output", feed_ratio(f, row->p.output), ret);
    if (row->p.cache_read >= 0 && row->p.input > 0) {
        buf_add_str(ret, ",\"extra_ratios\":{\"cached_tokens\":");
        feed_add_number(row->p.cache_read / row->p.input, ret);
        buf_add_char(ret, '}');
    }
}

static void add_onehub(const struct feed *f, const struct feed_row *row, struct buf *ret)
{
    json_quote(ret, row->model);
    buf_add_str(ret, ":{\"groups\":");
    feed_add_sold(f, row, ret);
    buf_add_str(ret, ",\"owned_by\":\"Simulated\",\"price\":{");
    if (row->told) {
        buf_add_str(ret, "\"channel_type\":1,\"model\":");
        json_quote(ret, row->model);
        buf_add_char(ret, ',');
        add_hub_price(f, row, ret);
    }
    buf_add_str(ret, "}}");
}

void feed_write_onehub(const struct feed *f, struct buf *ret)
{
    buf_add_str(ret, "{\"data\":{");
    feed_rows(f, add_onehub, ret);
    buf_add_str(ret, "},\"message\":\"\",\"success\":true}");
}

void feed_write_onehub_groups(const struct feed *f, struct buf *ret)
{
    buf_add_str(ret, "{\"data\":{");
    if (f->fault != FEED_MISSING_GROUP && f->fault != FEED_EMPTY) {
        json_quote(ret, f->group);
        buf_printf(ret, ":{\"id\":1,\"symbol\":");
        json_quote(ret, f->group);
        buf_printf(ret, ",\"name\":\"ours\",\"ratio\":%.12g,\"api_rate\":600,\"public\":true,\"enable\":true},", f->ratio);
    }
    buf_printf(
        ret, "\"svip\":{\"id\":2,\"symbol\":\"svip\",\"name\":\"svip\",\"ratio\":%.12g,\"api_rate\":600,\"public\":false,\"enable\":true}",
        f->ratio * 0.8);
    buf_add_str(ret, "},\"message\":\"\",\"success\":true}");
}

static void add_onehub_old(const struct feed *f, const struct feed_row *row, struct buf *ret)
{
    buf_add_str(ret, "{\"model\":");
    json_quote(ret, row->model);
    buf_add_str(ret, ",\"channel_type\":1");
    if (row->told) {
        buf_add_char(ret, ',');
        add_hub_price(f, row, ret);
    }
    buf_add_char(ret, '}');
}

void feed_write_onehub_old(const struct feed *f, struct buf *ret)
{
    buf_add_str(ret, "{\"data\":[");
    feed_rows(f, add_onehub_old, ret);
    buf_add_str(ret, "],\"message\":\"\",\"success\":true}");
}

/* --- VoAPI ----------------------------------------------------------------------------------------------------------- */

/* The group's ratio is in the price already. */
static void add_voapi(const struct feed *f, const struct feed_row *row, struct buf *ret)
{
    buf_add_str(ret, "{\"key\":");
    json_quote(ret, row->model);
    buf_add_str(ret, ",\"name\":");
    json_quote(ret, row->model);
    buf_add_str(ret, ",\"provider\":\"Simulated\",\"tags\":[],\"status\":1");
    if (row->told)
        add_member("completion_ratio", completion_of(row), ret);
    buf_add_str(ret, ",\"group_price\":{\"svip\":{\"type\":0,\"price\":0.5}");
    if (row->told && f->fault != FEED_MISSING_GROUP) {
        buf_add_char(ret, ',');
        json_quote(ret, f->group);
        buf_printf(ret, ":{\"type\":%d", row->by_call);
        add_member("price", row->by_call ? row->p.call : row->p.input < 0 ? -1 : feed_ratio(f, row->p.input) * f->ratio, ret);
        buf_add_char(ret, '}');
    }
    buf_add_str(ret, "}}");
}

void feed_write_voapi(const struct feed *f, struct buf *ret)
{
    buf_add_str(ret, "{\"code\":0,\"message\":\"\",\"data\":{\"models\":[");
    feed_rows(f, add_voapi, ret);
    buf_add_str(ret, "]}}");
}

/* --- RixAPI ---------------------------------------------------------------------------------------------------------- */

static void add_rix_price(const struct feed *f, const struct feed_row *row, struct buf *ret)
{
    json_quote(ret, row->model);
    buf_add_str(ret, ":{");
    if (row->told) {
        buf_printf(ret, "\"isPrice\":%s", row->by_call ? "true" : "false");
        add_member("price", row->by_call ? feed_call(f, row->p.call) : feed_ratio(f, row->p.input), ret);
    }
    buf_add_char(ret, '}');
}

static void add_completion(const struct feed *f, const struct feed_row *row, struct buf *ret)
{
    (void)f;
    json_quote(ret, row->model);
    buf_add_char(ret, ':');
    feed_add_number(completion_of(row), ret);
}

static void write_rix_old(const struct feed *f, struct buf *ret)
{
    buf_add_str(ret, "{\"success\":true,\"message\":\"\",\"data\":{\"model_group\":{");
    if (f->fault != FEED_MISSING_GROUP) {
        json_quote(ret, f->group);
        buf_printf(ret, ":{\"Description\":\"\",\"DisplayName\":\"ours\",\"GroupRatio\":%.12g,\"ModelPrice\":{", f->ratio);
        feed_rows(f, add_rix_price, ret);
        buf_add_str(ret, "}},");
    }
    buf_printf(ret, "\"svip\":{\"Description\":\"\",\"DisplayName\":\"svip\",\"GroupRatio\":%.12g,\"ModelPrice\":{}}", f->ratio * 0.8);
    buf_add_str(ret, "},\"model_completion_ratio\":{");
    feed_rows(f, add_completion, ret);
    buf_add_str(ret, "},\"group_special\":{}}}");
}

static void add_rix_info(const struct feed *f, const struct feed_row *row, struct buf *ret)
{
    bool call = row->by_call;
    buf_add_str(ret, "{\"model_name\":");
    json_quote(ret, row->model);
    buf_add_str(ret, ",\"price_info\":{");
    json_quote(ret, f->fault == FEED_MISSING_GROUP ? "svip" : f->group);
    buf_add_str(ret, ":{\"default\":{");
    if (row->told) {
        buf_printf(ret, "\"quota_type\":%d", call);
        add_member("model_price", call ? feed_call(f, row->p.call) : 0, ret);
        add_member("model_ratio", call ? 0 : feed_ratio(f, row->p.input), ret);
        add_member("model_completion_ratio", call ? 0 : completion_of(row), ret);
    }
    buf_add_str(ret, "}}},\"enable_groups\":");
    feed_add_sold(f, row, ret);
    buf_add_char(ret, '}');
}

void feed_write_rixapi(const struct feed *f, struct buf *ret)
{
    if (f->old) {
        write_rix_old(f, ret);
        return;
    }
    buf_add_str(ret, "{\"success\":true,\"message\":\"\",\"data\":{\"model_info\":[");
    feed_rows(f, add_rix_info, ret);
    buf_add_char(ret, ']');
    if (f->ratio != 1) {
        buf_add_str(ret, ",\"group_info\":{");
        json_quote(ret, f->group);
        buf_printf(ret, ":{\"GroupRatio\":%.12g}}", f->ratio);
    }
    buf_add_str(ret, "}}");
}

/* --- Shell API ------------------------------------------------------------------------------------------------------- */

static void add_shell_ratio(const struct feed *f, const struct feed_row *row, struct buf *ret)
{
    json_quote(ret, row->model);
    buf_add_char(ret, ':');
    if (row->told)
        feed_add_number(feed_ratio(f, row->p.input), ret);
    else
        buf_add_str(ret, "null");
}

static void add_shell_fixed(const struct feed *f, const struct feed_row *row, struct buf *ret)
{
    json_quote(ret, row->model);
    buf_add_char(ret, ':');
    if (row->told)
        feed_add_number(feed_call(f, row->p.call), ret);
    else
        buf_add_str(ret, "null");
}

static void add_name(const struct feed *f, const struct feed_row *row, struct buf *ret)
{
    (void)f;
    json_quote(ret, row->model);
}

void feed_write_shellapi(const struct feed *f, struct buf *ret)
{
    buf_add_str(ret, "{\"success\":true,\"message\":\"\",\"data\":{\"ModelRatio\":{");
    feed_rows(f, add_shell_ratio, ret);
    buf_add_str(ret, "},\"CompletionRatio\":{");
    feed_rows(f, add_completion, ret);
    buf_add_str(ret, "},\"GroupRatio\":");
    feed_add_groups(f, ret);
    buf_add_str(ret, ",\"ModelFixedPrice\":{");
    struct feed calls = *f;
    calls.only_calls = true;
    feed_rows(&calls, add_shell_fixed, ret);
    buf_add_str(ret, "},\"Models\":[");
    feed_rows(f, add_name, ret);
    buf_add_str(ret, "]}}");
}
