/* Bursts over hours and days, in virtual time. SIM_SEED=N plays other worlds; SIM_LOG=1 shows the journal. */
#include "tests/sim/rare.h"

static const char head[] = "vantage: sim\n"
                           "models: {m1: {}, m2: {}}\n"
                           "policies:\n"
                           "  one: {latency: mean, second: 0.0375, money: 0.05}\n"
                           "  many: {latency: p95, second: 0.0375, money: 0.05, capacity: 0.3, concurrency: 8}\n";

/* Two platforms; q is dearer and slower. `burst` and `more` go into the probes and the first platform. */
static struct sim *world(const char *burst, const char *more, const char *rest)
{
    char config[8192];
    snprintf(config, sizeof config,
             "%s"
             "probes:\n"
             "  reach: {interval: 30s, fast: 10s, slow: 5m}\n"
             "  models: {interval: 5m, fast: 1m, slow: 15m}\n"
             "  chat: {interval: 60s, fast: 15s, slow: 10m}\n"
             "  capabilities: {interval: 0s}\n"
             "  burst: %s\n"
             "%s"
             "platforms:\n"
             "  p:\n"
             "    endpoints: [{url: 'https://p.test/v1'}]\n"
             "    key: {required: false}\n"
             "    %s\n"
             "    models:\n"
             "      m1: {price: {input: 0.10 USD/1M, output: 0.40 USD/1M}}\n"
             "      m2: {price: {input: 0.10 USD/1M, output: 0.40 USD/1M}}\n"
             "  q:\n"
             "    endpoints: [{url: 'https://q.test/v1'}]\n"
             "    key: {required: false}\n"
             "    models:\n"
             "      m1: {price: {input: 0.11 USD/1M, output: 0.44 USD/1M}}\n"
             "      m2: {price: {input: 0.11 USD/1M, output: 0.44 USD/1M}}\n",
             head, burst, rest, more);
    struct sim *s = sim_new(config, seed());
    sim_relay(s, "q.test")->ttft_ms = 700;
    return s;
}

/* A route that fails when eight come at once is worse for whoever sends eight at once, and for nobody else; it fades when that has passed. */
static void load_is_seen(void **state)
{
    (void)state;
    struct sim *s = world("{interval: 1h, size: 8}", "", "");
    struct sim_relay *p = sim_relay(s, "p.test");
    p->busy_above = 3;
    p->busy_status = 500;
    sim_run(s, 150 * MINUTES);
    struct explanation e = explain(s, "p", "m1", "many");
    const struct explain_load *load = load_of(&e, "5-16");
    assert_non_null(load);
    double was = load->fails;
    print_message("# after %.0f chats in bursts: %.1f failed, fails %.3f\n", load->ok + load->failed, load->failed, load->fails);
    assert_true(load->failed > 8 && load->ok > 4 && load->limited == 0);
    assert_true(load->fails > 0.2);
    assert_int_equal(e.burst.n, 8);
    assert_int_equal(e.burst.failed, 5);
    assert_int_equal(e.burst.ok, 3);
    assert_true(e.burst.ttft_p50 > 200000 && e.burst.ttft_p95 >= e.burst.ttft_p50 && e.burst.age >= 0);
    assert_string_equal(e.burst.why, "");
    assert_int_equal(sim_row(s, "one", "m1", "p")->state, ROUTE_UP);
    assert_true(sim_row(s, "one", "m1", "p")->availability > 0.99);
    assert_string_equal(sim_first(s, "one", "m1"), "p");
    assert_string_equal(sim_first(s, "many", "m1"), "q");
    e = explain(s, "q", "m1", "many");
    assert_true(load_of(&e, "5-16")->fails < 0.02);
    p->busy_above = 0;
    sim_run(s, 2 * DAYS);
    e = explain(s, "p", "m1", "many");
    assert_true(load_of(&e, "5-16")->fails < was / 4);
    assert_string_equal(sim_first(s, "many", "m1"), "p");
    sim_free(s);
}

