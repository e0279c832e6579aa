/* routectl probe PLATFORM[/MODEL]: an extra probe as soon as the caps and the budget allow. What comes of it is seen in explain and watch.
 */
#include <string.h>

#include "routectl/fetch.h"

static const struct { const char *kind, *verb; } shown_by[] = {{"price", "prices"}, {"balance", "spend"}, {"capabilities", "capabilities"}};

enum exit_code verb_probe(const struct command *command, struct writer *w)
{
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    cJSON *body CLEANUP(json_deletep) = cJSON_CreateObject();
    struct target route;

    if (!target_parse(&route, command->args[0], false))
        return EXIT_USAGE;
    json_add_string(body, "platform", route.platform);
    json_add_string(body, "model", route.model[0] ? route.model : NULL);
    if (command->kind)
        json_add_string(body, "kind", command->kind);
    enum exit_code code = fetch_post(command, "/v1/probe", body, &answer);
    if (code != EXIT_OK)
        return code;
    writer_document(w, answer.json);
    writer_fact(w, "platform", NULL, cell_string(route.platform));
    writer_fact(w, "model", NULL, cell_string(route.model[0] ? route.model : NULL));
    writer_fact(w, "kind", NULL, cell_string(command->kind));
    const char *see = route.model[0] ? "explain" : "watch";
    for (size_t i = 0; command->kind && i < ARRAY_LEN(shown_by); i++)
        if (strcmp(shown_by[i].kind, command->kind) == 0)
            see = shown_by[i].verb;
    writer_note(w, STYLE_GOOD, "%s is being probed now. See: routectl %s%s%s", command->args[0], see, strcmp(see, "watch") == 0 ? "" : " ",
                strcmp(see, "watch") == 0 ? "" : strcmp(see, "spend") == 0 ? route.platform : strcmp(see, "prices") == 0 ? route.model : command->args[0]);
    return EXIT_OK;
}
