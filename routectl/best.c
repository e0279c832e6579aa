/* routectl best MODEL: the route with the largest share, as facts, one word, JSON or shell text.
 *
 * Nothing goes to standard output unless there is a route and all of it is fit to be printed: scripts put this into eval and into
 * variables. */
#include "routectl/environment.h"
#include "routectl/fetch.h"
#include "routectl/figures.h"

#include <stdlib.h>
#include <string.h>

static void write_facts(const cJSON *best, struct writer *w)
{
    double number;
    const char *title = json_string(best, "title");
    const char *key = json_string(best, "key_env");

    writer_heading(w, "%s/%s%s%s", json_string(best, "platform"), json_string(best, "model"), title ? "  " : "", title ? title : "");
    writer_fact(w, "platform", NULL, cell_string(json_string(best, "platform")));
    writer_fact(w, "model", NULL, cell_string(json_string(best, "model")));
    writer_fact(w, "endpoint", "base URL", cell_string(json_string(best, "endpoint")));
    writer_fact(w, "upstream_model", "model there", cell_string(json_string(best, "upstream_model")));
    writer_fact(w, "dialect", "dialect", cell_string(json_string(best, "dialect")));
    writer_fact(w, "key_env", "key in", key ? cell_string(key) : cell_shown(cell_unknown(), "no variable"));
    writer_fact(w, "state", "state", figure_state_name(json_string(best, "state")));
    if (json_number(best, "weight", &number))
        writer_fact(w, "weight", "share", figure_share((uint32_t)(number >= 0 && number <= 1 ? number * TABLE_SLOTS + 0.5 : 0)));
    if (json_number(best, "score", &number))
        writer_fact(w, "score", "score", figure_score(number));
    writer_fact(w, "policy", "policy", cell_string(json_string(best, "policy")));
}

static enum exit_code write_word(const char *word, const char *what, struct writer *w)
{
    if (!environment_is_line(word)) {
        complain("the route has no %s that can be printed on a line", what);
        return EXIT_REFUSED;
    }
    writer_line(w, word);
    return EXIT_OK;
}

static enum exit_code write_environment(const cJSON *best, struct writer *w)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    struct err err = {""};
    struct environment_route route = {
        .platform = json_string(best, "platform"),
        .model = json_string(best, "model"),
        .upstream_model = json_string(best, "upstream_model"),
        .endpoint = json_string(best, "endpoint"),
        .dialect = json_string(best, "dialect"),
        .key_env = json_string(best, "key_env"),
    };

    if (environment_write(&route, &text, &err) < 0) {
        complain("%s", err.text);
        return EXIT_REFUSED;
    }
    if (!route.key_env)
        complain("note: %s has no key variable; the client's key variable is unset, so that no other platform's key is sent there",
                 route.platform);
    else if (!getenv(route.key_env) || !getenv(route.key_env)[0])
        complain("note: %s, which holds the key for %s, is not set in this environment", route.key_env, route.platform);
    buf_str(&text);
    text.data[text.len - 1] = '\0'; /* writer_line ends it */
    writer_line(w, text.data);
    return EXIT_OK;
}

/* NULL, or what is wrong with the combination of forms asked for. */
static const char *form_problem(const struct command *command)
{
    static const char *const forms[] = {"url", "platform", "env", "json"};
    bool known = !command->output;

    for (size_t i = 0; i < ARRAY_LEN(forms) && !known; i++)
        known = strcmp(command->output, forms[i]) == 0;
    if (!known)
        return "it must be url, platform, env or json";
    if (command->output && command->form == WRITER_TSV)
        return "it excludes --tsv";
    if (command->output && command->form == WRITER_JSON && strcmp(command->output, "json") != 0)
        return "it excludes --json";
    return NULL;
}

enum exit_code verb_best(const struct command *command, struct writer *w)
{
    struct buf target CLEANUP(buf_done) = BUF_INIT;
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    const char *problem = form_problem(command);

    if (problem) {
        complain("--output %s: %s", command->output, problem);
        return EXIT_USAGE;
    }
    buf_add_str(&target, "/v1/best");
    fetch_query(&target, "model", command->args[0]);
    fetch_query(&target, "policy", command->policy);
    enum exit_code code = fetch(command, buf_str(&target), &answer);
    if (code != EXIT_OK)
        return code;
    const char *platform = json_string(answer.json, "platform");
    if (!platform || !json_string(answer.json, "model")) {
        complain("what answers on %s is not probed: no platform or model in its answer", command->socket);
        return EXIT_UNREACHABLE;
    }
    if (!command->output) {
        writer_document(w, answer.json);
        write_facts(answer.json, w);
    } else if (strcmp(command->output, "json") == 0) {
        writer_json(w, answer.json);
    } else if (strcmp(command->output, "url") == 0) {
        code = write_word(json_string(answer.json, "endpoint"), "base URL", w);
    } else if (strcmp(command->output, "platform") == 0) {
        code = write_word(platform, "platform", w);
    } else {
        code = write_environment(answer.json, w);
    }
    return fetch_verdict(&answer, code);
}
