/* routectl routes [MODEL]: the ranked table once. Exit 4 when none of the models shown has a usable route. */
#include "routectl/fetch.h"
#include "routectl/ranked.h"

enum exit_code verb_routes(const struct command *command, struct writer *w)
{
    struct buf target CLEANUP(buf_done) = BUF_INIT;
    struct buf head CLEANUP(buf_done) = BUF_INIT;
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    struct err err = {""};

    buf_add_str(&target, "/v1/routes");
    fetch_query(&target, "policy", command->policy);
    fetch_query(&target, "model", command->args_len > 0 ? command->args[0] : NULL);
    enum exit_code code = fetch(command, buf_str(&target), &answer);
    if (code != EXIT_OK)
        return code;
    struct table *table = table_from_json(answer.json, &err);
    if (!table) {
        complain("what answers on %s is not probed: %s", command->socket, err.text);
        return EXIT_UNREACHABLE;
    }
    writer_document(w, answer.json);
    bool bad = ranked_head(&head, table, fetch_now());
    if (writer_form(w) == WRITER_TEXT)
        writer_note(w, bad ? STYLE_BAD : STYLE_DIM, "%s", buf_str(&head));
    bool usable = ranked_write(&(struct ranked_view){.table = table, .now = fetch_now()}, w);
    table_unref(table);
    if (!usable)
        complain("there is no usable route%s%s", command->args_len > 0 ? " for " : "", command->args_len > 0 ? command->args[0] : "");
    return fetch_verdict(&answer, usable ? EXIT_OK : EXIT_NO_ROUTE);
}