/* Many at once that only take longer: the policy's own latency is that. */
static void load_takes_longer(void **state)
{
    (void)state;
    struct sim *s = world("{interval: 1h, size: 8}", "", "");
    sim_relay(s, "p.test")->busy_above = 1;
    sim_relay(s, "p.test")->busy_slower = 4;
    sim_run(s, 5 * HOURS);
    struct explanation e = explain(s, "p", "m1", "many");
    print_message("# first tokens with eight in flight: %.2f times longer; last burst p50 %lld ms p95 %lld ms\n", load_of(&e, "5-16")->slower,
                  (long long)e.burst.ttft_p50 / 1000, (long long)e.burst.ttft_p95 / 1000);
    assert_true(load_of(&e, "5-16")->slower > 0.8);
    assert_true(load_of(&e, "5-16")->fails < 0.02);
    assert_string_equal(sim_first(s, "many", "m1"), "q");
    assert_string_equal(sim_first(s, "one", "m1"), "p");
    sim_free(s);
}

/* 429 in a burst: known for so many in flight; the route is not limited, its cap whole, and its next chat comes after the minute. */
static void refused_in_a_burst(void **state)
{
    (void)state;
    struct sim *s = world("{interval: 1h, size: 8}", "", "");
    struct sim_relay *p = sim_relay(s, "p.test");
    p->busy_above = 4;
    p->busy_status = 429;
    sim_run(s, 3 * HOURS);
    struct explanation e = explain(s, "p", "m1", "many");
    assert_int_equal(e.burst.limited, 4);
    assert_true(load_of(&e, "5-16")->refused > 0.1 && load_of(&e, "5-16")->fails < 0.05);
    assert_true(e.share_cap > 0.99);
    assert_int_equal(sim_row(s, "one", "m1", "p")->state, ROUTE_UP);
    kick(s, "p", "m1", PROBE_BURST);
    assert_true(until_busy(s, p, 8, 5 * MINUTES));
    sim_run(s, 10 * SECONDS);
    size_t pi, ri;
    indices(s, "p", "m1", &pi, &ri);
    struct prober_route_report report;
    prober_report_route(prober(s), pi, ri, &report);
    assert_true(report.next > sim_now(s) + 40 * SECONDS);
    sim_run(s, 5 * MINUTES);
    assert_int_equal(sim_row(s, "one", "m1", "p")->state, ROUTE_UP);
    /* It goes on refusing afterwards: now it is the route's, and counts as ever. */
    p->status = 429;
    sim_run(s, 10 * MINUTES);
    e = explain(s, "p", "m1", "many");
    assert_true(e.share_cap < 0.6);
    sim_free(s);
}

/* A burst is no larger than its platform allows, says so, and every chat has a connection of its own. */
static void size_and_connections(void **state)
{
    (void)state;
    struct sim *s = world("{interval: 2h, size: 20}", "concurrency: 5", "");
    struct sim_relay *p = sim_relay(s, "p.test");
    sim_run(s, 30 * MINUTES);
    unsigned long connections = p->connections, chats = p->chats;
    sim_run(s, 2 * HOURS + 10 * MINUTES);
    struct explanation e = explain(s, "p", "m1", "many");
    assert_int_equal(e.burst.n, 5);
    assert_string_equal(e.burst.why, "20 were asked for; the platform's concurrency allows 5 probes at once");
    assert_int_equal(p->in_flight_most, 5);
    assert_true(p->connections - connections >= 10 && p->connections - connections <= 12);
    assert_true(p->chats - chats > 100);
    size_t pi, ri;
    struct prober_burst_report report;
    indices(s, "p", "m1", &pi, &ri);
    prober_report_burst(prober(s), pi, ri, &report);
    assert_non_null(strstr(report.why, "20 were asked for"));
    assert_true(report.next_at > sim_now(s));
    sim_free(s);

    s = world("{interval: 1h, size: 8}", "concurrency: 1", "");
    sim_run(s, 3 * HOURS);
    e = explain(s, "p", "m1", "many");
    assert_int_equal(e.burst.n, 0);
    assert_int_equal(sim_relay(s, "p.test")->chats_most, 1);
    indices(s, "p", "m1", &pi, &ri);
    prober_report_burst(prober(s), pi, ri, &report);
    assert_string_equal(report.why, "the concurrency allows one probe at a time");
    sim_free(s);
}

