/* relaysim: simulated LLM relays on loopback, for tests, benchmarks and the demonstration.
 *
 *     relaysim --config FILE.json|- --control PATH --ca-dir DIR [--port N] [--tls-port N] [--lifeline] [--die-with-parent]
 *
 * It reads the list of relays, makes certificates, opens the ports and the control socket, prints one line of JSON on stdout when all is
 * ready, and serves until SIGTERM, SIGINT, the command "quit", the end of stdin (--lifeline) or the end of its parent (--die-with-parent).
 * This file is argv, signals and wiring only. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "shared/buf.h"
#include "shared/json.h"
#include "tests/relaysim/conn.h"
#include "tests/relaysim/control.h"
#include "tests/relaysim/server.h"

#define CONFIG_MAX (64 * 1024 * 1024)

struct options {
    const char *config, *control, *ca_dir;
    int port, tls_port; /* -1 = as the configuration says */
    bool lifeline, die_with_parent;
};

struct ending { /* what ends the program */
    struct watch signals, stdin_watch;
    struct sim *sim;
};

static int usage(FILE *to)
{
    fprintf(to,
            "usage: relaysim --config FILE.json|- --control PATH --ca-dir DIR [--port N] [--tls-port N] [--lifeline] [--die-with-parent]\n"
            "Simulated LLM relays on 127.0.0.1; see tests/relaysim/README.md.\n");
    return to == stderr ? 2 : 0;
}

/* 0 = go on; otherwise the exit code + 1. */
static int read_options(int argc, char **argv, struct options *ret)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},    {"control", required_argument, NULL, 's'},  {"ca-dir", required_argument, NULL, 'd'},
        {"port", required_argument, NULL, 'p'},      {"tls-port", required_argument, NULL, 't'}, {"lifeline", no_argument, NULL, 'l'},
        {"die-with-parent", no_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};
    *ret = (struct options){.port = -1, .tls_port = -1};
    for (int o; (o = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (o) {
        case 'c':
            ret->config = optarg;
            break;
        case 's':
            ret->control = optarg;
            break;
        case 'd':
            ret->ca_dir = optarg;
            break;
        case 'p':
            ret->port = atoi(optarg);
            break;
        case 't':
            ret->tls_port = atoi(optarg);
            break;
        case 'l':
            ret->lifeline = true;
            break;
        case 'k':
            ret->die_with_parent = true;
            break;
        case 'h':
            return usage(stdout) + 1;
        default:
            return usage(stderr) + 1;
        }
    }
    if (optind < argc || !ret->config || !ret->control || !ret->ca_dir || ret->port > 65535 || ret->tls_port > 65535)
        return usage(stderr) + 1;
    return 0;
}

/* The whole file; from stdin with a lifeline only its first line, since the rest never ends. */
static int read_config(const struct options *options, struct buf *ret, struct err *err)
{
    bool from_stdin = strcmp(options->config, "-") == 0;
    int fd = from_stdin ? STDIN_FILENO : open(options->config, O_RDONLY | O_CLOEXEC), e = 0;
    if (fd < 0)
        return err_set(err, -errno, "%s: %s", options->config, strerror(errno));
    char chunk[65536];
    for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) != 0;) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || ret->len + (size_t)n > CONFIG_MAX) {
            e = n < 0 ? -errno : -E2BIG;
            err_set(err, e, "%s: %s", options->config, strerror(-e));
            break;
        }
        buf_add(ret, chunk, (size_t)n);
        if (from_stdin && options->lifeline && memchr(chunk, '\n', (size_t)n))
            break;
    }
    if (!from_stdin)
        close(fd);
    return e;
}

static int choose_port(int given, const cJSON *config, const char *name, int *ret, struct err *err)
{
    int64_t port = 0;
    if (given < 0)
        json_int(config, name, &port);
    else
        port = given;
    if (port < 0 || port > 65535)
        return err_set(err, -EINVAL, "%s: a number between 0 and 65535 is wanted", name);
    *ret = (int)port;
    return 0;
}

static int add_relays(struct sim *sim, const cJSON *config, struct err *err)
{
    const cJSON *defaults = cJSON_GetObjectItemCaseSensitive(config, "behaviour"),
                *relays = cJSON_GetObjectItemCaseSensitive(config, "relays");
    if (defaults) {
        struct behaviour *made = behaviour_merge(sim->relays.behaviour, defaults, err);
        if (!made)
            return -EINVAL;
        behaviour_unref(sim->relays.behaviour);
        sim->relays.behaviour = made;
    }
    if (relays && !cJSON_IsArray(relays))
        return err_set(err, -EINVAL, "relays: a list is wanted");
    for (const cJSON *item = relays ? relays->child : NULL; item; item = item->next)
        if (!server_add_relay(sim, item, err))
            return -EINVAL;
    return 0;
}

