/* probed: arguments, exit codes, wiring. See probed(8). */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "probed/alert/journal.h"
#include "probed/daemon.h"
#include "probed/import.h"
#include "probed/replay.h"
#include "probed/sys/notify.h"
#include "shared/alloc.h"

enum exit_code { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char default_config[] = PROBED_SYSCONFDIR "/probed/probed.yaml";

static const char usage[] =
    "Usage: probed [-c FILE] [-s SOCKET] [-S DIR] [-d]\n"
    "       probed -t [-c FILE]      check the configuration\n"
    "       probed -T [-c FILE]      print the effective configuration, without secrets\n"
    "       probed replay [-c FILE] [--speed max|FACTOR] [--skip-bad] [--brief]\n"
    "                                recorded observations in, tables out, in virtual time\n"
    "       probed import [-c FILE] [-S DIR] [--skip-bad] [FILE]\n"
    "                                a history that routectl dump wrote, into the stopped daemon's\n"
    "\n"
    "  -c, --config FILE      configuration [" PROBED_SYSCONFDIR "/probed/probed.yaml]\n"
    "  -s, --socket PATH      listen here instead of the configured socket\n"
    "  -S, --state-dir DIR    keep state here instead of the configured directory\n"
    "  -d, --debug            log every probe\n"
    "  -t, --check            exit 0 if the configuration is good; else say everything that is wrong\n"
    "  -T, --dump             as -t, and print what is in force, defaults included\n"
    "  -V, --version\n"
    "  -h, --help\n"
    "\n"
    "Signals: HUP reloads the configuration, TERM and INT end. See probed(8), probed.yaml(5), probed-api(7), routectl(1).\n";

struct arguments {
    struct daemon_options options;
    bool check, dump;
};

/* What is typed is relative to where it is typed. Lives as long as the program. */
static const char *absolute(const char *path)
{
    CLEANUP(alloc_freep) char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
    return here ? alloc_printf("%s/%s", here, path) : path;
}

/* -1 = go on; else the exit code. */
static int parse_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"socket", required_argument, NULL, 's'}, {"state-dir", required_argument, NULL, 'S'},
        {"debug", no_argument, NULL, 'd'},        {"check", no_argument, NULL, 't'},        {"dump", no_argument, NULL, 'T'},
        {"version", no_argument, NULL, 'V'},      {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    int c;
    while ((c = getopt_long(argc, argv, "c:s:S:dtTVh", options, NULL)) != -1) {
        switch (c) {
        case 'c': a->options.config_file = optarg; break;
        case 's': a->options.socket_path = absolute(optarg); break;
        case 'S': a->options.state_dir = absolute(optarg); break;
        case 'd': a->options.debug = true; break;
        case 't': a->check = true; break;
        case 'T': a->dump = true; break;
        case 'V': puts("probed " PROBED_VERSION); return EXIT_FINE;
        case 'h': fputs(usage, stdout); return EXIT_FINE;
        default: fputs("Try 'probed --help'.\n", stderr); return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "probed: unexpected argument '%s'\nTry 'probed --help'.\n", argv[optind]);
        return EXIT_USAGE;
    }
    return -1;
}

/* NULL: everything that is wrong has been said. */
static struct config *load(const char *file)
{
    int errors = 0;
    bool colour = isatty(STDERR_FILENO) && !getenv("NO_COLOR");
    struct config *config = config_load(file, stderr, colour, &errors);
    if (!config)
        fprintf(stderr, "probed: %s: %d error%s, not started\n", file, errors, errors == 1 ? "" : "s");
    return config;
}

