/* What is common to all that is asked of a platform: its keys, where it is asked, and what its /api/status says.
 *
 * Where: the OpenAI endpoint that the prober uses now. The sites of the one-api family have their /api beside the endpoint's /v1, so the
 * last part of the endpoint's path is cut off where it is a version. A configured URL may lie elsewhere; the platform's headers and its
 * certificate authority are not for that place, and its key is only given there for a balance, where somebody has written down just that.
 *
 * /api/status says what a quota point is worth. Once it was told it is kept: a status that cannot be had for a while must not turn CNY into
 * USD, which would look as if every price had changed. So only a plain answer that there is none (404, a web page) of a site that never
 * gave one is believed; anything else, of a site whose status is not known, is no answer. Before a restart one may have been given: then
 * such an answer is believed only after a day. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "probed/price/collector_parts.h"

/* So long a site that had a status is not believed to have none. */
#define EXPECTED_FOR USEC_PER_DAY

void secret_buf_done(struct buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->len);
    buf_done(b);
}

static bool source_is(const struct secret_source *source)
{
    return source->credential || source->file || source->env;
}

static struct secret *load_key(const struct secret_source *source, char why[COLLECTOR_WHY_MAX])
{
    struct secret *key = NULL;
    struct err err = {""};
    if (source_is(source) && secret_load(source, &key, &err) < 0) {
        text_copy(why, COLLECTOR_WHY_MAX, err.text, strlen(err.text));
        return NULL;
    }
    return key;
}

void site_init(struct site *site, struct collector *c, size_t index)
{
    const struct config_platform *config = &c->config->platforms[index];
    *site = (struct site){.c = c, .index = index, .config = config, .status_at = -1, .status_expected = -1};
    site->key = load_key(&config->key, site->key_why);
    site->balance_key = load_key(&config->balance_feed.key, site->balance_key_why);
}

void site_done(struct site *site)
{
    site->price = feed_free(site->price);
    site->balance = feed_free(site->balance);
    site->desk = desk_free(site->desk);
    site->key = secret_free(site->key);
    site->balance_key = secret_free(site->balance_key);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool site_same(const struct site *old, const struct site *new)
{
    const struct config_platform *a = old->config, *b = new->config;
    if (a->endpoints_len != b->endpoints_len || a->headers_len != b->headers_len || !same_text(a->ca_file, b->ca_file) ||
        !same_text(a->user_agent, b->user_agent) || !secret_equal(old->key, new->key) || !secret_equal(old->balance_key, new->balance_key))
        return false;
    for (size_t i = 0; i < a->endpoints_len; i++)
        if (!same_text(a->endpoints[i].url, b->endpoints[i].url) || a->endpoints[i].dialect != b->endpoints[i].dialect)
            return false;
    for (size_t i = 0; i < a->headers_len; i++)
        if (!same_text(a->headers[i].name, b->headers[i].name) || !same_text(a->headers[i].value, b->headers[i].value))
            return false;
    return true;
}

/* --- where -------------------------------------------------------------------------------------------------------------- */

static const char *endpoint_of(const struct site *site)
{
    const struct collector *c = site->c;
    const char *url = c->owner.endpoint ? c->owner.endpoint(c->owner.arg, site->index) : NULL;
    for (size_t i = 0; !url && i < site->config->endpoints_len; i++)
        if (site->config->endpoints[i].dialect == DIALECT_OPENAI)
            url = site->config->endpoints[i].url;
    if (!url && site->config->endpoints_len > 0)
        url = site->config->endpoints[0].url;
    return url ? url : "";
}

static size_t without_slashes(const char *url)
{
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    return len;
}

/* The length of "https://host:port". */
static size_t origin_len(const char *url)
{
    const char *host = strstr(url, "://");
    return host ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?#") : 0;
}

void site_base(const struct site *site, struct buf *ret)
{
    const char *url = endpoint_of(site);
    buf_add(ret, url, without_slashes(url));
}

void site_root(const struct site *site, struct buf *ret)
{
    const char *url = endpoint_of(site);
    size_t len = without_slashes(url), last = len;
    while (last > origin_len(url) && url[last - 1] != '/')
        last--;
    bool version =
        last > origin_len(url) && last < len && url[last] == 'v' && last + 1 < len && url[last + 1] >= '0' && url[last + 1] <= '9';
    buf_add(ret, url, version ? last - 1 : len);
}

static bool is_at(const char *url, const char *other)
{
    size_t len = origin_len(url);
    return len > 0 && len == origin_len(other) && strncasecmp(url, other, len) == 0;
}

void site_url(const struct site *site, const char *url, struct buf *ret, bool *ret_foreign)
{
    *ret_foreign = false;
    if (url[0] == '/') {
        const char *endpoint = endpoint_of(site);
        buf_add(ret, endpoint, origin_len(endpoint));
    } else {
        *ret_foreign = true;
        for (size_t i = 0; i < site->config->endpoints_len; i++)
            *ret_foreign = *ret_foreign && !is_at(url, site->config->endpoints[i].url);
    }
    buf_add_str(ret, url);
}

void url_encode(struct buf *ret, const char *text, const char *also)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (; *text; text++) {
        if (strchr(plain, *text) || strchr(also, *text))
            buf_add_char(ret, *text);
        else
            buf_printf(ret, "%%%02X", (unsigned char)*text);
    }
}

/* --- what /api/status says ---------------------------------------------------------------------------------------------- */

/* The site says that it has no such thing, as those do that never had. */
static bool says_none(const struct told *told)
{
    return told->kind == TOLD_ABSENT && (told->status == 404 || (told->status >= 200 && told->status < 300));
}

int site_status(struct site *site, const struct told *told, struct err *err)
{
    usec_t now = loop_now(site->c->loop);
    char status[BALANCE_STATUS_MAX];
    struct err bad = {""};
    if (told->kind == TOLD_OK && balance_status_keep(told->body, told->len, status, &bad) == 0) {
        strcpy(site->status, status);
        site->status_at = now;
        site->status_expected = -1;
        site->status_lost = false;
        return 0;
    }
    bool expected = site->status_expected >= 0 && now < site->status_expected;
    if (says_none(told) && !site->status[0] && !expected) {
        site->status_at = now;
        site->status_lost = site->status_expected >= 0;
        return 0;
    }
    if (site->status_at >= 0) /* what it said before still holds */
        return 0;
    if (bad.text[0])
        return err_set(err, -EAGAIN, "%s", bad.text);
    return err_set(err, -EAGAIN, "/api/status%s: %s", says_none(told) ? ", which it once had" : "", told->why);
}

void collector_expect_status(struct collector *c, size_t platform)
{
    struct site *site = platform < c->sites_len ? &c->sites[platform] : NULL;
    if (site && site->status_at < 0 && site->status_expected < 0)
        site->status_expected = loop_now(c->loop) + EXPECTED_FOR;
}
