/* Tries of capabilities over days, in virtual time, and probes whose reservation takes its time. SIM_SEED=N plays other worlds; SIM_LOG=1 shows the journal. */
#include "tests/sim/rare.h"

static struct sim *able_world(const char *probe, const char *policies, const char *models, const char *rest)
{
    char config[8192];
    snprintf(config, sizeof config,
             "vantage: sim\n"
             "models: {gpt-4o: {}%s%s}\n"
             "policies:\n"
             "  plain: {latency: mean, second: 0.0375, money: 0.05}\n"
             "%s"
             "probes:\n"
             "  chat: {interval: 60s, fast: 15s, slow: 10m}\n"
             "  capabilities: %s\n"
             "%s"
             "platforms:\n"
             "  p:\n"
             "    endpoints: [{url: 'https://p.test/v1'}]\n"
             "    key: {required: false}\n"
             "    models: {%s}\n",
             strstr(models, "claude-3-haiku") ? ", claude-3-haiku: {}" : "", strstr(models, "gpt-4o-mini") ? ", gpt-4o-mini: {}" : "", policies,
             probe, rest, models);
    return sim_new(config, seed());
}

static struct prober_capabilities_report report(struct sim *s, const char *model)
{
    struct prober_capabilities_report r;
    size_t p, m;
    indices(s, "p", model, &p, &m);
    prober_report_capabilities(prober(s), p, m, &r);
    return r;
}

/* Declared ones are tried at once; a refusal counts when it came twice; a policy that requires it leaves the route then, and takes it back later. */
static void declared_and_refused(void **state)
{
    (void)state;
    struct sim *s = able_world("{interval: 7d}", "  seeing: {latency: mean, second: 0.0375, money: 0.05, require: [vision]}\n",
                               "gpt-4o: {" PRICE ", capabilities: [vision, tools]}", "");
    struct sim_relay *p = sim_relay(s, "p.test");
    p->unable = " vision ";
    sim_run(s, 20 * MINUTES);
    struct prober_capabilities_report r = report(s, "gpt-4o");
    for (int i = 0; i < CAPABILITY_COUNT; i++)
        print_message("# %s: %s, %s\n", capability_name((enum capability)i), capability_state_name(r.known.of[i].state), r.known.of[i].evidence);
    assert_int_equal(r.known.of[CAPABILITY_STREAM].state, CAPABILITY_YES);
    assert_int_equal(r.known.of[CAPABILITY_USAGE].state, CAPABILITY_YES);
    assert_int_equal(r.known.of[CAPABILITY_TOOLS].state, CAPABILITY_YES);
    assert_int_equal(r.known.of[CAPABILITY_JSON].state, CAPABILITY_YES);
    assert_int_equal(r.known.of[CAPABILITY_VISION].state, CAPABILITY_UNCLEAR);
    assert_int_equal(r.known.of[CAPABILITY_EMBEDDINGS].state, CAPABILITY_UNTESTED);
    assert_true(r.declared[CAPABILITY_VISION] && !r.declared[CAPABILITY_JSON]);
    assert_true(r.next_at >= sim_now(s) + 30 * MINUTES && r.next_at <= sim_now(s) + 2 * HOURS);
    assert_int_equal(sim_row(s, "seeing", "gpt-4o", "p")->slots, TABLE_SLOTS);
    unsigned long tries = p->tries;
    sim_run(s, 2 * HOURS);
    assert_int_equal(p->tries, tries + 1); /* the one that is open */
    r = report(s, "gpt-4o");
    assert_int_equal(r.known.of[CAPABILITY_VISION].state, CAPABILITY_NO);
    assert_non_null(strstr(r.known.of[CAPABILITY_VISION].evidence, "refused, 400: "));
    assert_int_equal(sim_row(s, "seeing", "gpt-4o", "p")->slots, 0);
    assert_int_equal(sim_row(s, "seeing", "gpt-4o", "p")->reason, REASON_REQUIREMENT);
    struct explanation e = explain(s, "p", "gpt-4o", "seeing");
    assert_string_equal(e.reason_why, "measured: no vision");
    assert_int_equal(sim_row(s, "plain", "gpt-4o", "p")->slots, TABLE_SLOTS);
    assert_true(sim_row(s, "plain", "gpt-4o", "p")->availability > 0.98);
    p->unable = NULL;
    sim_run(s, 9 * DAYS);
    assert_int_equal(report(s, "gpt-4o").known.of[CAPABILITY_VISION].state, CAPABILITY_YES);
    assert_int_equal(sim_row(s, "seeing", "gpt-4o", "p")->slots, TABLE_SLOTS);
    assert_in_range(p->tries, 7, 16);
    sim_free(s);
}