/* One burst in all at a time; it begins when its platform is at rest, and others go on meanwhile. */
static void one_at_a_time(void **state)
{
    (void)state;
    struct sim *s = world("{interval: 6h, size: 6}", "", "");
    struct sim_relay *p = sim_relay(s, "p.test"), *q = sim_relay(s, "q.test");
    unsigned seen = 0;
    sim_run(s, 20 * MINUTES);
    p->in_flight_most = q->in_flight_most = 0;
    kick(s, "p", "m1", PROBE_BURST);
    kick(s, "p", "m2", PROBE_BURST);
    kick(s, "q", "m1", PROBE_BURST);
    kick(s, "q", "m2", PROBE_BURST);
    for (int i = 0; i < 6000; i++) {
        sim_run(s, 10 * USEC_PER_MSEC);
        assert_true(p->chats_now <= 2 || q->chats_now <= 2);
        seen += p->chats_now == 6 || q->chats_now == 6;
    }
    assert_true(seen > 10);
    assert_true(p->in_flight_most <= 8 && q->in_flight_most <= 8);
    for (int i = 0; i < 4; i++) {
        struct explanation e = explain(s, i < 2 ? "p" : "q", i % 2 ? "m1" : "m2", "many");
        assert_int_equal(e.burst.n, 6);
        assert_int_equal(e.burst.ok, 6);
    }
    sim_free(s);
}

/* A platform that is never at rest: after ten minutes free places will do, within the cap; where there are none it is given up, and says so. */
static void never_quiet(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++) {
        char config[2048];
        snprintf(config, sizeof config,
                 "vantage: sim\n"
                 "models: {a: {}, b: {}, c: {}, d: {}, e: {}, f: {}, g: {}, h: {}}\n"
                 "policies: {one: {latency: mean, second: 0.0375, money: 0.05}}\n"
                 "probes:\n"
                 "  chat: {interval: 20s, fast: 20s, timeouts: {first: 19s, total: 19s}}\n"
                 "  capabilities: {interval: 0s}\n"
                 "  burst: {interval: 300d, size: %d}\n"
                 "platforms:\n"
                 "  p:\n"
                 "    endpoints: [{url: 'https://p.test/v1'}]\n"
                 "    key: {required: false}\n"
                 "    concurrency: 10\n"
                 "    models: {a: {%s}, b: {%s}, c: {%s}, d: {%s}, e: {%s}, f: {%s}, g: {%s}, h: {%s}}\n",
                 large ? 10 : 4, PRICE, PRICE, PRICE, PRICE, PRICE, PRICE, PRICE, PRICE);
        struct sim *s = sim_new(config, 7);
        struct sim_relay *p = sim_relay(s, "p.test");
        p->ttft_ms = 16000;
        p->sigma = 0.02;
        sim_run(s, 10 * MINUTES);
        kick(s, "p", "a", PROBE_BURST);
        sim_run(s, 9 * MINUTES);
        struct explanation e = explain(s, "p", "a", "one");
        assert_int_equal(e.burst.n, 0);
        sim_run(s, 16 * MINUTES);
        assert_true(p->in_flight_most <= 10);
        e = explain(s, "p", "a", "one");
        assert_int_equal(e.burst.n, large ? 0 : 4);
        size_t pi, ri;
        struct prober_burst_report report;
        indices(s, "p", "a", &pi, &ri);
        prober_report_burst(prober(s), pi, ri, &report);
        assert_string_equal(report.why, large ? "the platform was never quiet enough" : "");
        sim_free(s);
    }
}

/* None where the route is not up, or our own network fails. */
static void only_when_up(void **state)
{
    (void)state;
    struct sim *s = world("{interval: 1h, size: 8}", "", "self_check: ['https://anchor.test/']\n");
    struct sim_relay *p = sim_relay(s, "p.test");
    sim_run(s, 90 * MINUTES);
    p->break_with = OUTCOME_REFUSED;
    sim_run(s, 10 * MINUTES);
    assert_int_equal(sim_row(s, "one", "m1", "p")->state, ROUTE_DOWN);
    p->chats_most = 0;
    sim_run(s, 5 * HOURS);
    assert_true(p->chats_most <= 2);
    size_t pi, ri;
    struct prober_burst_report report;
    indices(s, "p", "m1", &pi, &ri);
    prober_report_burst(prober(s), pi, ri, &report);
    assert_string_equal(report.why, "not probed: the route is not up");
    p->break_with = OUTCOME_OK;
    sim_run(s, 4 * HOURS);
    assert_int_equal(p->chats_most, 8);

    static const char *const hosts[] = {"p.test", "q.test", "anchor.test"};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        sim_relay(s, hosts[i])->break_with = OUTCOME_UNREACHABLE;
    sim_run(s, 5 * MINUTES);
    sim_relay(s, "q.test")->chats_most = 0;
    kick(s, "q", "m1", PROBE_BURST);
    sim_run(s, 30 * MINUTES);
    assert_true(sim_relay(s, "q.test")->chats_most <= 2);
    indices(s, "q", "m1", &pi, &ri);
    prober_report_burst(prober(s), pi, ri, &report);
    assert_string_equal(report.why, "not probed: our own network fails");
    sim_free(s);
}

