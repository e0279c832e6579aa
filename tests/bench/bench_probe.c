/* CPU per probe: our HTTP client on our loop against a bare libev + libcurl loop that asks the same server the same things.
 *
 * Both run in one process and take turns, round by round, so that whatever else the machine does meets both. CPU is this thread's own time (the server is
 * another process). Three loads: plain HTTP on fresh connections; HTTPS on fresh connections, a whole handshake each; chat streams of 20 events on kept
 * HTTPS connections, where ours also reads the stream (SSE, JSON, the rules of a chat probe) and the bare loop only takes the bytes.
 * The bare loop is no straw man: it has the same libcurl options where they matter (CA cache, session cache off when fresh, one handle a target).
 *
 *     bench_probe [ROUNDS] [scale]     prints:  name ours_us base_us ratio     (min: the best round of each; median: of all) */
#include <curl/curl.h>
#include <ev.h>
#include <time.h>

#include "probed/net/http.h"
#include "probed/probe/chat.h"
#include "shared/alloc.h"
#include "tests/bench/server.h"

#define TARGETS 8
#define ROUNDS_MAX 200

enum workload { LOAD_HTTP, LOAD_HTTPS, LOAD_STREAM, LOAD_COUNT };

static const struct {
    const char *name;
    bool tls, fresh, stream;
    int requests; /* a round */
} loads[LOAD_COUNT] = {
    {"http_fresh", false, true, false, 400},
    {"https_fresh", true, true, false, 80},
    {"https_kept_stream", true, false, true, 240},
};

static const char body[] = "{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"Which of these words is a colour: table, green, river?\"}],"
                           "\"max_tokens\":32,\"stream\":true,\"stream_options\":{\"include_usage\":true}}";

static double cpu_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void give_up(const char *what)
{
    fprintf(stderr, "bench_probe: %s\n", what);
    exit(1);
}

/* --- ours ------------------------------------------------------------------------------------------------------------- */

struct ours {
    struct loop *loop;
    struct http *http;
    enum workload load;
    const char *url;
    int to_start, running;
    struct our_target {
        struct ours *all;
        struct http_target *http;
        struct chat_reading *reading;
    } target[TARGETS];
};

static struct challenge challenge;

static int our_data(void *arg, const char *data, size_t len, usec_t now)
{
    struct our_target *t = arg;
    return chat_reading_data(t->reading, http_status(t->http), http_content_type(t->http), data, len, now);
}

static void our_start(struct our_target *t);

static void our_done(void *arg, const struct http_result *result)
{
    struct our_target *t = arg;
    if (result->kind != OUTCOME_OK || result->status != 200)
        give_up(result->detail);
    if (t->reading != NULL) {
        struct observation o;
        chat_reading_finish(t->reading, result, STAGE_COUNT, &o);
        if (o.outcome.kind != OUTCOME_OK)
            give_up(o.detail);
        t->reading = chat_reading_free(t->reading);
    }
    t->all->running--;
    our_start(t);
}

static void our_start(struct our_target *t)
{
    struct ours *all = t->all;
    bool stream = loads[all->load].stream;
    const struct http_header headers[] = {{"Authorization", "Bearer sk-bench-0123456789"}, {"Content-Type", "application/json"}};
    if (all->to_start == 0) {
        if (all->running == 0)
            loop_stop(all->loop);
        return;
    }
    struct http_request request = {
        .method = stream ? "POST" : "GET",
        .url = all->url,
        .headers = headers,
        .headers_len = stream ? 2 : 1,
        .body = stream ? body : NULL,
        .body_len = stream ? sizeof(body) - 1 : 0,
        .fresh = loads[all->load].fresh,
        .connect_timeout = 5 * USEC_PER_SEC,
        .headers_timeout = 5 * USEC_PER_SEC,
        .total_timeout = 10 * USEC_PER_SEC,
        .max_body = 1024 * 1024,
        .on_data = stream ? our_data : NULL,
        .on_done = our_done,
        .arg = t,
    };
    if (stream)
        t->reading = chat_reading_new(DIALECT_OPENAI, "gpt-4o-mini", &challenge);
    all->to_start--;
    all->running++;
    if (http_start(t->http, &request, NULL) < 0)
        give_up("http_start");
}

