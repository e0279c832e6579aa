/* routectl: the command line to probed.
 *
 * Options may stand before or after the verb. Each verb says which of them it takes; another one is an error and not silently ignored. The
 * verb describes its answer to a writer, and only when it has returned is anything printed: `eval "$(routectl best ...)"` never sees half
 * an answer. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "routectl/fetch.h"
#include "routectl/moment.h"
#include "routectl/verb.h"
#include "shared/client.h"
#include "shared/text.h"

#define TIMEOUT_DEFAULT (10 * USEC_PER_SEC)
#define COUNT_MAX       1000000000L

/* X(ID, name, letter, argument, verbs that take it (0 = all), about). The man page must have each of them. */
#define OPTION_TABLE(X)                                                                                                                    \
    X(SOCKET, "socket", 's', "PATH", 0, "the daemon's socket (else PROBED_SOCKET, else its usual place)")                                  \
    X(POLICY, "policy", 'p', "NAME", TAKES_POLICY, "rank by this policy (else the daemon's default)")                                      \
    X(JSON, "json", 'j', NULL, 0, "print JSON")                                                                                            \
    X(TSV, "tsv", 't', NULL, 0, "print tab separated lines")                                                                               \
    X(OUTPUT, "output", 'o', "FORM", TAKES_OUTPUT, "of best: url, platform, env or json; of forecast: tokens; else the file to write")     \
    X(FOR, "for", 'f', "DURATION", TAKES_FOR, "how long it holds (2h), or how long to watch")                                              \
    X(REASON, "reason", 'r', "TEXT", TAKES_REASON, "why, for those who see it later")                                                      \
    X(COUNT, "count", 'n', "N", TAKES_COUNT, "end after N tables or events; else the last N")                                              \
    X(SINCE, "since", 'S', "TIME", TAKES_SPAN, "from then on: 7d ago, 2026-11-01, 2026-11-01T13:30")                                       \
    X(UNTIL, "until", 'U', "TIME", TAKES_SPAN, "up to then; as --since")                                                                   \
    X(CONFIG, "config", 'c', "FILE", TAKES_REPLAY, "the configuration to try")                                                             \
    X(WITH, "with", 'w', "FILE", TAKES_REPLAY, "the one to compare it with (else the daemon's)")                                           \
    X(EVERY, "every", 'e', "DURATION", TAKES_REPLAY, "how often the tables are looked at (10s)")                                           \
    X(PROBED, "probed", 'P', "PATH", TAKES_REPLAY, "the program probed (else beside this one, else in PATH)")                              \
    X(METRIC, "metric", 'm', "NAME", TAKES_METRIC, "ttft (default), total, availability, price, speed, rank or balance")                   \
    X(KIND, "kind", 'k', "NAME", TAKES_KIND, "only events of this kind (state, price ...); of probe: burst, capabilities ...")              \
    X(FOLLOW, "follow", 'F', NULL, TAKES_EVENTS, "go on with what happens from now on; -f after the verb does too")                        \
    X(MONTH, "month", 'M', "MONTH", TAKES_REPORT, "of that month: 2026-10")                                                                \
    X(HTML, "html", 'H', NULL, TAKES_REPORT, "one page of HTML instead of Markdown")                                                       \
    X(CURRENCY, "currency", 'y', "CODE", TAKES_CURRENCY, "show money in CNY, USD ... (else the daemon's own)")                             \
    X(LONG, "long", 'l', NULL, TAKES_LONG, "with the details of each")                                                                     \
    X(REQUESTS, "requests", 'R', "RATE", TAKES_WORKLOAD, "so many requests: 50k/day, 2M/day, 300/h")                                       \
    X(INPUT, "input", 'I', "TOKENS", TAKES_WORKLOAD, "tokens that a request sends (1000); --output: that it gets (300)")                   \
    X(DAYS, "days", 'D', "N", TAKES_WORKLOAD, "the cost of so many days (30)")                                                             \
    X(TIMEOUT, "timeout", 'T', "DURATION", 0, "how long to wait for an answer (10s)")                                                      \
    X(NO_COLOR, "no-color", 'C', NULL, 0, "no colours (also by NO_COLOR; there are none but on a terminal)")                               \
    X(HELP, "help", 'h', NULL, 0, "help, also after a verb")                                                                               \
    X(VERSION, "version", 'V', NULL, 0, "the version of routectl")

struct verb {
    enum exit_code (*run)(const struct command *command, struct writer *w);
    const char *name, *arguments;
    size_t fewest, most;
    int takes;
    const char *about;
};

