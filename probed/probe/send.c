/* One POST to the platform's endpoint in use, with its own headers and its key: what bursts and tries of capabilities have in common. The key is in memory of its own
 * for the time of the call, and wiped. */
#include <errno.h>

#include "probed/probe/prober_parts.h"

int send_post(struct target *t, struct http_target *http, const struct chat_request *chat, bool is_chat, struct http_request *request)
{
    const struct platform *pf = &t->p->platforms[t->platform];
    enum dialect_id dialect = target_route(t)->dialect;
    if (pf->in_use[dialect] == UINT8_MAX)
        return -ENOENT;
    t->endpoint = pf->in_use[dialect];

    struct http_header headers[PROBE_HEADERS_MAX + ARRAY_LEN(chat->headers) + 1];
    size_t n = platform_headers(pf, headers);
    for (size_t i = 0; i < chat->headers_len; i++)
        headers[n++] = chat->headers[i];
    CLEANUP(secret_value_done) struct buf auth = BUF_INIT;
    if (platform_auth(pf, dialect, &headers[n], &auth))
        n++;

    CLEANUP(buf_done) struct buf url = BUF_INIT;
    buf_add_str(&url, pf->config->endpoints[t->endpoint].url);
    if (is_chat && pf->config->chat_path)
        dialect_add_path(&url, pf->config->chat_path, target_route(t)->upstream);
    else
        buf_add_str(&url, buf_str(&chat->path));
    request->method = "POST";
    request->url = buf_str(&url);
    request->headers = headers;
    request->headers_len = n;
    request->body = chat->body.data;
    request->body_len = chat->body.len;
    int r = http_start(http, request, NULL);
    request->url = NULL; /* not beyond this call */
    request->headers = NULL;
    return r;
}