static double our_round(struct ours *all, int requests)
{
    double began = cpu_us();
    all->to_start = requests;
    for (int i = 0; i < TARGETS; i++)
        our_start(&all->target[i]);
    loop_run(all->loop);
    return (cpu_us() - began) / requests;
}

/* --- the bare loop ---------------------------------------------------------------------------------------------------- */

struct base {
    struct ev_loop *ev;
    CURLM *multi;
    ev_timer timer;
    int to_start, running;
    size_t bytes;
    CURL *easy[TARGETS];
    struct curl_slist *headers;
};

static void base_drain(struct base *b);

static void base_io(struct ev_loop *ev, ev_io *w, int events)
{
    (void)ev;
    int running;
    curl_multi_socket_action(((struct base *)w->data)->multi, w->fd,
                             ((events & EV_READ) ? CURL_CSELECT_IN : 0) | ((events & EV_WRITE) ? CURL_CSELECT_OUT : 0), &running);
    base_drain(w->data);
}

static void base_timer(struct ev_loop *ev, ev_timer *w, int events)
{
    (void)ev, (void)events;
    int running;
    curl_multi_socket_action(((struct base *)w->data)->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    base_drain(w->data);
}

static int base_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *of_socket)
{
    (void)easy;
    struct base *b = arg;
    ev_io *w = of_socket;
    if (what == CURL_POLL_REMOVE) {
        ev_io_stop(b->ev, w);
        free(w);
        curl_multi_assign(b->multi, fd, NULL);
        return 0;
    }
    if (w == NULL) {
        w = calloc(1, sizeof(*w));
        ev_init(w, base_io);
        w->data = b;
        curl_multi_assign(b->multi, fd, w);
    }
    ev_io_stop(b->ev, w);
    ev_io_set(w, fd, ((what & CURL_POLL_IN) ? EV_READ : 0) | ((what & CURL_POLL_OUT) ? EV_WRITE : 0));
    ev_io_start(b->ev, w);
    return 0;
}

static int base_wants_timer(CURLM *multi, long ms, void *arg)
{
    (void)multi;
    struct base *b = arg;
    ev_timer_stop(b->ev, &b->timer);
    if (ms >= 0) {
        ev_timer_set(&b->timer, (double)ms / 1000., 0.);
        ev_timer_start(b->ev, &b->timer);
    }
    return 0;
}

static size_t base_data(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    ((struct base *)arg)->bytes += size * count;
    return size * count;
}

static void base_start(struct base *b, CURL *easy)
{
    if (b->to_start == 0) {
        if (b->running == 0)
            ev_break(b->ev, EVBREAK_ALL);
        return;
    }
    b->to_start--;
    b->running++;
    curl_multi_add_handle(b->multi, easy);
}

static void base_drain(struct base *b)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(b->multi, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        if (message->data.result != CURLE_OK)
            give_up(curl_easy_strerror(message->data.result));
        curl_multi_remove_handle(b->multi, easy);
        b->running--;
        base_start(b, easy);
    }
}

