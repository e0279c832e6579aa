/* OpenRouter's /models/{id}/endpoints: what each upstream provider of a model takes, asked for model by model, those that are configured.
 *
 * One round is a request a model, one after another, and gives one list. A model that is not known there is left out of it; any other
 * failure ends the round, so that a list is whole or is not told. Rows stand under the name that was asked for, whatever the answer calls
 * it. */
#include <string.h>

#include "probed/price/collector_parts.h"

#define ENDPOINT_BODY_MAX ((size_t)256 * 1024)
#define ENDPOINT_MODELS   200

static bool asked_before(const struct config_platform *config, size_t route)
{
    for (size_t i = 0; i < route; i++)
        if (strcmp(config->routes[i].upstream, config->routes[route].upstream) == 0)
            return true;
    return false;
}

static void endpoints_over(struct feed *f)
{
    const char *currency = f->site->config->price_feed.currency;
    struct price_list list;
    if (!f->price->joining) {
        feed_bad(f, "none of our models is known there", 0, false);
        return;
    }
    price_joining_take(f->price->joining, currency[0] ? currency : "USD", &list);
    price_feed_take(f, &list);
}

static void on_endpoint_read(struct feed *f, struct price_list *list, struct err *err)
{
    struct price_feed *p = f->price;
    if (!list) {
        feed_bad(f, err->text, 0, false);
        return;
    }
    if (!p->joining)
        p->joining = price_joining_new();
    int e = price_joining_add(p->joining, list, f->site->config->routes[p->route].upstream, err);
    price_list_done(list);
    if (e < 0) {
        feed_bad(f, err->text, 0, false);
        return;
    }
    p->route++;
    endpoints_ask(f);
}

static void on_endpoint(void *arg, const struct told *told)
{
    struct feed *f = arg;
    struct price_feed *p = f->price;
    if (told->kind == TOLD_OK) {
        asking_keep(&f->asking, &f->body);
        feed_read(f, PRICE_SOURCE_OPENROUTER_ENDPOINTS, on_endpoint_read);
    } else if (told->kind == TOLD_DENIED && !p->with_key && f->site->key && !f->asking.foreign) {
        p->with_key = true;
        p->asked--;
        endpoints_ask(f);
    } else if (told->kind == TOLD_ABSENT) {
        p->route++;
        endpoints_ask(f);
    } else {
        feed_told(f, told);
    }
}

/* The model's name in place of {id}. */
static void endpoint_url(const struct feed *f, const char *model, struct buf *ret, bool *ret_foreign)
{
    CLEANUP(buf_done) struct buf template = BUF_INIT;
    *ret_foreign = false;
    if (f->site->config->price_feed.url) {
        site_url(f->site, f->site->config->price_feed.url, &template, ret_foreign);
    } else {
        site_base(f->site, &template);
        buf_add_str(&template, price_source_path(PRICE_SOURCE_OPENROUTER_ENDPOINTS));
    }
    const char *text = buf_str(&template), *id = strstr(text, "{id}");
    buf_add(ret, text, id ? (size_t)(id - text) : strlen(text));
    if (id) {
        url_encode(ret, model, "/:");
        buf_add_str(ret, id + strlen("{id}"));
    }
}

void endpoints_ask(struct feed *f)
{
    struct price_feed *p = f->price;
    const struct config_platform *config = f->site->config;
    CLEANUP(buf_done) struct buf url = BUF_INIT;
    struct err err = {""};
    bool foreign;
    while (p->route < config->routes_len && asked_before(config, p->route))
        p->route++;
    if (p->route == config->routes_len || p->asked == ENDPOINT_MODELS) {
        endpoints_over(f);
        return;
    }
    p->asked++;
    endpoint_url(f, config->routes[p->route].upstream, &url, &foreign);
    struct question q = {
        .url = buf_str(&url),
        .auth = p->with_key && !foreign ? ASK_BEARER : ASK_OPEN,
        .key = f->site->key,
        .max_body = ENDPOINT_BODY_MAX,
        .foreign = foreign,
        .probe = PROBE_PRICE,
    };
    if (asking_send(&f->asking, &q, on_endpoint, f, &err) < 0)
        feed_bad(f, err.text, 0, false);
}
