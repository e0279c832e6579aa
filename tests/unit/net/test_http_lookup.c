/* Names: a resolver that hangs must stop nobody, look-ups are capped, and who waits for one is told the truth.
 *
 * libcurl's getaddrinfo is the one below: *.hang hangs until it is let go, *.none does not exist, everything else is 127.0.0.1. */
#include "tests/unit/net/peer.h"

#include <netdb.h>

static atomic_int lookups, hanging, hanging_most;
static atomic_bool let_go;

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), e = strlen(end);
    return n >= e && strcmp(name + n - e, end) == 0;
}

static void hang(void)
{
    int now = atomic_fetch_add(&hanging, 1) + 1, most = atomic_load(&hanging_most);
    while (now > most && !atomic_compare_exchange_weak(&hanging_most, &most, now)) {
    }
    usec_t until = test_clock() + PEER_PATIENCE;
    while (!atomic_load(&let_go) && test_clock() < until)
        test_sleep(2 * MSEC);
    atomic_fetch_sub(&hanging, 1);
}

struct found { /* freed in one piece by our freeaddrinfo */
    struct addrinfo info;
    struct sockaddr_in address;
};

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
    (void)hints;
    atomic_fetch_add(&lookups, 1);
    if (ends_in(node, ".hang"))
        hang();
    if (ends_in(node, ".slow"))
        test_sleep(60 * MSEC);
    if (ends_in(node, ".none") || ends_in(node, ".hang"))
        return EAI_NONAME;
    struct found *f = alloc_zero(1, sizeof(*f));
    f->address = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(service != NULL ? service : "0")), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    f->info = (struct addrinfo){.ai_family = AF_INET,
                                .ai_socktype = SOCK_STREAM,
                                .ai_protocol = IPPROTO_TCP,
                                .ai_addrlen = sizeof(f->address),
                                .ai_addr = (struct sockaddr *)(void *)&f->address};
    *ret = &f->info;
    return 0;
}

void freeaddrinfo(struct addrinfo *info)
{
    free(info);
}

static int setup(void **state)
{
    (void)state;
    atomic_store(&lookups, 0);
    atomic_store(&hanging_most, 0);
    atomic_store(&let_go, false);
    return 0;
}

/* Threads that were given up must be gone before the program ends. */
static int teardown(void **state)
{
    (void)state;
    atomic_store(&let_go, true);
    usec_t until = test_clock() + PEER_PATIENCE;
    while (atomic_load(&hanging) > 0 && test_clock() < until)
        test_sleep(1000);
    test_sleep(20 * MSEC); /* from our counter to the end of libcurl's thread */
    return atomic_load(&hanging);
}

static void test_name_is_looked_up(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_hello, NULL);
    world_open(&w);
    const struct http_result *r = world_get(&w, peer_url(p, "relay.slow"));
    assert_outcome(r, STAGE_DONE, OUTCOME_OK);
    assert_in_range(r->dns, 59 * MSEC, PEER_PATIENCE);
    assert_true(r->connect < r->dns);
    assert_int_equal(atomic_load(&lookups), 1);
    /* No cache: a fresh request looks it up again, a kept connection does not. */
    assert_true(world_get(&w, peer_url(p, "relay.slow"))->reused);
    assert_int_equal(atomic_load(&lookups), 1);
    struct http_request request = world_request(&w, peer_url(p, "relay.slow"));
    request.fresh = true;
    r = world_ask(&w, &request);
    assert_in_range(r->dns, 59 * MSEC, PEER_PATIENCE);
    assert_int_equal(atomic_load(&lookups), 2);
    assert_int_equal(http_stats(w.http).resolving, 0);
    world_close(&w);
    peer_stop(p);
}

static void test_unknown_name(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    const struct http_result *r = world_get(&w, "http://relay.none/");
    assert_outcome(r, STAGE_DNS, OUTCOME_RESOLVE);
    assert_true(r->dns == -1 || r->dns >= 0);
    assert_int_equal(http_stats(w.http).resolving, 0);
    world_close(&w);
}

static void test_a_hanging_resolver_does_not_stop_the_loop(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct http_request request = world_request(&w, "http://relay.hang/");
    request.connect_timeout = 150 * MSEC;
    usec_t began = test_clock();
    const struct http_result *r = world_ask(&w, &request);
    usec_t took = test_clock() - began;
    assert_outcome(r, STAGE_DNS, OUTCOME_TIMEOUT);
    assert_in_range(took, 150 * MSEC, PEER_SLOW);
    assert_true(loop_stats(w.loop).worst < 1000 * MSEC); /* it would hang for a minute */
    assert_int_equal(atomic_load(&hanging), 1);
    assert_int_equal(http_stats(w.http).resolving, 1); /* its thread still counts */
    /* The same by http_cancel, by http_target_free, and at the end of all. */
    struct http_result canceled;
    assert_int_equal(http_start(w.target, &request, NULL), 0);
    test_await(&lookups, 1);
    http_cancel(w.target, &canceled);
    assert_int_equal(canceled.kind, OUTCOME_CANCELED);
    assert_int_equal(canceled.stage, STAGE_DNS);
    assert_int_equal(http_start(w.target, &request, NULL), 0);
    began = test_clock();
    w.target = http_target_free(w.target);
    world_close(&w);
    assert_true(test_clock() - began < PEER_SLOW);
}

struct crowd {
    struct world *w;
    struct http_target *target[40];
    int left, timeouts, local, ok;
};

