/* GET /v1/pick: where the next request should go, as headers, for proxies that ask before each request (nginx auth_request, Caddy
 * forward_auth).
 *
 * The hot path. For each ranking there is, once it was asked for, the owner of each of its 256 slots and for each route with slots a
 * finished MHD response; a pick looks its ranking up, draws a slot and queues that response: no JSON, no formatting, no allocation of ours.
 * A finished response holds generation, lease and, for key-readers, the key; it is made anew when any of these is not what it was.
 *
 * Without affinity the slot is drawn at random, so that requests spread as the slots do. With affinity, the route is drawn by weighted
 * rendezvous hashing over text and platform: over many texts the shares are the slots again, and one text stays where it is as far as
 * shares allow. Ranks do not matter to it (slots laid out in rank order would all move when two routes swap), and when a route drops out
 * only its own texts go elsewhere: a relay's prompt cache is money. */
#include "probed/serve/api_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probed/core/schedule.h"
#include "shared/alloc.h"

struct pick {
    const struct table_row *row;
    uint64_t hash; /* of the platform's name */
    struct MHD_Response *plain, *keyed;
    uint64_t plain_stamp[3], keyed_stamp[3]; /* epoch, generation, lease that they say */
};

struct picks {                  /* of one ranking */
    uint8_t owner[TABLE_SLOTS]; /* slot -> index in pick */
    size_t len;                 /* routes with slots; 0 = none */
    struct pick pick[];
};

static void response_done(struct MHD_Response **response)
{
    if (*response != NULL)
        MHD_destroy_response(*response);
    *response = NULL;
}

void picks_free(struct picks *picks)
{
    if (picks == NULL)
        return;
    for (size_t i = 0; i < picks->len; i++) {
        response_done(&picks->pick[i].plain);
        response_done(&picks->pick[i].keyed);
    }
    free(picks);
}

static struct picks *picks_new(const struct ranking *ranking)
{
    size_t len = 0;
    for (size_t i = 0; i < ranking->len; i++)
        len += ranking->rows[i].slots > 0;
    if (len > TABLE_SLOTS)
        len = TABLE_SLOTS; /* cannot be: every one has a slot */
    struct picks *picks = alloc_zero(1, sizeof *picks + len * sizeof picks->pick[0]);
    picks->len = len;
    for (size_t i = 0, n = 0; i < ranking->len && n < len; i++)
        if (ranking->rows[i].slots > 0) {
            picks->pick[n].row = &ranking->rows[i];
            picks->pick[n].hash = schedule_hash(ranking->rows[i].facts->platform);
            n++;
        }
    for (unsigned slot = 0; slot < TABLE_SLOTS && len > 0; slot++) {
        const struct table_row *row = ranking_slot(ranking, slot);
        for (size_t n = 0; n < len; n++)
            if (picks->pick[n].row == row)
                picks->owner[slot] = (uint8_t)n;
    }
    return picks;
}

/* SplitMix64's last steps: every bit of the result depends on every bit of x. */
static uint64_t pick_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static struct pick *pick_affine(struct picks *picks, const char *text)
{
    uint64_t hash = schedule_hash(text);
    struct pick *ret = &picks->pick[0];
    double best = -1;
    for (size_t i = 0; i < picks->len; i++) {
        /* In (0, 1): 53 bits and a half. */
        double u = ((double)(pick_mix(hash ^ pick_mix(picks->pick[i].hash)) >> 11) + 0.5) * 0x1p-53;
        double score = picks->pick[i].row->slots / -log(u);
        if (score > best) {
            best = score;
            ret = &picks->pick[i];
        }
    }
    return ret;
}

