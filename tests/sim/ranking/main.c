/* ranking: plays strategies on worlds with ground truth and reports what they are worth.
 *
 * Everything is fixed by its arguments: the same seeds give the same worlds, the same luck and the same numbers, however many workers play.
 * It needs no network and no clock. Exit codes: 0 done (and, with --check, within the bounds), 1 out of bounds or cannot go on, 2 bad
 * arguments. */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/compiler.h"
#include "tests/sim/ranking/bench.h"
#include "tests/sim/ranking/play.h"
#include "tests/sim/ranking/strategy_probed.h"

static const char usage[] = "Usage: ranking [OPTION]...\n"
                            "Plays strategies on simulated worlds and prints their regret against an oracle.\n"
                            "\n"
                            "  --seeds LIST        worlds of each family: 1-10, 1,5,7 (default 1-4)\n"
                            "  --families LIST     all, or names with commas (default all)\n"
                            "  --preference LIST   all, or production, latency, cost (default all)\n"
                            "  --strategies LIST   all, or names with commas (default all; the oracle always plays)\n"
                            "  --hours H           virtual hours of a world; loaded families take a quarter (default 2)\n"
                            "  --platforms N       4 to 32 (default 9)\n"
                            "  --models N          1 to 16 (default 3)\n"
                            "  --probes SECONDS    how often each route is probed (default 15)\n"
                            "  --tries N           of one request, the first included, 1 to 4 (default 2)\n"
                            "  --poll SECONDS      how often clients of probed read its table (default 1)\n"
                            "  --retry HOW         they try again by order (default) or by weight\n"
                            "  --jobs N            workers (default 2)\n"
                            "  --program FILE      default build/probed\n"
                            "  --config FILE       default tests/sim/preferences.yaml\n"
                            "  --detail            a table for each family too\n"
                            "  --json              one JSON object\n"
                            "  --record FILE       write down what probed is told (one seed, family and preference)\n"
                            "  --check             a small fixed set with bounds, as TAP\n"
                            "  --list              families and strategies\n"
                            "  --help\n";

static ATTR_NORETURN ATTR_PRINTF(1, 2) void refuse(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fprintf(stderr, "ranking: ");
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n");
    va_end(ap);
    exit(2);
}

static double parse_number(const char *name, const char *text, double low, double high)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end || !(value >= low && value <= high))
        refuse("--%s wants a number from %g to %g, not \"%s\"", name, low, high, text);
    return value;
}

static void parse_seeds(struct bench *bench, const char *text)
{
    bench->seeds_len = 0;
    for (const char *at = text; *at;) {
        char *end;
        unsigned long long first = strtoull(at, &end, 10), last = first;

        if (end == at || at[0] == '-')
            refuse("--seeds wants a list such as 1-10 or 1,5,7, not \"%s\"", text);
        if (*end == '-') {
            at = end + 1;
            last = strtoull(at, &end, 10);
        }
        if (end == at || (*end && *end != ',') || last < first || last - first >= BENCH_SEEDS_MAX)
            refuse("--seeds wants a list such as 1-10 or 1,5,7, not \"%s\"", text);
        for (unsigned long long seed = first; seed <= last && bench->seeds_len < BENCH_SEEDS_MAX; seed++)
            bench->seeds[bench->seeds_len++] = seed;
        at = *end ? end + 1 : end;
    }
    if (bench->seeds_len == 0)
        refuse("--seeds is empty");
}

static void add_family(struct bench *bench, const char *name)
{
    const struct family *family = family_find(name);

    if (!family)
        refuse("there is no family \"%s\"; --list shows them", name);
    if (bench->families_len < BENCH_FAMILIES_MAX)
        bench->families[bench->families_len++] = family;
}

static void add_preference(struct bench *bench, const char *name)
{
    for (int i = 0; i < PREFERENCES; i++)
        if (strcmp(preferences[i].name, name) == 0 && bench->preferences_len < PREFERENCES) {
            bench->preferences[bench->preferences_len++] = &preferences[i];
            return;
        }
    refuse("there is no preference \"%s\"", name);
}

static void add_strategy(struct bench *bench, const char *name)
{
    const struct strategy *strategy = strategy_find(name);

    if (!strategy)
        refuse("there is no strategy \"%s\"; --list shows them", name);
    if (strcmp(name, "oracle") != 0 && bench->strategies_len < BENCH_STRATEGIES_MAX - 1)
        bench->strategies[bench->strategies_len++] = strategy;
}

static void add_each(struct bench *bench, const char *list, void (*add)(struct bench *, const char *))
{
    char name[64];

    for (const char *at = list; *at;) {
        size_t len = strcspn(at, ",");

        snprintf(name, sizeof(name), "%.*s", (int)(len < sizeof(name) ? len : sizeof(name) - 1), at);
        add(bench, name);
        at += len + (at[len] == ',');
    }
}

static void fill(struct bench *bench, const char *family_list, const char *preference_list, const char *strategy_list)
{
    if (strcmp(family_list, "all") != 0)
        add_each(bench, family_list, add_family);
    else
        for (int i = 0; i < families_len; i++)
            add_family(bench, families[i].name);
    if (strcmp(preference_list, "all") != 0)
        add_each(bench, preference_list, add_preference);
    else
        for (int i = 0; i < PREFERENCES; i++)
            add_preference(bench, preferences[i].name);
    if (strcmp(strategy_list, "all") != 0)
        add_each(bench, strategy_list, add_strategy);
    else
        for (int i = 0; i < strategies_len; i++)
            add_strategy(bench, strategies[i]->name);
    bench->strategies[bench->strategies_len++] = strategy_find("oracle");
    if (bench->families_len == 0 || bench->preferences_len == 0)
        refuse("nothing to play");
}