/* What nobody declared counts when it was seen. */
static void measured_is_as_good(void **state)
{
    (void)state;
    struct sim *s = able_world("{interval: 7d}", "  acting: {latency: mean, second: 0.0375, money: 0.05, require: [tools]}\n",
                               "gpt-4o: {" PRICE ", capabilities: [tools]}, claude-3-haiku: {" PRICE "}", "");
    sim_relay(s, "p.test")->unable = " json ";
    sim_relay(s, "p.test")->deaf = true;
    sim_run(s, 3 * MINUTES);
    assert_int_equal(sim_row(s, "acting", "claude-3-haiku", "p")->slots, 0);
    sim_run(s, 150 * MINUTES);
    assert_int_equal(report(s, "claude-3-haiku").known.of[CAPABILITY_TOOLS].state, CAPABILITY_YES);
    assert_int_equal(sim_row(s, "acting", "claude-3-haiku", "p")->slots, TABLE_SLOTS);
    assert_int_equal(report(s, "claude-3-haiku").known.of[CAPABILITY_JSON].state, CAPABILITY_NO); /* not declared: once is enough */
    assert_non_null(strstr(report(s, "claude-3-haiku").known.of[CAPABILITY_JSON].evidence, "no JSON: ```json"));
    sim_free(s);
}

/* One route a platform and hour, whatever is wanted. */
static void one_an_hour(void **state)
{
    (void)state;
    struct sim *s = able_world("{interval: 7d}", "",
                               "gpt-4o: {" PRICE ", capabilities: [tools]}, claude-3-haiku: {" PRICE ", capabilities: [tools]}, gpt-4o-mini: {" PRICE
                               ", capabilities: [tools]}",
                               "");
    struct sim_relay *p = sim_relay(s, "p.test");
    unsigned long before = 0;
    for (int hour = 0; hour < 6; hour++) {
        sim_run(s, 1 * HOURS);
        assert_true(p->tries - before <= 8); /* four requests a route; two trials can touch an hour */
        before = p->tries;
    }
    assert_int_equal(p->tries, 12);
    assert_int_equal(p->in_flight_most > 3, 0);
    sim_free(s);
}

/* Errors that say nothing are unclear, never no; what is declared stands. */
static void errors_are_unclear(void **state)
{
    (void)state;
    static const int statuses[] = {500, 429, 401};
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        struct sim *s = able_world("{interval: 7d}", "  seeing: {latency: mean, second: 0.0375, money: 0.05, require: [vision]}\n",
                                   "gpt-4o: {" PRICE "}", "");
        sim_run(s, 30 * SECONDS);
        struct sim_relay *p = sim_relay(s, "p.test");
        p->status = statuses[i];
        p->status_share = 0.5;
        p->body = statuses[i] == 500 ? "{\"error\":{\"message\":\"image processing failed\"}}" : NULL;
        sim_run(s, 10 * DAYS);
        struct prober_capabilities_report r = report(s, "gpt-4o");
        for (int c = 0; c < CAPABILITY_COUNT; c++)
            assert_true(r.known.of[c].state != CAPABILITY_NO);
        sim_free(s);
    }
}

/* No money, no try: it says so, and comes when there is some. */
static void unpaid_tries(void **state)
{
    (void)state;
    struct sim *s = able_world("{interval: 7d}", "", "gpt-4o: {" PRICE ", capabilities: [vision]}", "budget: 0.00015 USD/day\n");
    sim_run(s, 3 * DAYS);
    assert_true(spent(s) <= 0.00015);
    struct prober_capabilities_report r = report(s, "gpt-4o");
    print_message("# %s\n", r.why);
    assert_true(r.why[0] != '\0');
    assert_true(r.next_at > 0);
    assert_int_equal(r.known.of[CAPABILITY_VISION].state, CAPABILITY_UNTESTED);
    sim_free(s);
}

/* Reloads in the midst of a trial, at any moment: it ends all the same, once. */
static void reload_in_a_trial(void **state)
{
    (void)state;
    struct sim *s = able_world("{interval: 7d}", "", "gpt-4o: {" PRICE ", capabilities: [vision, tools]}, claude-3-haiku: {" PRICE "}", "");
    char config[8192];
    read_config(s, config, sizeof config);
    for (int i = 0; i < 300; i++) {
        sim_run(s, 370 * USEC_PER_MSEC);
        assert_int_equal(sim_reload(s, config), 0);
    }
    sim_run(s, 10 * MINUTES);
    struct prober_capabilities_report r = report(s, "gpt-4o");
    assert_int_equal(r.known.of[CAPABILITY_VISION].state, CAPABILITY_YES);
    assert_int_equal(r.known.of[CAPABILITY_STREAM].state, CAPABILITY_YES);
    assert_int_equal(sim_relay(s, "p.test")->tries, 4);
    usec_t next = r.next_at;
    assert_int_equal(sim_reload(s, config), 0);
    assert_true(report(s, "gpt-4o").next_at == next);
    assert_true(settles(s));
    sim_free(s);
}