struct option_word {
    const char *name;
    int letter;
    const char *argument;
    int takes; /* 0 = every verb */
    const char *about;
};

static enum exit_code verb_help(const struct command *command, struct writer *w);
static enum exit_code verb_version(const struct command *command, struct writer *w);

static const struct verb verbs[] = {
#define X(function, name, arguments, fewest, most, takes, about) {verb_##function, name, arguments, fewest, most, takes, about},
    VERB_TABLE(X)
#undef X
};

static const struct option_word options[] = {
#define X(id, name, letter, argument, takes, about) {name, letter, argument, takes, about},
    OPTION_TABLE(X)
#undef X
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    return NULL;
}

static void complain_verb(const char *name)
{
    const char *names[ARRAY_LEN(verbs)];
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        names[i] = verbs[i].name;
    const char *nearest = text_nearest(name, names, ARRAY_LEN(names));
    if (nearest)
        complain("there is no verb '%s'. Did you mean '%s'?", name, nearest);
    else
        complain("there is no verb '%s'. See 'routectl help'", name);
}

/* --- help ------------------------------------------------------------------------------------------------------------- */

static const struct column help_verbs[] = {
    {.key = "verb"},
    {.key = "arguments"},
    {.title = ""},
    {.key = "about", .title = "", .wrap = true},
};
static const struct column help_options[] = {
    {.key = "option"}, {.key = "letter"}, {.key = "argument"}, {.title = ""}, {.key = "about", .title = "", .wrap = true},
};

static void help_write_verb(struct writer *w, const struct verb *verb)
{
    char shown[CELL_SHOWN_MAX];
    snprintf(shown, sizeof shown, "%s %s", verb->name, verb->arguments);
    writer_row(w, (struct cell[]){cell_string(verb->name), cell_string(verb->arguments), cell_string(shown), cell_string(verb->about)});
}

/* verb: whose help it is; NULL = of all. */
static void help_write_option(struct writer *w, const struct option_word *option, const struct verb *verb)
{
    char shown[CELL_SHOWN_MAX], letter[3] = {'-', (char)option->letter, '\0'};
    bool follow = verb && (verb->takes & TAKES_EVENTS);
    if (follow && option->letter == 'f')
        letter[0] = '\0';
    if (follow && option->letter == 'F')
        letter[1] = 'f';
    snprintf(shown, sizeof shown, "%2s%s --%s%s%s", letter, letter[0] ? "," : " ", option->name, option->argument ? " " : "",
             option->argument ? option->argument : "");
    char name[CELL_SHOWN_MAX];
    snprintf(name, sizeof name, "--%s", option->name);
    writer_row(w, (struct cell[]){cell_string(name), cell_string(letter[0] ? letter : NULL), cell_string(option->argument), cell_string(shown),
                                  cell_string(option->about)});
}

/* verb NULL = all of them. */
static void help_write(struct writer *w, const struct verb *verb)
{
    writer_tagged(w);
    if (verb)
        writer_heading(w, "routectl %s %s", verb->name, verb->arguments);
    else
        writer_heading(w, "routectl [OPTION]... VERB [ARGUMENT]...");
    writer_table(w, "verbs", help_verbs, ARRAY_LEN(help_verbs));
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (!verb || verb == &verbs[i])
            help_write_verb(w, &verbs[i]);
    }
    writer_table_end(w);
    writer_heading(w, "Options");
    writer_table(w, "options", help_options, ARRAY_LEN(help_options));
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (!verb || options[i].takes == 0 || (options[i].takes & verb->takes))
            help_write_option(w, &options[i], verb);
    }
    writer_table_end(w);
    if (!verb)
        writer_heading(w, "Exit: 0 ok, 1 refused, 2 usage, 3 daemon not reachable, 4 no usable route, 5 stale table. See routectl(1).");
}

static enum exit_code verb_help(const struct command *command, struct writer *w)
{
    const struct verb *verb = NULL;
    if (command->args_len > 0) {
        verb = find_verb(command->args[0]);
        if (!verb) {
            complain_verb(command->args[0]);
            return EXIT_USAGE;
        }
    }
    help_write(w, verb);
    return EXIT_OK;
}

static enum exit_code verb_version(const struct command *command, struct writer *w)
{
    (void)command;
    writer_line(w, "routectl " PROBED_VERSION);
    writer_fact(w, "version", NULL, cell_string(PROBED_VERSION));
    return EXIT_OK;
}

/* --- the command line ------------------------------------------------------------------------------------------------- */

struct given {     /* what of the command line is not yet in struct command */
    unsigned seen; /* bit i = options[i] */
    bool json, tsv, no_colour, help, version;
};