static void list(void)
{
    printf("families\n");
    for (int i = 0; i < families_len; i++)
        printf("  %-20s %s\n", families[i].name, families[i].about);
    printf("strategies\n");
    for (int i = 0; i < strategies_len; i++)
        printf("  %-20s %s\n", strategies[i]->name, strategies[i]->about);
}

enum {
    SEEDS = 256,
    FAMILIES,
    PREFERENCE,
    STRATEGIES,
    HOURS,
    PLATFORMS,
    MODELS,
    PROBES,
    TRIES,
    POLL,
    RETRY,
    JOBS,
    PROGRAM,
    CONFIG,
    DETAIL,
    JSON,
    RECORD,
    CHECK,
    LIST,
    HELP
};

static const struct option options[] = {
    {"seeds", 1, NULL, SEEDS},
    {"families", 1, NULL, FAMILIES},
    {"preference", 1, NULL, PREFERENCE},
    {"strategies", 1, NULL, STRATEGIES},
    {"hours", 1, NULL, HOURS},
    {"tries", 1, NULL, TRIES},
    {"poll", 1, NULL, POLL},
    {"retry", 1, NULL, RETRY},
    {"jobs", 1, NULL, JOBS},
    {"platforms", 1, NULL, PLATFORMS},
    {"models", 1, NULL, MODELS},
    {"probes", 1, NULL, PROBES},
    {"program", 1, NULL, PROGRAM},
    {"config", 1, NULL, CONFIG},
    {"detail", 0, NULL, DETAIL},
    {"json", 0, NULL, JSON},
    {"record", 1, NULL, RECORD},
    {"check", 0, NULL, CHECK},
    {"list", 0, NULL, LIST},
    {"help", 0, NULL, HELP},
    {NULL, 0, NULL, 0},
};

struct arguments {
    const char *families, *preferences, *strategies;
    bool check;
};

/* false = it is none of those that are numbers. */
static bool take_number(struct bench *bench, int option)
{
    switch (option) {
    case HOURS:
        bench->size.hours = parse_number("hours", optarg, 0.1, 100);
        break;
    case PLATFORMS:
        bench->size.platforms = (int)parse_number("platforms", optarg, TRUTH_PLATFORMS_MIN, PLATFORMS_MAX);
        break;
    case MODELS:
        bench->size.models = (int)parse_number("models", optarg, 1, MODELS_MAX);
        break;
    case PROBES:
        bench->probe_interval = parse_number("probes", optarg, 1, 3600);
        break;
    case TRIES:
        bench->tries = (int)parse_number("tries", optarg, 1, PLAY_TRIES_MAX);
        break;
    case POLL:
        strategy_probed_poll_s = parse_number("poll", optarg, 0, 3600);
        break;
    case JOBS:
        bench->jobs = (int)parse_number("jobs", optarg, 1, BENCH_JOBS_MAX);
        break;
    default:
        return false;
    }
    return true;
}

static void take_option(struct bench *bench, struct arguments *arguments, int option)
{
    if (take_number(bench, option))
        return;
    switch (option) {
    case RETRY:
        if (strcmp(optarg, "order") != 0 && strcmp(optarg, "weight") != 0)
            refuse("--retry wants order or weight, not \"%s\"", optarg);
        strategy_probed_spreads = strcmp(optarg, "weight") == 0;
        break;
    case SEEDS:
        parse_seeds(bench, optarg);
        break;
    case FAMILIES:
        arguments->families = optarg;
        break;
    case PREFERENCE:
        arguments->preferences = optarg;
        break;
    case STRATEGIES:
        arguments->strategies = optarg;
        break;
    case PROGRAM:
        bench->program = optarg;
        break;
    case CONFIG:
        bench->config = optarg;
        break;
    case DETAIL:
        bench->detail = true;
        break;
    case JSON:
        bench->json = true;
        break;
    case RECORD:
        strategy_probed_record = optarg;
        break;
    case CHECK:
        arguments->check = true;
        break;
    case LIST:
        list();
        exit(0);
    case HELP:
        printf("%s", usage);
        exit(0);
    default:
        fprintf(stderr, "%s", usage);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static struct bench bench = {
        .size = {.platforms = 9, .models = 3, .hours = 2},
        .probe_interval = 15,
        .tries = 2,
        .jobs = 2,
        .program = "build/probed",
        .config = "tests/sim/preferences.yaml",
    };
    struct arguments arguments = {.families = "all", .preferences = "all", .strategies = "all"};
    struct err err = {.text = ""};
    int option;

    parse_seeds(&bench, "1-4");
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        take_option(&bench, &arguments, option);
    if (optind < argc)
        refuse("what is \"%s\"?", argv[optind]);
    if (arguments.check) {
        int code = check_run(&bench);

        bench_done(&bench);
        return code;
    }
    fill(&bench, arguments.families, arguments.preferences, arguments.strategies);
    if (strategy_probed_record && bench.seeds_len * bench.families_len * bench.preferences_len != 1)
        refuse("--record wants one seed, one family and one preference");
    if (bench_run(&bench, &err) < 0) {
        fprintf(stderr, "ranking: %s\n", err.text);
        bench_done(&bench);
        return 1;
    }
    if (bench.json)
        report_json(&bench);
    else
        report_text(&bench);
    bench_done(&bench);
    return 0;
}
