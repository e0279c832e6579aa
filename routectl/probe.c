/* routectl probe PLATFORM[/MODEL]: an extra probe as soon as the caps and the budget allow. What comes of it is seen in explain and watch.
 */
#include "routectl/fetch.h"

enum exit_code verb_probe(const struct command *command, struct writer *w)
{
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    cJSON *body CLEANUP(json_deletep) = cJSON_CreateObject();
    struct target route;

    if (!target_parse(&route, command->args[0], false))
        return EXIT_USAGE;
    json_add_string(body, "platform", route.platform);
    json_add_string(body, "model", route.model[0] ? route.model : NULL);
    enum exit_code code = fetch_post(command, "/v1/probe", body, &answer);
    if (code != EXIT_OK)
        return code;
    writer_document(w, answer.json);
    writer_fact(w, "platform", NULL, cell_string(route.platform));
    writer_fact(w, "model", NULL, cell_string(route.model[0] ? route.model : NULL));
    writer_note(w, STYLE_GOOD, "%s is being probed now. See: routectl %s%s", command->args[0], route.model[0] ? "explain " : "watch",
                route.model[0] ? command->args[0] : "");
    return EXIT_OK;
}