static void base_open(struct base *b, enum workload load, const char *url, const char *ca_file)
{
    *b = (struct base){.ev = ev_loop_new(EVFLAG_AUTO), .multi = curl_multi_init()};
    ev_init(&b->timer, base_timer);
    b->timer.data = b;
    curl_multi_setopt(b->multi, CURLMOPT_SOCKETFUNCTION, base_socket);
    curl_multi_setopt(b->multi, CURLMOPT_SOCKETDATA, b);
    curl_multi_setopt(b->multi, CURLMOPT_TIMERFUNCTION, base_wants_timer);
    curl_multi_setopt(b->multi, CURLMOPT_TIMERDATA, b);
    b->headers = curl_slist_append(NULL, "Authorization: Bearer sk-bench-0123456789");
    if (loads[load].stream)
        b->headers = curl_slist_append(b->headers, "Content-Type: application/json");
    for (int i = 0; i < TARGETS; i++) {
        CURL *e = b->easy[i] = curl_easy_init();
        curl_easy_setopt(e, CURLOPT_URL, url);
        curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(e, CURLOPT_HTTPHEADER, b->headers);
        curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, base_data);
        curl_easy_setopt(e, CURLOPT_WRITEDATA, b);
        curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
        curl_easy_setopt(e, CURLOPT_CAINFO, ca_file);
        curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
        curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
        curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, 10000L);
        curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, (long)loads[load].fresh);
        curl_easy_setopt(e, CURLOPT_FORBID_REUSE, (long)loads[load].fresh);
        curl_easy_setopt(e, CURLOPT_SSL_SESSIONID_CACHE, (long)!loads[load].fresh);
        if (loads[load].stream) {
            curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)sizeof(body) - 1);
            curl_easy_setopt(e, CURLOPT_POSTFIELDS, body);
        }
    }
}

static double base_round(struct base *b, int requests)
{
    double began = cpu_us();
    b->to_start = requests;
    for (int i = 0; i < TARGETS; i++)
        base_start(b, b->easy[i]);
    ev_run(b->ev, 0);
    return (cpu_us() - began) / requests;
}

static void base_close(struct base *b)
{
    for (int i = 0; i < TARGETS; i++)
        curl_easy_cleanup(b->easy[i]);
    curl_multi_cleanup(b->multi);
    curl_slist_free_all(b->headers);
    ev_loop_destroy(b->ev);
}

/* ---------------------------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double middle(double *values, int n)
{
    qsort(values, (size_t)n, sizeof(values[0]), compare);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void run_load(enum workload load, const struct server *server, int rounds, double scale)
{
    char url[64];
    double mine[ROUNDS_MAX], bare[ROUNDS_MAX], ratio[ROUNDS_MAX];
    int requests = (int)(loads[load].requests * scale);
    struct base base;
    struct ours ours = {.loop = loop_new(), .load = load, .url = url};
    requests = requests < TARGETS ? TARGETS : requests;
    snprintf(url, sizeof(url), "http%s://127.0.0.1:%d/v1/chat/completions", loads[load].tls ? "s" : "", loads[load].tls ? server->tls : server->plain);
    ours.http = http_new(ours.loop, &(struct http_setup){.connections = TARGETS, .ca_file = server->ca_file}, NULL);
    if (ours.http == NULL)
        give_up("http_new");
    for (int i = 0; i < TARGETS; i++)
        ours.target[i] = (struct our_target){.all = &ours, .http = http_target_new(ours.http, NULL)};
    base_open(&base, load, url, server->ca_file);
    our_round(&ours, requests); /* warm: connections, caches, libcurl's CA store */
    base_round(&base, requests);
    for (int i = 0; i < rounds; i++) {
        if (i % 2 == 0)
            mine[i] = our_round(&ours, requests);
        bare[i] = base_round(&base, requests);
        if (i % 2 != 0)
            mine[i] = our_round(&ours, requests);
        ratio[i] = mine[i] / bare[i];
    }
    double of_rounds = middle(ratio, rounds), my_middle = middle(mine, rounds), bare_middle = middle(bare, rounds);
    printf("%s.min %.1f %.1f %.3f\n", loads[load].name, mine[0], bare[0], mine[0] / bare[0]); /* sorted by now */
    printf("%s.median %.1f %.1f %.3f\n", loads[load].name, my_middle, bare_middle, of_rounds);
    fflush(stdout);
    for (int i = 0; i < TARGETS; i++)
        http_target_free(ours.target[i].http);
    http_free(ours.http);
    loop_free(ours.loop);
    base_close(&base);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 15;
    double scale = argc > 2 ? atof(argv[2]) : 1.;
    struct server server;
    uint64_t random = 1;
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    signal(SIGPIPE, SIG_IGN);
    challenge_make(&challenge, &random);
    server_start(&server);
    for (enum workload load = 0; load < LOAD_COUNT; load++)
        run_load(load, &server, rounds, scale);
    server_stop(&server);
    return 0;
}