/* "https://api.example.com/v1" -> "api.example.com:443": always with a port, so that a proxy can dial it as it stands. */
static void pick_upstream(const char *url, char *ret, size_t size)
{
    const char *host = strstr(url, "://");
    host = host != NULL ? host + 3 : url;
    size_t len = strcspn(host, "/?#");
    const char *at = memchr(host, '@', len);
    if (at != NULL) { /* no user's name goes to a proxy as a host */
        len -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    if (len == 0 || len >= size) {
        ret[0] = '\0';
        return;
    }
    const char *bracket = memchr(host, ']', len); /* of an IPv6 address, which is full of colons */
    const char *from = bracket != NULL ? bracket : host;
    bool port = memchr(from, ':', len - (size_t)(from - host)) != NULL;
    snprintf(ret, size, "%.*s%s", (int)len, host, port ? "" : strncmp(url, "http:", 5) == 0 ? ":80" : ":443");
}

static struct MHD_Response *pick_response(struct api *api, const struct table_row *row, const char *key)
{
    char upstream[256];
    struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return NULL;
    const struct table_facts *facts = row->facts;
    pick_upstream(facts->endpoint != NULL ? facts->endpoint : "", upstream, sizeof upstream);
    answer_header(response, "X-Probed-Platform", facts->platform);
    answer_header(response, "X-Probed-Upstream", upstream);
    answer_header(response, "X-Probed-Model", facts->upstream_model != NULL ? facts->upstream_model : facts->model);
    answer_header(response, "X-Probed-Base-URL", facts->endpoint != NULL ? facts->endpoint : "");
    answer_header(response, "X-Probed-Dialect", facts->dialect != NULL ? facts->dialect : "");
    if (key != NULL)
        answer_header(response, "X-Probed-Key", key);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    answer_stamp(api, response);
    return response;
}

/* The key for this client, or NULL. */
static const char *pick_key(struct client *c, const char *platform)
{
    struct api *api = c->api;
    const struct config *config = api->owner.config(api->owner.arg);
    if (!config->pick_keys || (roles_of(c) & ROLE_KEY_READER) == 0)
        return NULL;
    return api->owner.key(api->owner.arg, platform);
}

static enum MHD_Result pick_answer(struct client *c, struct pick *pick)
{
    struct api *api = c->api;
    const char *key = pick_key(c, pick->row->facts->platform);
    struct MHD_Response **response = key != NULL ? &pick->keyed : &pick->plain;
    uint64_t *stamp = key != NULL ? pick->keyed_stamp : pick->plain_stamp;
    const uint64_t now[3] = {api->table->epoch, api->table->generation, (uint64_t)(api->owner.valid_until(api->owner.arg) / USEC_PER_SEC)};
    if (*response != NULL && memcmp(stamp, now, sizeof now) != 0)
        response_done(response);
    if (*response != NULL && key != NULL) {
        const char *held = MHD_get_response_header(*response, "X-Probed-Key");
        if (held == NULL || strcmp(held, key) != 0)
            response_done(response);
    }
    if (*response == NULL) {
        *response = pick_response(api, pick->row, key);
        memcpy(stamp, now, sizeof now);
    }
    if (*response == NULL)
        return MHD_NO;
    api_deadline(c, api->times.answer);
    return MHD_queue_response(c->connection, MHD_HTTP_NO_CONTENT, *response);
}

enum MHD_Result pick_get(struct client *c)
{
    struct found found;
    enum MHD_Result answered = MHD_NO;
    if (!find_ranking(c, dispatch_parameter(c, "policy"), dispatch_parameter(c, "model"), &found, &answered))
        return answered;
    struct picks **held = cache_picks(c->api->cache, found.ranking);
    if (*held == NULL)
        *held = picks_new(found.ranking);
    struct picks *picks = *held;
    if (picks->len == 0)
        return answer_no_route(c, &found);
    const char *affinity = dispatch_parameter(c, "affinity");
    if (affinity != NULL)
        return pick_answer(c, pick_affine(picks, affinity));
    return pick_answer(c, &picks->pick[picks->owner[schedule_random(&c->api->random) % TABLE_SLOTS]]);
}