/* The relay itself goes down just then: its failures are an outage, and no load. */
static void outage_in_the_midst(void **state)
{
    (void)state;
    struct sim *s = world("{interval: 10h, size: 8}", "", "");
    struct sim_relay *p = sim_relay(s, "p.test");
    sim_run(s, 60 * MINUTES);
    kick(s, "p", "m1", PROBE_BURST);
    assert_true(until_busy(s, p, 8, 20 * SECONDS));
    p->status = 503;
    sim_run(s, 30 * SECONDS);
    struct explanation e = explain(s, "p", "m1", "many");
    const struct explain_load *load = load_of(&e, "5-16");
    assert_true(!load || load->failed == 0);
    assert_int_equal(e.burst.failed, 8);
    assert_string_equal(e.burst.why, "the route fails by itself too: its failures say nothing about load");
    p->status = 0;
    sim_run(s, 30 * MINUTES);
    /* And a burst that fails where single chats do not. */
    p->busy_above = 2;
    p->busy_status = 503;
    kick(s, "p", "m1", PROBE_BURST);
    assert_true(until_busy(s, p, 8, 20 * MINUTES));
    sim_run(s, 30 * SECONDS);
    e = explain(s, "p", "m1", "many");
    assert_int_equal(e.burst.failed, 6);
    assert_true(load_of(&e, "5-16")->failed > 5);
    assert_string_equal(e.burst.why, "");
    sim_free(s);
}

/* Our network dies in the midst of a burst: it says nothing about the relay. */
static void local_in_the_midst(void **state)
{
    (void)state;
    struct sim *s = world("{interval: 10h, size: 8}", "", "self_check: ['https://anchor.test/']\n");
    struct sim_relay *p = sim_relay(s, "p.test");
    p->connect_ms = 800;
    sim_run(s, 30 * MINUTES);
    static const char *const hosts[] = {"p.test", "q.test", "anchor.test"};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        sim_relay(s, hosts[i])->break_with = OUTCOME_UNREACHABLE;
    kick(s, "p", "m1", PROBE_BURST);
    assert_true(until_busy(s, p, 8, 20 * SECONDS));
    sim_run(s, 1 * MINUTES);
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        sim_relay(s, hosts[i])->break_with = OUTCOME_OK;
    sim_run(s, 10 * MINUTES);
    struct explanation e = explain(s, "p", "m1", "many");
    const struct explain_load *load = load_of(&e, "5-16");
    assert_true(!load || load->failed == 0);
    assert_int_equal(e.burst.failed, 0);
    assert_true(settles(s));
    sim_free(s);
}