static bool parse_for(usec_t *ret, const char *text, const char *option)
{
    struct err err = {""};
    usec_t value = 0;
    if (units_parse_duration(text, &value, &err) < 0 || value <= 0) {
        complain("--%s %s: %s", option, text, err.text[0] ? err.text : "it must be longer than nothing, for example 30s or 2h");
        return false;
    }
    *ret = value;
    return true;
}

static bool parse_moment(usec_t *ret, const char *text, const char *option)
{
    struct err err = {""};
    if (moment_parse(text, fetch_now(), ret, &err) < 0) {
        complain("--%s: %s", option, err.text);
        return false;
    }
    return true;
}

/* Where an option whose value is kept as it was typed belongs; NULL = it is none of those. */
static const char **text_option(struct command *command, int letter)
{
    const struct {
        int letter;
        const char **text;
    } kept[] = {
        {'s', &command->socket}, {'p', &command->policy}, {'o', &command->output},   {'r', &command->reason},   {'c', &command->config},
        {'w', &command->with},   {'P', &command->probed}, {'m', &command->metric},   {'k', &command->kind},     {'M', &command->month},
        {'I', &command->input},  {'D', &command->days},   {'y', &command->currency}, {'R', &command->requests},
    };
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        if (kept[i].letter == letter)
            return kept[i].text;
    }
    return NULL;
}

static bool take_count(struct command *command, const char *value)
{
    char *end = NULL;
    errno = 0;
    command->count = strtol(value, &end, 10);
    if (errno || end == value || *end || command->count < 1 || command->count > COUNT_MAX) {
        complain("--count %s: a number from 1 to %ld is wanted", value, COUNT_MAX);
        return false;
    }
    return true;
}

static bool take_option(struct command *command, struct given *given, int letter, const char *value)
{
    const char **text = text_option(command, letter);

    if (text) {
        *text = value;
        return true;
    }
    switch (letter) {
    case 'j':
        given->json = true;
        break;
    case 't':
        given->tsv = true;
        break;
    case 'f':
        return parse_for(&command->lasting, value, "for");
    case 'n':
        return take_count(command, value);
    case 'S':
        return parse_moment(&command->since, value, "since");
    case 'U':
        return parse_moment(&command->until, value, "until");
    case 'e':
        return parse_for(&command->every, value, "every");
    case 'F':
        command->follow = true;
        break;
    case 'H':
        command->html = true;
        break;
    case 'l':
        command->longer = true;
        break;
    case 'T':
        return parse_for(&command->timeout, value, "timeout");
    case 'C':
        given->no_colour = true;
        break;
    case 'h':
        given->help = true;
        break;
    default:
        given->version = true;
        break;
    }
    return true;
}

static void complain_option(const char *word)
{
    const char *names[ARRAY_LEN(options)];
    const char *name = word;
    char bare[32] = "";

    while (*name == '-')
        name++;
    text_copy(bare, sizeof bare, name, strcspn(name, "="));
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        names[i] = options[i].name;
    const char *nearest = text_nearest(bare, names, ARRAY_LEN(names));
    if (nearest)
        complain("there is no option %s. Did you mean --%s?", word, nearest);
    else
        complain("there is no option %s. See 'routectl help'", word);
}

/* The letters that getopt is told. After the verb events the letter f is that of --follow, as people are used to; --for is written out there. */
static void make_letters(char *ret, bool follow)
{
    size_t at = 0;
    ret[at++] = '-'; /* words come in their order, so that the verb is known before what follows it */
    ret[at++] = ':';
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        ret[at++] = (char)options[i].letter;
        if (options[i].argument && !(follow && options[i].letter == 'f'))
            ret[at++] = ':';
    }
    ret[at] = '\0';
}

static void complain_getopt(char **argv, int letter)
{
    char one[3] = {'-', (char)optopt, '\0'};
    bool is_long = strncmp(argv[optind - 1], "--", 2) == 0;
    if (letter == ':')
        complain("%s wants a value. See 'routectl help'", argv[optind - 1]);
    else if (is_long && optopt)
        complain("%s takes no value", argv[optind - 1]);
    else
        complain_option(is_long || !optopt ? argv[optind - 1] : one);
}