/* Two models of different makers that answer open questions alike are told, after two questions; honest ones never are, nor is one model under two names. */
static void same_answers(void **state)
{
    (void)state;
    for (int honest = 0; honest < 2; honest++) {
        struct sim *s = able_world("{interval: 2d}", "", "gpt-4o: {" PRICE "}, claude-3-haiku: {" PRICE "}, gpt-4o-mini: {" PRICE "}", "");
        sim_relay(s, "p.test")->same_words = !honest;
        sim_run(s, 6 * DAYS);
        static const char *const models[] = {"gpt-4o", "claude-3-haiku", "gpt-4o-mini"};
        for (size_t i = 0; i < ARRAY_LEN(models); i++) {
            struct ranker *r = daemon_ranker(sim_daemon(s));
            const struct honesty_signal *signal = &ranker_honesty(r, ranker_find(r, "p", models[i]))->signal[HONESTY_SAME_ANSWER];
            print_message("# %s %s: %u of %u, %s\n", honest ? "honest" : "alike", models[i], signal->count, signal->of, signal->evidence);
            assert_true(honest ? signal->count == 0 : signal->count > 0);
            assert_true(honest || strstr(signal->evidence, "to the letter what "));
        }
        sim_free(s);
    }
}

/* --- with a reservation that takes its time ------------------------------------------------------------------------------------------ */

struct slow { /* an owner whose reservations are written down when it says so */
    uint64_t tickets[64];
    size_t len;
    unsigned bursts, observed, settled, known;
    int64_t reserved, cost;
};

static void slow_observed(void *arg, size_t platform, size_t route, const struct observation *o)
{
    (void)platform, (void)route, (void)o;
    ((struct slow *)arg)->observed++;
}
static void slow_platform(void *arg, size_t platform, const struct observation *o) { (void)arg, (void)platform, (void)o; }
static void slow_listed(void *arg, size_t platform, size_t route, enum listing listing) { (void)arg, (void)platform, (void)route, (void)listing; }
static void slow_endpoint(void *arg, size_t platform, enum dialect_id dialect, const char *url) { (void)arg, (void)platform, (void)dialect, (void)url; }
static void slow_level(void *arg, size_t platform, size_t route, enum probe_level level, const char *why, usec_t interval)
{
    (void)arg, (void)platform, (void)route, (void)level, (void)why, (void)interval;
}
static void slow_breaker(void *arg, size_t platform, size_t route, int64_t cost, int64_t expected)
{
    (void)arg, (void)platform, (void)route, (void)cost, (void)expected;
}
static void slow_local(void *arg, bool on) { (void)arg, (void)on; }
static enum pace slow_pace(void *arg, size_t platform, size_t route) { (void)arg, (void)platform, (void)route; return PACE_STEADY; }
static int slow_reserve(void *arg, size_t platform, size_t route, int64_t pico, usec_t now, uint64_t ticket)
{
    struct slow *slow = arg;
    (void)platform, (void)route, (void)now;
    slow->reserved += pico;
    slow->tickets[slow->len++] = ticket;
    return -EINPROGRESS;
}
static void slow_settle(void *arg, size_t platform, size_t route, int64_t reserved, usec_t reserved_at, int64_t actual, bool tripped)
{
    struct slow *slow = arg;
    (void)platform, (void)route, (void)reserved_at, (void)tripped;
    slow->settled++;
    slow->cost += actual < 0 ? reserved : actual;
}
static void slow_burst(void *arg, size_t platform, size_t route, const struct burst_result *result)
{
    (void)platform, (void)route;
    assert_int_equal(result->ok, 8);
    ((struct slow *)arg)->bursts++;
}
static void slow_capability(void *arg, size_t platform, size_t route, enum capability capability, const struct capability_known *known)
{
    (void)platform, (void)route, (void)capability, (void)known;
    ((struct slow *)arg)->known++;
}

static struct config *load_text(const char *text)
{
    char name[] = "/tmp/probed-sim-config-XXXXXX";
    int fd = mkstemp(name), errors = 0;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    struct config *config = config_load(name, stderr, false, &errors);
    unlink(name);
    assert_non_null(config);
    return config;
}

