/* routectl drain | pin | enable PLATFORM[/MODEL]: an operator's word, kept with its reason and its author beside what is measured.
 *
 * Without --for it holds until it is taken back; that is said, because forgotten drains are how good platforms get lost. */
#include "routectl/fetch.h"
#include "routectl/figures.h"

#include <math.h>
#include <string.h>

#define REASON_MAX 159

static void write_done(const struct command *command, const cJSON *made, struct writer *w)
{
    double expires = 0;
    char span[32] = "";
    bool ends = json_number(made, "expires_at", &expires) && expires > 0;

    if (ends)
        figure_span(span, sizeof span, (usec_t)llround(expires * 1e6) - fetch_now() + USEC_PER_SEC / 2);
    if (strcmp(command->verb, "enable") == 0) {
        writer_note(w, STYLE_GOOD, "%s is enabled%s%s: %s.", command->args[0], ends ? " for " : "", span,
                    ends ? "no drain, maintenance window or flap damping holds it back" : "what is measured decides again");
        return;
    }
    writer_note(w, STYLE_GOOD, "%s is %s%s%s%s", command->args[0], strcmp(command->verb, "drain") == 0 ? "drained" : "pinned",
                ends ? " for " : "", span, ends ? "." : " until it is taken back (routectl enable). Use --for 2h to let it end by itself.");
}

enum exit_code verb_override(const struct command *command, struct writer *w)
{
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    cJSON *body CLEANUP(json_deletep) = cJSON_CreateObject();
    struct target route;

    if (!target_parse(&route, command->args[0], false))
        return EXIT_USAGE;
    if (command->reason && strlen(command->reason) > REASON_MAX) {
        complain("--reason: at most %d bytes, please", REASON_MAX);
        return EXIT_USAGE;
    }
    json_add_string(body, "action", command->verb);
    json_add_string(body, "platform", route.platform);
    json_add_string(body, "model", route.model[0] ? route.model : NULL);
    if (command->lasting > 0)
        json_add_number(body, "for_s", (double)command->lasting / (double)USEC_PER_SEC);
    else
        json_add_null(body, "for_s");
    json_add_string(body, "reason", command->reason ? command->reason : "");
    enum exit_code code = fetch_post(command, "/v1/override", body, &answer);
    if (code != EXIT_OK)
        return code;
    writer_document(w, answer.json);
    writer_fact(w, "action", NULL, cell_string(command->verb));
    writer_fact(w, "platform", NULL, cell_string(route.platform));
    writer_fact(w, "model", NULL, cell_string(route.model[0] ? route.model : NULL));
    write_done(command, answer.json, w);
    return EXIT_OK;
}
