/* reach: does an endpoint answer at all? A fresh connection each time, so that DNS, TCP and TLS are really measured, and a GET of the base URL without any
 * key. Any HTTP answer will do (relays answer 401, 404 or a web page there), except those by which a gateway or CDN says that what is behind it
 * is away. The body is of no interest: the first byte of it ends the request. */
#include "probed/probe/prober_parts.h"

static bool away(int status) { return (status >= 502 && status <= 504) || (status >= 520 && status <= 530); }

static int on_data(void *arg, const char *data, size_t len, usec_t now)
{
    (void)arg, (void)data, (void)len, (void)now;
    return 1;
}

static void on_done(void *arg, const struct http_result *result)
{
    struct target *t = arg;
    struct outcome outcome = outcome_make(result->stage, result->kind, result->status);
    if (result->status > 0)
        outcome = away(result->status) ? outcome_make(STAGE_HEADERS, OUTCOME_SERVER_ERROR, result->status)
                                       : outcome_make(STAGE_DONE, OUTCOME_OK, result->status);
    struct observation o = observation_make(PROBE_REACH, result->ended, outcome);
    observation_from_http(&o, t, result);
    target_finish(t, &o);
}

int reach_start(struct target *t)
{
    struct platform *pf = &t->p->platforms[t->platform];
    const struct config_probe *probe = target_probe(t);
    struct http_header headers[PROBE_HEADERS_MAX];
    size_t headers_len = platform_headers(pf, headers);
    t->endpoint = (uint8_t)t->index;
    struct http_request request = {
        .method = "GET",
        .url = pf->config->endpoints[t->index].url,
        .headers = headers,
        .headers_len = headers_len,
        .fresh = true,
        .connect_timeout = probe->timeouts.connect,
        .headers_timeout = probe->timeouts.headers,
        .total_timeout = probe->timeouts.total,
        .max_body = PROBE_REACH_BODY,
        .on_data = on_data,
        .on_done = on_done,
        .arg = t,
    };
    return http_start(t->http, &request, NULL);
}