static int start(struct sim *sim, const struct options *options, const cJSON *config, struct err *err)
{
    int64_t seed = 1, log = RECORDS_DEFAULT;
    int port, tls_port, e = tls_init(&sim->tls, options->ca_dir, err);
    json_int(config, "seed", &seed);
    json_int(config, "log", &log);
    if (log < 1 || log > 4 * 1024 * 1024)
        e = err_set(err, -EINVAL, "log: a number of requests between 1 and 4194304 is wanted");
    relays_init(&sim->relays, (uint64_t)seed);
    records_init(&sim->records, e < 0 ? 1 : (size_t)log);
    if (e == 0)
        e = choose_port(options->port, config, "port", &port, err);
    if (e == 0)
        e = choose_port(options->tls_port, config, "tls_port", &tls_port, err);
    if (e == 0)
        e = server_init(sim, port, tls_port, err);
    if (e == 0)
        e = add_relays(sim, config, err);
    return e == 0 ? control_init(sim, options->control, err) : e;
}

/* Only relays with a port of their own have a URL that cannot be told from the port and the name. */
static void print_ready(const struct sim *sim, const struct options *options)
{
    CLEANUP(buf_done) struct buf line = BUF_INIT;
    cJSON *json = cJSON_CreateObject();
    json_add_bool(json, "ready", true);
    json_add_int(json, "pid", getpid());
    json_add_int(json, "port", sim->shared->port);
    json_add_int(json, "tls_port", sim->shared_tls->port);
    json_add_string(json, "control", options->control);
    json_add_string(json, "ca", sim->tls.ca_file);
    cJSON *urls = json_add_object(json, "urls");
    for (size_t i = 0; i < sim->relays.len; i++)
        if (sim->relays.all[i]->listener) {
            CLEANUP(buf_done) struct buf url = BUF_INIT;
            server_url(sim, sim->relays.all[i], &url);
            json_add_string(urls, sim->relays.all[i]->name, buf_str(&url));
        }
    json_print(json, false, &line);
    cJSON_Delete(json);
    printf("%s\n", buf_str(&line));
    fflush(stdout);
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void signals_ready(struct watch *watch, uint32_t events)
{
    struct ending *ending = (struct ending *)(void *)((char *)watch - offsetof(struct ending, signals));
    (void)events;
    reactor_stop(&ending->sim->reactor);
}

static void stdin_ready(struct watch *watch, uint32_t events)
{
    struct ending *ending = (struct ending *)(void *)((char *)watch - offsetof(struct ending, stdin_watch));
    char junk[4096];
    (void)events;
    ssize_t n = read(watch->fd, junk, sizeof junk);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        reactor_stop(&ending->sim->reactor);
}

static int watch_ends(struct ending *ending, struct sim *sim, const struct options *options, struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    pid_t parent = getppid();
    if (options->die_with_parent && (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent))
        return err_set(err, -ESRCH, "the parent is gone");
    *ending = (struct ending){.signals = {.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .events = EPOLLIN, .ready = signals_ready},
                              .stdin_watch = {.fd = STDIN_FILENO, .events = EPOLLIN, .ready = stdin_ready},
                              .sim = sim};
    if (ending->signals.fd < 0 || reactor_add(&sim->reactor, &ending->signals) < 0)
        return err_set(err, -errno, "signals: %s", strerror(errno));
    if (options->lifeline && reactor_add(&sim->reactor, &ending->stdin_watch) < 0)
        return err_set(err, -EINVAL, "--lifeline: stdin is nothing that can be watched");
    return 0;
}

int main(int argc, char **argv)
{
    struct options options;
    struct err err = {.text = ""};
    CLEANUP(buf_done) struct buf text = BUF_CAP(CONFIG_MAX + 65536);
    CLEANUP(json_deletep) cJSON *config = NULL;
    struct sim sim = {.reactor = {.epoll = -1}};
    struct ending ending = {.signals = {.fd = -1}};
    int e = read_options(argc, argv, &options);
    if (e)
        return e - 1;
    raise_file_limit();
    e = read_config(&options, &text, &err);
    if (e == 0 && !(config = json_parse(buf_str(&text), text.len, &err)))
        e = -EINVAL;
    if (e == 0 && (e = reactor_init(&sim.reactor)) < 0)
        err_set(&err, e, "epoll: %s", strerror(-e));
    if (e == 0)
        e = watch_ends(&ending, &sim, &options, &err);
    if (e == 0) {
        e = start(&sim, &options, config, &err);
        if (e == 0) {
            print_ready(&sim, &options);
            e = reactor_run(&sim.reactor);
        }
        server_done(&sim);
        control_done(&sim);
        records_done(&sim.records);
        relays_done(&sim.relays);
        tls_done(&sim.tls);
    }
    if (ending.signals.fd >= 0)
        close(ending.signals.fd);
    reactor_done(&sim.reactor);
    if (e < 0)
        fprintf(stderr, "relaysim: %s\n", err.text);
    return e < 0 ? 1 : 0;
}
