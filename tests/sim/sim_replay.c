/* The same observations give the same tables in the daemon and in a replay.
 *
 * The simulated daemon runs for hours through outages, 429s, a reload and overrides; what it is told is kept as records. They go through replay_run, and at
 * each moment at which the daemon's rankings were looked at the replay must have the same ones. SIM_SEED=N plays other worlds; SIM_KEEP=FILE keeps the
 * records for `probed replay`. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "probed/core/record.h"
#include "probed/daemon_parts.h"
#include "probed/replay.h"
#include "shared/json.h"
#include "tests/sim/sim.h"

#define MINUTES USEC_PER_MINUTE
#define HOURS USEC_PER_HOUR
#define LOOKS_MAX 64

static const char config_text[] = "vantage: sim\n"
                                  "models: {m1: {}, m2: {}}\n"
                                  "self_check: ['https://anchor.test/']\n"
                                  "policies:\n"
                                  "  production: {latency: mean, second: 0.0375, money: 0.05, stability: 0.05, capacity: 0.05, honesty: 0.05}\n"
                                  "  latency: {latency: p95, second: 0.1, money: 0.01}\n"
                                  "  budget: {latency: mean, second: 0.0125, money: 0.15}\n"
                                  "probes:\n"
                                  "  reach: {interval: 30s, fast: 10s, slow: 5m}\n"
                                  "  models: {interval: 5m, fast: 1m, slow: 15m}\n"
                                  "  chat: {interval: 60s, fast: 15s, slow: 10m}\n"
                                  "platforms:\n";

static const struct {
    const char *name, *price;
} platforms[] = {
    {"p", "{input: 0.10 USD/1M, output: 0.40 USD/1M}"},
    {"q", "{input: 0.20 USD/1M, output: 0.80 USD/1M}"},
    {"r", "{input: 0.15 USD/1M, output: 0.60 USD/1M}"},
    {"s", "{input: 0.12 USD/1M, output: 0.50 USD/1M}"},
};

struct history {
    struct sim *sim;
    struct buf records, looks[LOOKS_MAX]; /* looks: the rankings as they were, a line a row */
    size_t looks_len, told;
    char first[64], second[64]; /* the configuration before and after the reload */
};

static char *make_config(size_t len)
{
    struct buf text = BUF_INIT;
    buf_add_str(&text, config_text);
    for (size_t i = 0; i < len; i++) {
        buf_printf(&text, "  %s:\n    endpoints: [{url: 'https://%s.test/v1'}]\n    key: {required: false}\n    models:\n", platforms[i].name,
                   platforms[i].name);
        buf_printf(&text, "      m1: {price: %s}\n      m2: {price: %s}\n", platforms[i].price, platforms[i].price);
    }
    return buf_take(&text);
}

