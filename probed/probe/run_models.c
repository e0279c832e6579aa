/* models: what does the platform list for our key? Free everywhere, so it is the liveness check between paid chats, and the one place where a route
 * can be found delisted: absence from the list is reliable, presence proves nothing (PLATFORMS.md 2.5), so it only ever lowers a route.
 *
 * The list is asked for on the first healthy endpoint of the OpenAI dialect, else of any. An answer that is no list is classified like any other failing answer; a
 * list without any of our models is believed only if it is a list with something in it. */
#include <errno.h>
#include <string.h>

#include "probed/probe/classify.h"
#include "probed/probe/models.h"
#include "probed/probe/prober_parts.h"

static int on_data(void *arg, const char *data, size_t len, usec_t now)
{
    struct target *t = arg;
    (void)now;
    buf_add(&t->body, data, len);
    return t->body.full;
}

static void tell_listing(struct target *t, const struct models_list *list)
{
    struct prober *p = t->p;
    struct platform *pf = &p->platforms[t->platform];
    for (size_t i = 0; i < pf->config->routes_len; i++)
        p->owner.listed(p->owner.arg, t->platform, i,
                        models_list_has(list, pf->config->routes[i].upstream) ? LISTING_PRESENT : LISTING_ABSENT);
}

static struct outcome judge(struct target *t, const struct http_result *result, char *detail, size_t size)
{
    if (result->kind != OUTCOME_OK) {
        text_copy(detail, size, result->detail, strlen(result->detail));
        return outcome_make(result->stage, result->kind, result->status);
    }
    const char *body = buf_str(&t->body);
    struct classification c;
    if (result->status >= 300) {
        c = classify_answer(result->status, result->content_type, body, t->body.len);
    } else {
        struct models_list *list = NULL;
        c = models_list_parse(result->status, result->content_type, body, t->body.len, &list);
        if (list && models_list_len(list) > 0)
            tell_listing(t, list);
        models_list_free(list);
    }
    text_copy(detail, size, c.detail, strlen(c.detail));
    return c.outcome;
}

static void on_done(void *arg, const struct http_result *result)
{
    struct target *t = arg;
    struct observation o = observation_make(PROBE_MODELS, result->ended, outcome_make(STAGE_DONE, OUTCOME_OK, result->status));
    o.outcome = judge(t, result, o.detail, sizeof o.detail);
    observation_from_http(&o, t, result);
    buf_done(&t->body);
    target_finish(t, &o);
}

int models_start(struct target *t)
{
    struct platform *pf = &t->p->platforms[t->platform];
    const struct config_probe *probe = target_probe(t);
    enum dialect_id dialect = endpoints_dialect(pf);
    const struct http_header *own = &dialect_get(dialect)->models_header;
    if (pf->in_use[dialect] == UINT8_MAX)
        return -ENOENT;
    t->endpoint = pf->in_use[dialect];

    struct http_header headers[PROBE_HEADERS_MAX + 2];
    size_t n = platform_headers(pf, headers);
    CLEANUP(secret_value_done) struct buf auth = BUF_INIT;
    if (platform_auth(pf, dialect, &headers[n], &auth))
        n++;
    if (own->name)
        headers[n++] = *own;

    CLEANUP(buf_done) struct buf url = BUF_INIT;
    buf_add_str(&url, pf->config->endpoints[t->endpoint].url);
    buf_add_str(&url, pf->config->models_path ? pf->config->models_path : dialect_get(dialect)->models_path);
    buf_done(&t->body);
    t->body = (struct buf)BUF_CAP(t->p->config->max_body);
    struct http_request request = {
        .method = "GET",
        .url = buf_str(&url),
        .headers = headers,
        .headers_len = n,
        .connect_timeout = probe->timeouts.connect,
        .headers_timeout = probe->timeouts.headers,
        .total_timeout = probe->timeouts.total,
        .max_body = t->p->config->max_body,
        .on_data = on_data,
        .on_done = on_done,
        .arg = t,
    };
    return http_start(t->http, &request, NULL);
}
