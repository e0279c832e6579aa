/* A scenario's world: relays by host, the seed, the daemon in a directory of its own, and what was published. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probed/core/schedule.h"
#include "shared/alloc.h"
#include "shared/log.h"
#include "tests/sim/sim.h"

#define RELAYS_MAX 2048

struct sim {
    struct loop *loop;
    struct daemon *daemon;
    char dir[64], config_file[96];
    struct sim_relay *relays[RELAYS_MAX];
    size_t relays_len;
    uint64_t random;
    unsigned first_changes, state_changes;
};

static struct sim *current;

struct sim *sim_current(void) { return current; }

double sim_uniform(struct sim *sim) { return (double)(schedule_random(&sim->random) >> 11) / 9007199254740992.0; }

double sim_lognormal(struct sim *sim, double median, double sigma)
{
    double u = sim_uniform(sim), v = sim_uniform(sim);
    return median * exp(sigma * sqrt(-2 * log(u > 0 ? u : 1e-300)) * cos(6.283185307179586 * v));
}

/* Journal entries are how the daemon tells of changes; the scenario counts them. */
static void count_entry(void *arg, const struct log_entry *entry)
{
    struct sim *sim = arg;
    if (entry->message_id && strcmp(entry->message_id, "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b02") == 0)
        sim->first_changes++;
    if (entry->message_id && strcmp(entry->message_id, "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b01") == 0)
        sim->state_changes++;
    if (getenv("SIM_LOG"))
        fprintf(stderr, "%10.1f %s\n", (double)(loop_now(sim->loop) - SIM_START) / 1e6, entry->message);
}

static void write_config(struct sim *sim, const char *config)
{
    FILE *f = fopen(sim->config_file, "w");
    if (!f || fputs(config, f) < 0 || fclose(f) != 0)
        abort();
}

static void start(struct sim *sim)
{
    int errors = 0;
    struct err err = {""};
    struct config *config = config_load(sim->config_file, stderr, false, &errors);
    if (!config)
        abort();
    struct daemon_options options = {.config_file = sim->config_file, .state_dir = sim->dir, .no_api = true, .no_store = true, .listen_fd = -1, .seed = sim->random};
    sim->daemon = daemon_new(sim->loop, &options, config, &err);
    if (!sim->daemon) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    daemon_start(sim->daemon);
}

struct sim *sim_new(const char *config, uint64_t seed)
{
    struct sim *sim = alloc_zero(1, sizeof *sim);
    current = sim;
    sim->random = seed;
    snprintf(sim->dir, sizeof sim->dir, "/tmp/probed-sim-XXXXXX");
    if (!mkdtemp(sim->dir))
        abort();
    snprintf(sim->config_file, sizeof sim->config_file, "%s/probed.yaml", sim->dir);
    write_config(sim, config);
    log_set_sink(count_entry, sim);
    sim->loop = loop_new();
    start(sim);
    return sim;
}

static void remove_file(const struct sim *sim, const char *name)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", sim->dir, name);
    unlink(path);
}

void sim_free(struct sim *sim)
{
    daemon_free(sim->daemon);
    loop_free(sim->loop);
    remove_file(sim, "probed.yaml");
    remove_file(sim, "ledger");
    remove_file(sim, "state.json");
    rmdir(sim->dir);
    for (size_t i = 0; i < sim->relays_len; i++)
        free(sim->relays[i]);
    log_set_sink(NULL, NULL);
    free(sim);
    current = NULL;
}

struct sim_relay *sim_relay(struct sim *sim, const char *host)
{
    for (size_t i = 0; i < sim->relays_len; i++)
        if (strcmp(sim->relays[i]->host, host) == 0)
            return sim->relays[i];
    if (sim->relays_len == RELAYS_MAX)
        abort();
    struct sim_relay *r = alloc_zero(1, sizeof *r);
    *r = (struct sim_relay){.ttft_ms = 400, .sigma = 0.2, .connect_ms = 30, .tokens = 6, .gap_ms = 20};
    snprintf(r->host, sizeof r->host, "%s", host);
    sim->relays[sim->relays_len++] = r;
    return r;
}

void sim_run(struct sim *sim, usec_t duration) { sim_loop_run_until(sim->loop, loop_now(sim->loop) + duration); }

usec_t sim_now(const struct sim *sim) { return loop_now(sim->loop); }

struct daemon *sim_daemon(struct sim *sim) { return sim->daemon; }

void sim_crash(struct sim *sim)
{
    /* Nothing that daemon_free does reaches the files: ledger and state are written as things happen. */
    daemon_free(sim->daemon);
    start(sim);
}

int sim_reload(struct sim *sim, const char *config)
{
    write_config(sim, config);
    return daemon_reload(sim->daemon, NULL);
}

void sim_pause(struct sim *sim, usec_t duration) { sim_loop_skip(sim->loop, duration); }

const struct table_row *sim_row(struct sim *sim, const char *policy, const char *model, const char *platform)
{
    const struct table_policy *p = table_find_policy(daemon_table(sim->daemon), policy);
    const struct ranking *ranking = p ? table_policy_find(p, model) : NULL;
    for (size_t i = 0; ranking && i < ranking->len; i++)
        if (strcmp(ranking->rows[i].facts->platform, platform) == 0)
            return &ranking->rows[i];
    return NULL;
}

const char *sim_first(struct sim *sim, const char *policy, const char *model)
{
    const struct table_policy *p = table_find_policy(daemon_table(sim->daemon), policy);
    const struct ranking *ranking = p ? table_policy_find(p, model) : NULL;
    return ranking && ranking->len > 0 ? ranking->rows[0].facts->platform : "";
}

unsigned sim_first_changes(const struct sim *sim) { return sim->first_changes; }
unsigned sim_state_changes(const struct sim *sim) { return sim->state_changes; }