/* Options into command and given, verb and arguments into command; words are moved to the front of argv. */
static bool parse_options(int argc, char **argv, struct command *command, struct given *given)
{
    struct option words[ARRAY_LEN(options) + 1] = {0};
    char letters[2 * ARRAY_LEN(options) + 3];
    const struct verb *verb = NULL;
    int letter, used = 1;

    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        words[i] = (struct option){
            .name = options[i].name, .has_arg = options[i].argument ? required_argument : no_argument, .val = options[i].letter};
    make_letters(letters, false);
    opterr = 0;
    while ((letter = getopt_long(argc, argv, letters, words, NULL)) != -1) {
        if (letter == 1) { /* a word */
            argv[used++] = optarg;
            if (used == 2) {
                verb = find_verb(optarg);
                make_letters(letters, verb && (verb->takes & TAKES_EVENTS));
            }
            continue;
        }
        if (letter == ':' || letter == '?') {
            complain_getopt(argv, letter);
            return false;
        }
        if (letter == 'f' && verb && (verb->takes & TAKES_EVENTS) && !optarg)
            letter = 'F';
        for (size_t i = 0; i < ARRAY_LEN(options); i++) {
            if (options[i].letter == letter)
                given->seen |= 1u << i;
        }
        if (!take_option(command, given, letter, optarg))
            return false;
    }
    while (optind < argc)
        argv[used++] = argv[optind++];
    if (used > 1) {
        command->verb = argv[1];
        command->args = &argv[2];
        command->args_len = (size_t)(used - 2);
    }
    return true;
}

static bool check_command(const struct command *command, const struct given *given, const struct verb *verb)
{
    if (command->since > 0 && command->until > 0 && command->since >= command->until) {
        complain("--since is not before --until");
        return false;
    }
    if (command->args_len < verb->fewest || command->args_len > verb->most) {
        complain("usage: routectl %s%s%s", verb->name, verb->arguments[0] ? " " : "", verb->arguments);
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if ((given->seen >> i & 1) && options[i].takes != 0 && !(options[i].takes & verb->takes)) {
            complain("%s takes no --%s. See 'routectl help %s'", verb->name, options[i].name, verb->name);
            return false;
        }
    }
    for (size_t i = 0; i < command->args_len; i++) {
        if (!command->args[i][0]) {
            complain("an argument of %s is empty. Usage: routectl %s %s", verb->name, verb->name, verb->arguments);
            return false;
        }
    }
    return true;
}

/* What kind of output: colours and a width only where a person looks. */
static void choose_form(struct command *command, const struct given *given)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM"), *columns = getenv("COLUMNS");
    struct winsize size;

    command->form = given->json ? WRITER_JSON : given->tsv ? WRITER_TSV : WRITER_TEXT;
    command->terminal = isatty(STDOUT_FILENO) == 1;
    command->colour = command->terminal && !given->no_colour && !(no_colour && no_colour[0]) && !(term && strcmp(term, "dumb") == 0);
    if (command->terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        command->columns = size.ws_col;
    else if (command->terminal)
        command->columns = columns && atoi(columns) >= 20 ? (size_t)atoi(columns) : 80;
}

static enum exit_code run(const struct verb *verb, struct command *command)
{
    struct writer *w = writer_new(&(struct writer_setup){
        .form = command->form, .colour = command->colour, .indented = command->terminal, .columns = command->columns});
    enum exit_code code = verb->run(command, w);
    int error = writer_flush(w, STDOUT_FILENO);
    writer_free(w);
    if (error < 0) {
        complain("cannot write the answer: %s", strerror(-error));
        return EXIT_REFUSED;
    }
    return code;
}

int main(int argc, char **argv)
{
    const char *socket = getenv("PROBED_SOCKET");
    struct command command = {.socket = socket && socket[0] ? socket : CLIENT_SOCKET_DEFAULT, .timeout = TIMEOUT_DEFAULT};
    struct given given = {0};

    if (!parse_options(argc, argv, &command, &given))
        return EXIT_USAGE;
    if (given.json && given.tsv) {
        complain("--json and --tsv exclude each other");
        return EXIT_USAGE;
    }
    choose_form(&command, &given);
    if (given.version)
        return run(find_verb("version"), &command);
    const struct verb *verb = find_verb(command.verb ? command.verb : "help");
    if (given.help) {
        command.args = command.verb ? command.args - 1 : NULL; /* the verb itself becomes the argument */
        command.args_len = command.verb ? 1 : 0;
        return run(find_verb("help"), &command);
    }
    if (!command.verb) {
        complain("a verb is wanted: routectl status, routes, best, explain, watch, check ... See 'routectl help'");
        return EXIT_USAGE;
    }
    if (!verb) {
        complain_verb(command.verb);
        return EXIT_USAGE;
    }
    if (!check_command(&command, &given, verb))
        return EXIT_USAGE;
    return run(verb, &command);
}
