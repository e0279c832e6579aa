/* routectl replay: the recorded history again, under the configuration that was in force and under another one, side by side.
 *
 * What is ranked is ranked by `probed replay`, the very code of the daemon, as a child for each configuration (replay_child.c). The history
 * is read once and goes to both (replay_run.c); what following each table would have brought is estimated from the same history (follow.c,
 * which tells how, and where its limits are). */
#include "routectl/fetch.h"
#include "routectl/fields.h"
#include "routectl/replay_run.h"
#include "routectl/replay_show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/alloc.h"

#define SINCE_DEFAULT (7 * USEC_PER_DAY)
#define EVERY_DEFAULT (10 * USEC_PER_SEC)
#define EVERY_LEAST   USEC_PER_SEC
#define EVERY_MOST    USEC_PER_HOUR

/* The file of the daemon's configuration. NULL: the complaint has been made, *code says what to end with. Caller frees. */
static char *daemons_config(const struct command *command, enum exit_code *code)
{
    struct fetched status CLEANUP(fetched_done) = FETCHED_INIT;
    *code = fetch(command, "/v1/status", &status);
    if (*code != EXIT_OK) {
        complain("without the daemon, name the configuration to compare with: --with FILE");
        return NULL;
    }
    const char *file = json_string(status.json, "config.file");
    if (file && file[0] == '/')
        return alloc_string(file);
    /* As it was typed where the daemon was started; it tells where to those who may know. */
    char *path = alloc_printf("/proc/%lld/cwd/%s", (long long)field_count(status.json, "pid"), file ? file : "");
    if (file && file[0] && access(path, R_OK) == 0)
        return path;
    free(path);
    *code = EXIT_REFUSED;
    complain("the daemon's configuration is \"%s\", which does not say where that is: name it by --with FILE", file ? file : "");
    return NULL;
}

static bool is_readable(const char *config, bool daemons)
{
    if (access(config, R_OK) == 0)
        return true;
    complain("cannot read %s: %s%s", config, strerror(errno), daemons ? ". It is the daemon's; --with FILE names another one" : "");
    return false;
}

/* The program; NULL with a complaint. */
static const char *find_program(const struct command *command, char *buf, size_t size)
{
    const char *program = command->probed ? command->probed : replay_child_find(buf, size);
    if (!program) {
        complain("the program probed, which replays, is neither beside this one nor in PATH: name it by --probed PATH");
        return NULL;
    }
    if (access(program, X_OK) < 0) {
        complain("cannot run %s: %s", program, strerror(errno));
        return NULL;
    }
    return program;
}

/* There must be something to show. */
static enum exit_code check_outcome(const struct replay_run *run)
{
    if (run->records == 0) {
        complain("%s has no records in that time", run->source.name);
        return EXIT_REFUSED;
    }
    if (run->judged_until == 0) {
        complain("%s is shorter than one step: see --every", run->source.name);
        return EXIT_REFUSED;
    }
    for (size_t i = 0; i < run->sides_len; i++)
        if (run->sides[i].followed_len > 0)
            return EXIT_OK;
    if (run->setup->command->policy)
        complain("there is no policy \"%s\" in %s%s%s", run->setup->command->policy, run->sides[0].config, run->sides_len > 1 ? " or " : "",
                 run->sides_len > 1 ? run->sides[1].config : "");
    else
        complain("there is nothing in the history that %s has", run->sides[0].config);
    return EXIT_REFUSED;
}

static enum exit_code run_and_show(const struct replay_setup *setup, struct writer *w)
{
    struct replay_run run;
    enum exit_code code = replay_run(&run, setup);
    if (code == EXIT_OK)
        code = check_outcome(&run);
    if (code == EXIT_OK)
        replay_show(&run, w);
    replay_run_done(&run);
    return code;
}

enum exit_code verb_replay(const struct command *command, struct writer *w)
{
    char program[4200];
    enum exit_code code = EXIT_OK;
    usec_t now = fetch_now();
    struct replay_setup setup = {.command = command,
                                 .file = command->args_len > 0 ? command->args[0] : NULL,
                                 .since = command->since,
                                 .until = command->until,
                                 .every = command->every > 0 ? command->every : EVERY_DEFAULT,
                                 .progress = isatty(STDERR_FILENO) == 1};
    if (setup.every < EVERY_LEAST || setup.every > EVERY_MOST || setup.every % USEC_PER_SEC != 0) {
        complain("--every is whole seconds, from 1s to 1h");
        return EXIT_USAGE;
    }
    setup.program = find_program(command, program, sizeof program);
    if (!setup.program)
        return EXIT_REFUSED;
    char *daemons CLEANUP(alloc_freep) = command->with ? NULL : daemons_config(command, &code);
    if (!command->with && !daemons)
        return code;
    setup.configs[0] = command->with ? command->with : daemons;
    setup.configs[1] = command->config;
    if (!is_readable(setup.configs[0], daemons != NULL) || (command->config && !is_readable(command->config, false)))
        return EXIT_REFUSED;
    if (!setup.file) { /* the daemon's history goes on while it is read */
        setup.until = setup.until > 0 ? setup.until : now;
        setup.since = setup.since > 0 ? setup.since : setup.until > SINCE_DEFAULT ? setup.until - SINCE_DEFAULT : 0;
    }
    return run_and_show(&setup, w);
}