/* Everything is written down at once for so long, and until nothing is under way. */
static void serve(struct sim *s, struct prober *p, struct slow *slow, usec_t duration)
{
    for (usec_t gone = 0; gone < duration || slow->len > 0 || prober_stats(p).in_flight > 0; gone += 100 * USEC_PER_MSEC) {
        while (slow->len > 0)
            prober_reserved(p, slow->tickets[--slow->len], 0);
        sim_run(s, 100 * USEC_PER_MSEC);
    }
}

/* A reload between the reservation and the word that it is written down: chat, burst and trial go on with the word that comes to the new prober, and
 * with a word that it could not be written they are not sent. */
static void written_down_later(void **state)
{
    (void)state;
    struct sim *s = able_world("{interval: 0s}", "", "gpt-4o: {level: models}", "");
    struct loop *loop = sim_daemon(s)->loop;
    struct sim_relay *q = sim_relay(s, "late.test");
    struct config *config = load_text("vantage: late\n"
                                      "models: {gpt-4o: {}}\n"
                                      "policies: {plain: {latency: mean, second: 0.0375, money: 0.05}}\n"
                                      "probes: {burst: {interval: 6h, size: 8}, capabilities: {interval: 7d}}\n"
                                      "platforms:\n"
                                      "  p: {endpoints: [{url: 'https://late.test/v1'}], key: {required: false}, models: {gpt-4o: {" PRICE "}}}\n");
    struct slow slow = {.len = 0};
    const struct prober_owner owner = {
        .arg = &slow, .observed = slow_observed, .observed_platform = slow_platform, .listed = slow_listed, .endpoint = slow_endpoint,
        .level = slow_level, .breaker = slow_breaker, .local = slow_local, .pace = slow_pace, .burst = slow_burst,
        .capability = slow_capability, .reserve = slow_reserve, .settle = slow_settle,
    };
    struct http *http = http_new(loop, &(struct http_setup){.connections = 10}, NULL);
    struct budget *budget = budget_new(&config->budget);
    struct prober *p = prober_new(loop, http, config, budget, &owner, NULL, 7);
    prober_start(p);
    static const enum probe_kind kinds[] = {PROBE_CHAT, PROBE_BURST, PROBE_CAPABILITIES};
    for (size_t k = 0; k < 2 * ARRAY_LEN(kinds); k++) {
        bool fails = k % 2;
        unsigned long chats;
        serve(s, p, &slow, kinds[k / 2] == PROBE_CAPABILITIES ? 70 * MINUTES : 11 * MINUTES);
        chats = q->chats;
        unsigned bursts = slow.bursts, known = slow.known;
        prober_kick_kind(p, 0, 0, kinds[k / 2]);
        for (int i = 0; i < 300 && slow.len == 0; i++)
            sim_run(s, 100 * USEC_PER_MSEC);
        assert_true(slow.len > 0);
        assert_int_equal(q->chats, chats);
        struct prober *next = prober_new(loop, http, config, budget, &owner, p, 7);
        prober_free(p);
        p = next;
        prober_start(p);
        assert_true(prober_stats(p).in_flight >= (kinds[k / 2] == PROBE_BURST ? 8 : 1));
        prober_reserved(p, slow.tickets[--slow.len], fails ? -EIO : 0);
        sim_run(s, 1500 * USEC_PER_MSEC);
        print_message("# %s, %s: %lu requests\n", probe_kind_name(kinds[k / 2]), fails ? "not written" : "written", q->chats - chats);
        if (fails)
            assert_int_equal(q->chats, chats);
        else
            assert_true(q->chats >= chats + (kinds[k / 2] == PROBE_BURST ? 8 : 1));
        assert_int_equal(slow.bursts - bursts, !fails && kinds[k / 2] == PROBE_BURST);
        assert_true(fails || kinds[k / 2] != PROBE_CAPABILITIES || slow.known > known);
    }
    prober_free(p);
    budget_free(budget);
    http_free(http);
    config_unref(config);
    sim_free(s);
}

int main(void)
{
    print_message("# SIM_SEED=%llu\n", (unsigned long long)seed());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(declared_and_refused), cmocka_unit_test(measured_is_as_good), cmocka_unit_test(one_an_hour),
        cmocka_unit_test(errors_are_unclear), cmocka_unit_test(unpaid_tries), cmocka_unit_test(reload_in_a_trial),
        cmocka_unit_test(same_answers), cmocka_unit_test(written_down_later),
    };
    return cmocka_run_group_tests_name("capabilities in virtual time", tests, NULL, NULL);
}