static void write_temporary(char path[64], const char *text)
{
    snprintf(path, 64, "/tmp/probed-sim-config-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* --- keeping --- */

static void keep(void *arg, const struct record *record)
{
    struct history *h = arg;
    record_print(record, &h->records);
    h->told++;
}

static void keep_of(struct history *h, struct record record)
{
    record.t = sim_now(h->sim);
    keep(h, &record);
}

static void say(struct history *h, enum override_action action, const char *platform, const char *model, usec_t duration)
{
    struct daemon *d = sim_daemon(h->sim);
    struct api_override word = {.action = action, .made_at = sim_now(h->sim), .expires_at = duration ? sim_now(h->sim) + duration : 0};
    struct record record = {.kind = RECORD_OVERRIDE, .action = action, .lasts = duration};
    snprintf(word.platform, sizeof word.platform, "%s", platform);
    snprintf(word.model, sizeof word.model, "%s", model);
    snprintf(record.platform, sizeof record.platform, "%s", platform);
    snprintf(record.model, sizeof record.model, "%s", model);
    assert_int_equal(overrides_add(&d->overrides, &word, NULL), 0);
    keep_of(h, record);
    daemon_apply_overrides(d);
}

static void reload(struct history *h, const char *text, const char *file)
{
    struct record record = {.kind = RECORD_CONFIG};
    snprintf(record.text, sizeof record.text, "%s", file);
    keep_of(h, record);
    assert_int_equal(sim_reload(h->sim, text), 0);
}

/* --- looking --- */

static void print_look(struct buf *to, const char *policy, const char *model, const char *platform, unsigned rank, unsigned slots, const char *state,
                       const char *reason)
{
    buf_printf(to, "%s %s %u %s %u %s %s\n", policy, model, rank, platform, slots, state, reason);
}

static void look(struct history *h)
{
    struct ranker *r = daemon_ranker(sim_daemon(h->sim));
    const struct config *config = sim_daemon(h->sim)->world->config;
    usec_t now = sim_now(h->sim);
    assert_true(h->looks_len < LOOKS_MAX);
    struct buf *to = &h->looks[h->looks_len++];
    keep_of(h, (struct record){.kind = RECORD_TABLE});
    ranker_refresh(r, now, 0, false);
    for (size_t p = 0; p < config->policies_len; p++)
        for (int model = 1; model <= 2; model++)
            for (unsigned rank = 1; rank <= 4; rank++)
                for (size_t i = 0; i < ranker_routes(r); i++) {
                    struct explanation e;
                    assert_int_equal(ranker_explain(r, (int)i, config->policies[p].name, now, &e), 0);
                    if (e.row.rank == rank && e.row.facts->model[1] == '0' + model)
                        print_look(to, config->policies[p].name, e.row.facts->model, e.row.facts->platform, rank, e.row.slots,
                                   route_state_name(e.row.state), route_reason_name(e.row.reason));
                }
}

static void run(struct history *h, usec_t duration, int looks)
{
    for (int i = 0; i < looks; i++) {
        sim_run(h->sim, duration / looks);
        look(h);
    }
}

/* --- replaying --- */

static void print_answer(const cJSON *answer, struct buf *to)
{
    const cJSON *policy, *model, *row;
    cJSON_ArrayForEach(policy, json_at(answer, "policies"))
        cJSON_ArrayForEach(model, policy)
            cJSON_ArrayForEach(row, model)
                print_look(to, policy->string, model->string, cJSON_GetStringValue(json_at(row, "platform")),
                           (unsigned)cJSON_GetNumberValue(json_at(row, "rank")),
                           (unsigned)lround(cJSON_GetNumberValue(json_at(row, "weight")) * TABLE_SLOTS),
                           cJSON_GetStringValue(json_at(row, "state")), cJSON_GetStringValue(json_at(row, "reason")));
}

static char *replay(const struct history *h)
{
    FILE *in = tmpfile(), *out = tmpfile();
    int errors = 0;
    const struct replay_options options = {0};
    assert_true(in && out);
    assert_int_equal(fwrite(h->records.data, 1, h->records.len, in), h->records.len);
    rewind(in);
    struct config *config = config_load(h->first, stderr, false, &errors);
    assert_non_null(config);
    assert_int_equal(replay_run(config, &options, fileno(in), fileno(out), stderr), 0);
    long size = lseek(fileno(out), 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(pread(fileno(out), text, (size_t)size, 0), size);
    fclose(in);
    fclose(out);
    return text;
}

static void show_difference(const char *a, const char *b)
{
    while (*a && *b) {
        size_t m = strcspn(a, "\n"), n = strcspn(b, "\n");
        if (m != n || strncmp(a, b, n) != 0)
            print_message("#   daemon: %.*s\n#   replay: %.*s\n", (int)m, a, (int)n, b);
        a += m + (a[m] == '\n');
        b += n + (b[n] == '\n');
    }
}

static void compare(struct history *h)
{
    char *answers = replay(h), *rest = answers;
    size_t different = 0;
    for (size_t i = 0; i < h->looks_len; i++) {
        char *line = strsep(&rest, "\n");
        struct buf rows = BUF_INIT;
        assert_non_null(line);
        cJSON *answer = cJSON_Parse(line);
        assert_non_null(answer);
        assert_true(h->looks[i].len > 0);
        print_answer(answer, &rows);
        if (strcmp(buf_str(&rows), buf_str(&h->looks[i])) != 0 && different++ < 3) {
            print_message("# at %.0f s:\n", cJSON_GetNumberValue(json_at(answer, "t")) - (double)SIM_START / 1e6);
            show_difference(buf_str(&h->looks[i]), buf_str(&rows));
        }
        buf_done(&rows);
        cJSON_Delete(answer);
    }
    free(answers);
    print_message("# %zu records, %zu of %zu tables differ\n", h->told, different, h->looks_len);
    assert_int_equal(different, 0);
}

static void begin(struct history *h)
{
    const char *seed = getenv("SIM_SEED");
    char *whole = make_config(4), *less = make_config(3);
    memset(h, 0, sizeof *h);
    write_temporary(h->first, whole);
    write_temporary(h->second, less);
    h->sim = sim_new(whole, seed ? strtoull(seed, NULL, 10) : 20261124);
    free(whole);
    free(less);
    sim_relay(h->sim, "q.test")->ttft_ms = 350;
    sim_relay(h->sim, "r.test")->ttft_ms = 500;
    sim_relay(h->sim, "s.test")->ttft_ms = 600;
    for (size_t i = 0; i < ARRAY_LEN(platforms); i++) {
        char host[16];
        snprintf(host, sizeof host, "%s.test", platforms[i].name);
        sim_relay(h->sim, host)->sigma = 0.5;
    }
    daemon_set_recorder(sim_daemon(h->sim), keep, h);
    keep_of(h, (struct record){.kind = RECORD_SELF_CHECK, .ok = true}); /* when its time began */
}

static void end(struct history *h)
{
    const char *file = getenv("SIM_KEEP");
    FILE *f = file ? fopen(file, "w") : NULL;
    if (f) {
        fwrite(h->records.data, 1, h->records.len, f);
        fclose(f);
    }
    compare(h);
    sim_free(h->sim);
    unlink(h->first);
    unlink(h->second);
    buf_done(&h->records);
    for (size_t i = 0; i < h->looks_len; i++)
        buf_done(&h->looks[i]);
}

static void quiet(void **state)
{
    (void)state;
    static struct history h;
    begin(&h);
    run(&h, 2 * HOURS, 20);
    end(&h);
}

static void outages_and_429(void **state)
{
    (void)state;
    static struct history h;
    begin(&h);
    run(&h, 40 * MINUTES, 4);
    sim_relay(h.sim, "q.test")->break_with = OUTCOME_REFUSED;
    run(&h, 15 * MINUTES, 9);
    sim_relay(h.sim, "q.test")->break_with = OUTCOME_OK;
    run(&h, 30 * MINUTES, 6);
    sim_relay(h.sim, "p.test")->status = 429;
    sim_relay(h.sim, "p.test")->retry_after = 20 * USEC_PER_SEC;
    run(&h, 10 * MINUTES, 6);
    sim_relay(h.sim, "p.test")->status = 0;
    sim_relay(h.sim, "r.test")->break_with = OUTCOME_RESET;
    sim_relay(h.sim, "r.test")->break_share = 0.3;
    run(&h, 60 * MINUTES, 6);
    sim_relay(h.sim, "s.test")->missing = "m1";
    run(&h, 20 * MINUTES, 4);
    sim_relay(h.sim, "anchor.test")->break_with = OUTCOME_UNREACHABLE;
    for (size_t i = 0; i < ARRAY_LEN(platforms); i++) {
        char host[16];
        snprintf(host, sizeof host, "%s.test", platforms[i].name);
        sim_relay(h.sim, host)->break_with = OUTCOME_UNREACHABLE;
    }
    run(&h, 10 * MINUTES, 4);
    end(&h);
}

static void operators_and_reload(void **state)
{
    (void)state;
    static struct history h;
    char *less = make_config(3), *whole = make_config(4);
    begin(&h);
    run(&h, 40 * MINUTES, 4);
    say(&h, OVERRIDE_PIN, "r", "m1", 30 * MINUTES);
    run(&h, 20 * MINUTES, 4);
    say(&h, OVERRIDE_DRAIN, "q", "", 25 * MINUTES);
    run(&h, 30 * MINUTES, 6);
    reload(&h, less, h.second);
    run(&h, 20 * MINUTES, 6);
    sim_relay(h.sim, "q.test")->break_with = OUTCOME_TIMEOUT;
    run(&h, 10 * MINUTES, 4);
    reload(&h, whole, h.first);
    run(&h, 30 * MINUTES, 6);
    free(less);
    free(whole);
    end(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quiet),
        cmocka_unit_test(outages_and_429),
        cmocka_unit_test(operators_and_reload),
    };
    return cmocka_run_group_tests_name("daemon and replay", tests, NULL, NULL);
}