/* What does not fit in the budget is not sent and says why; a crash in the midst of a burst refills nothing. */
static void money(void **state)
{
    (void)state;
    struct sim *s = world("{interval: 1h, size: 8}", "", "budget: 0.0008 USD/day\n");
    sim_run(s, 24 * HOURS);
    assert_true(spent(s) <= 0.0008);
    size_t pi, ri;
    struct prober_burst_report report;
    bool told = false;
    for (size_t i = 0; i < 4 && !told; i++) {
        indices(s, i < 2 ? "p" : "q", i % 2 ? "m1" : "m2", &pi, &ri);
        prober_report_burst(prober(s), pi, ri, &report);
        told = strstr(report.why, "8 chats at once were not paid for: ") || strstr(report.why, "not probed: ");
    }
    print_message("# %s\n", report.why);
    assert_true(told);
    sim_free(s);

    s = world("{interval: 10h, size: 8}", "", "budget: 1 USD/day\n");
    struct sim_relay *p = sim_relay(s, "p.test");
    sim_run(s, 30 * MINUTES);
    for (int i = 0; i < 5; i++) {
        double before = spent(s);
        kick(s, "p", "m1", PROBE_BURST);
        assert_true(until_busy(s, p, 8, 5 * MINUTES));
        double reserved = spent(s);
        assert_true(reserved > before + 8 * (80 * 0.10 + 6 * 0.40) / 1e6);
        sim_crash(s);
        assert_true(spent(s) >= reserved - 1e-12);
        assert_true(settles(s));
        sim_run(s, 5 * MINUTES);
    }
    /* One that ends well is settled at what it cost. */
    double before = spent(s);
    unsigned long chats = p->chats + sim_relay(s, "q.test")->chats;
    kick(s, "p", "m1", PROBE_BURST);
    assert_true(until_busy(s, p, 8, 5 * MINUTES));
    assert_true(settles(s));
    double cost = (double)(p->chats + sim_relay(s, "q.test")->chats - chats) * (80 * 0.11 + 6 * 0.44) / 1e6;
    assert_true(spent(s) - before <= cost + 1e-9);
    sim_free(s);
}

/* A reload in the midst of a burst: it goes on where the route is the same, and is given up where it is not; nothing is left behind. */
static void reload_in_the_midst(void **state)
{
    (void)state;
    struct sim *s = world("{interval: 10h, size: 8}", "", "");
    struct sim_relay *p = sim_relay(s, "p.test");
    char config[8192], *upstream;
    sim_run(s, 30 * MINUTES);
    read_config(s, config, sizeof config - 63);

    kick(s, "p", "m1", PROBE_BURST);
    assert_true(until_busy(s, p, 8, 5 * MINUTES));
    for (int i = 0; i < 5; i++)
        assert_int_equal(sim_reload(s, config), 0);
    assert_int_equal(p->chats_now, 8);
    assert_true(prober_stats(prober(s)).in_flight >= 8);
    assert_true(settles(s));
    struct explanation e = explain(s, "p", "m1", "many");
    assert_int_equal(e.burst.ok, 8);
    usec_t at = sim_now(s) - e.burst.age;

    kick(s, "p", "m1", PROBE_BURST);
    assert_true(until_busy(s, p, 8, 5 * MINUTES));
    upstream = strstr(config, "      m1: {price");
    memmove(upstream + strlen("      m1: {upstream: m3, price"), upstream + strlen("      m1: {price"), strlen(upstream + strlen("      m1: {price")) + 1);
    memcpy(upstream, "      m1: {upstream: m3, price", strlen("      m1: {upstream: m3, price"));
    assert_int_equal(sim_reload(s, config), 0);
    assert_true(p->chats_now <= 1);
    assert_true(prober_stats(prober(s)).in_flight <= 2);
    assert_true(settles(s));
    e = explain(s, "p", "m1", "many");
    print_message("# burst of %u, %u ok, %.0f s after the one before\n", e.burst.n, e.burst.ok, (double)(sim_now(s) - e.burst.age - at) / 1e6);

    for (int i = 0; i < 60; i++) { /* at any moment */
        kick(s, "p", "m2", PROBE_BURST);
        sim_run(s, 170 * USEC_PER_MSEC);
        assert_int_equal(sim_reload(s, config), 0);
    }
    assert_true(settles(s));
    sim_run(s, 20 * MINUTES);
    assert_int_equal(sim_row(s, "one", "m2", "p")->state, ROUTE_UP);
    sim_free(s);
}

int main(void)
{
    print_message("# SIM_SEED=%llu\n", (unsigned long long)seed());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load_is_seen), cmocka_unit_test(load_takes_longer), cmocka_unit_test(refused_in_a_burst),
        cmocka_unit_test(size_and_connections), cmocka_unit_test(one_at_a_time), cmocka_unit_test(only_when_up),
        cmocka_unit_test(local_in_the_midst), cmocka_unit_test(money), cmocka_unit_test(reload_in_the_midst),
        cmocka_unit_test(outage_in_the_midst), cmocka_unit_test(never_quiet),
    };
    return cmocka_run_group_tests_name("bursts in virtual time", tests, NULL, NULL);
}