/* NDJSON from standard input, answers on standard output. */
static int replay(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"speed", required_argument, NULL, 's'}, {"skip-bad", no_argument, NULL, 'k'},
        {"brief", no_argument, NULL, 'b'},        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0},
    };
    struct replay_options o = {.speed = 0};
    const char *file = default_config;
    char *end;
    int c;
    while ((c = getopt_long(argc, argv, "c:s:kbh", options, NULL)) != -1) {
        switch (c) {
        case 'c': file = optarg; break;
        case 'k': o.skip_bad = true; break;
        case 'b': o.brief = true; break;
        case 'h': fputs(usage, stdout); return EXIT_FINE;
        case 's':
            o.speed = strcmp(optarg, "max") == 0 ? 0 : strtod(optarg, &end);
            if (strcmp(optarg, "max") != 0 && (end == optarg || *end != '\0' || !(o.speed > 0 && o.speed <= 1e6))) {
                fprintf(stderr, "probed replay: --speed is \"max\" or how many seconds of history a second, up to 1000000; not '%s'\n", optarg);
                return EXIT_USAGE;
            }
            break;
        default: fputs("Try 'probed --help'.\n", stderr); return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "probed replay: unexpected argument '%s': the history is read from standard input\n", argv[optind]);
        return EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    struct config *config = load(file);
    return config && replay_run(config, &o, STDIN_FILENO, STDOUT_FILENO, stderr) == 0 ? EXIT_FINE : EXIT_FAILED;
}

/* A dump into the history. */
static int import(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"state-dir", required_argument, NULL, 'S'}, {"skip-bad", no_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    struct import_options o = {.file = NULL};
    const char *file = NULL;
    int c;
    while ((c = getopt_long(argc, argv, "c:S:kh", options, NULL)) != -1) {
        switch (c) {
        case 'c': file = optarg; break;
        case 'S': o.state_dir = optarg; break;
        case 'k': o.skip_bad = true; break;
        case 'h': fputs(usage, stdout); return EXIT_FINE;
        default: fputs("Try 'probed --help'.\n", stderr); return EXIT_USAGE;
        }
    }
    if (optind + 1 < argc) {
        fprintf(stderr, "probed import: unexpected argument '%s': one history at a time\n", argv[optind + 1]);
        return EXIT_USAGE;
    }
    o.file = argv[optind]; /* NULL behind the last */
    if (!file && !o.state_dir)
        file = default_config;
    struct config *config = file ? load(file) : NULL;
    if (file && !config)
        return EXIT_FAILED;
    int result = import_run(config, &o, stdout);
    config_unref(config);
    return result == 0 ? EXIT_FINE : EXIT_FAILED;
}

static int check_config(const struct arguments *a, struct config *config)
{
    if (a->dump)
        config_dump(config, stdout);
    else
        fprintf(stderr, "%s: good: %zu platforms, %zu models, %zu policies\n", a->options.config_file, config->platforms_len, config->models_len,
                config->policies_len);
    config_unref(config);
    return fflush(stdout) == 0 ? EXIT_FINE : EXIT_FAILED;
}

/* Thousands of kept connections need descriptors. */
static void raise_limits(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static uint64_t make_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        seed = (uint64_t)getpid();
    return seed;
}

static int run(struct arguments *a, struct config *config)
{
    struct err err = {""};
    struct loop *loop = loop_new();
    struct daemon *daemon = NULL;
    int fd = notify_listen_fd(&err);
    if (fd == -EINVAL) {
        log_err("%s", err.text);
        config_unref(config);
        loop_free(loop);
        return EXIT_FAILED;
    }
    a->options.listen_fd = fd;
    a->options.seed = make_seed();
    daemon = daemon_new(loop, &a->options, config, &err);
    if (!daemon) {
        log_err("cannot start: %s", err.text);
        loop_free(loop);
        return EXIT_FAILED;
    }
    daemon_start(daemon);
    loop_run(loop);
    daemon_free(daemon);
    loop_free(loop);
    return EXIT_FINE;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "replay") == 0)
        return replay(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "import") == 0)
        return import(argc - 1, argv + 1);
    struct arguments a = {.options = {.config_file = default_config, .listen_fd = -1}};
    int code = parse_arguments(argc, argv, &a);
    if (code >= 0)
        return code;
    signal(SIGPIPE, SIG_IGN);
    struct config *config = load(a.options.config_file);
    if (!config)
        return EXIT_FAILED;
    if (a.check || a.dump)
        return check_config(&a, config);
    journal_open();
    log_set_level(a.options.debug ? LOG_LEVEL_DEBUG : (enum log_level)config->log_level);
    raise_limits();
    return run(&a, config);
}