static void crowd_done(void *arg, const struct http_result *result)
{
    struct crowd *c = arg;
    c->timeouts += result->kind == OUTCOME_TIMEOUT && result->stage == STAGE_DNS;
    c->local += result->kind == OUTCOME_LOCAL && result->stage == STAGE_QUEUE && result->started == result->ended;
    c->ok += result->kind == OUTCOME_OK;
    if (--c->left == 0 && !http_busy(c->w->target))
        loop_stop(c->w->loop);
}

/* The one beside the crowd: the loop stops when all are done. */
static void other_done(void *arg, const struct http_result *result)
{
    struct crowd *c = arg;
    c->w->done++;
    c->w->result = *result;
    if (c->left == 0)
        loop_stop(c->w->loop);
}

static void other_start(struct crowd *c, const char *url)
{
    struct http_request request = world_request(c->w, url);
    request.fresh = true;
    request.on_data = NULL;
    request.on_done = other_done;
    request.arg = c;
    assert_int_equal(http_start(c->w->target, &request, NULL), 0);
}

static void crowd_start(struct crowd *c, const char *url, int n, usec_t connect, usec_t total)
{
    c->left = n;
    for (int i = 0; i < n; i++) {
        struct http_request request = world_request(c->w, url);
        request.fresh = true; /* or they would go on with each other's connections */
        request.connect_timeout = connect;
        request.total_timeout = total;
        request.on_data = NULL;
        request.on_done = crowd_done;
        request.arg = c;
        c->target[i] = http_target_new(c->w->http, NULL);
        assert_int_equal(http_start(c->target[i], &request, NULL), 0);
    }
}

/* 4 slots: no more than 4 threads hang, the slots of those given up stay taken, and the others end as a failure of ours. */
static void test_lookups_are_capped(void **state)
{
    (void)state;
    struct world w;
    world_open_with(&w, &(struct http_setup){.connections = 10, .dns_concurrency = 4});
    struct crowd crowd = {.w = &w};
    crowd_start(&crowd, "http://relay.hang/", 40, 100 * MSEC, 400 * MSEC);
    world_run(&w);
    assert_int_equal(crowd.timeouts, 4);
    assert_int_equal(crowd.local, 36);
    assert_int_equal(atomic_load(&hanging_most), 4);
    assert_int_equal(http_stats(w.http).resolving, 4);
    /* Addresses need no look-up: they go on as ever. */
    struct peer *p = peer_start(serve_hello, NULL);
    assert_outcome(world_get(&w, peer_url(p, "127.0.0.1")), STAGE_DONE, OUTCOME_OK);
    for (int i = 0; i < 40; i++)
        http_target_free(crowd.target[i]);
    world_close(&w);
    peer_stop(p);
}

/* Waiting comes before `started`: nobody's times suffer from it. */
static void test_waiting_is_not_counted(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_hello, NULL);
    world_open_with(&w, &(struct http_setup){.connections = 100, .dns_concurrency = 2});
    struct crowd crowd = {.w = &w};
    usec_t began = loop_now_fresh(w.loop);
    crowd_start(&crowd, peer_url(p, "relay.slow"), 10, 20 * USEC_PER_SEC, 40 * USEC_PER_SEC);
    other_start(&crowd, peer_url(p, "relay.slow")); /* the 11th in line */
    world_run(&w);
    assert_int_equal(w.done, 1);
    assert_int_equal(w.result.kind, OUTCOME_OK);
    assert_in_range(w.result.started - began, 5 * 59 * MSEC, PEER_PATIENCE);
    assert_true(w.result.dns < w.result.started - began);
    assert_int_equal(crowd.ok, 10);
    assert_int_equal(http_stats(w.http).resolving, 0);
    for (int i = 0; i < 10; i++)
        http_target_free(crowd.target[i]);
    world_close(&w);
    peer_stop(p);
}

static void serve_one(struct line *l)
{
    if (line_request(l))
        line_say(l, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/* A connection that was thought to be kept is gone, and there is no slot for the look-up that it now takes: nothing is lost, it waits for one. */
static void test_a_kept_connection_that_is_gone_waits_in_line(void **state)
{
    (void)state;
    struct world w;
    struct peer *p = peer_start(serve_one, NULL);
    world_open_with(&w, &(struct http_setup){.connections = 10, .dns_concurrency = 1});
    assert_outcome(world_get(&w, peer_url(p, "relay.test")), STAGE_DONE, OUTCOME_OK);
    test_await(&p->ended, 1);
    struct crowd crowd = {.w = &w};
    crowd_start(&crowd, peer_url(p, "relay.slow"), 1, 20 * USEC_PER_SEC, 20 * USEC_PER_SEC); /* takes the only slot */
    struct http_request request = world_request(&w, peer_url(p, "relay.test"));
    request.on_data = NULL;
    request.on_done = other_done;
    request.arg = &crowd;
    assert_int_equal(http_start(w.target, &request, NULL), 0);
    usec_t began = loop_now_fresh(w.loop);
    world_run(&w);
    assert_int_equal(w.done, 2);
    assert_outcome(&w.result, STAGE_DONE, OUTCOME_OK);
    assert_false(w.result.reused);
    assert_in_range(w.result.started - began, 50 * MSEC, PEER_PATIENCE); /* it had waited for the slow one */
    assert_int_equal(crowd.ok, 1);
    assert_int_equal(http_stats(w.http).resolving, 0);
    assert_int_equal(http_stats(w.http).started, 3);
    http_target_free(crowd.target[0]);
    world_close(&w);
    peer_stop(p);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_name_is_looked_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_hanging_resolver_does_not_stop_the_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lookups_are_capped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waiting_is_not_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_kept_connection_that_is_gone_waits_in_line, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
