/* routectl reload: the daemon reads its configuration again. If it is wrong the old one stays, and every error with its place is shown. */
#include "routectl/fetch.h"

#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/text.h"

/* The daemon's messages as it wrote them: one string of many lines, or an array of strings. */
static void write_messages(const cJSON *messages, struct writer *w)
{
    const cJSON *item;

    if (cJSON_IsString(messages)) {
        char *text CLEANUP(alloc_freep) = alloc_string(messages->valuestring);
        char *rest = text;
        for (char *line; (line = strsep(&rest, "\n"));) {
            struct buf safe CLEANUP(buf_done) = BUF_INIT;
            text_escape_terminal(&safe, line, strlen(line), 4096);
            if (*line || rest) /* as it stands: it underlines the offending text */
                writer_line(w, buf_str(&safe));
        }
        return;
    }
    cJSON_ArrayForEach(item, messages) write_messages(item, w);
}

enum exit_code verb_reload(const struct command *command, struct writer *w)
{
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    cJSON *body CLEANUP(json_deletep) = cJSON_CreateObject();
    struct command patient = *command;

    if (patient.timeout < 30 * USEC_PER_SEC) /* it answers when it is done: checking 2,000 platforms takes a while */
        patient.timeout = 30 * USEC_PER_SEC;
    enum exit_code code = fetch_quiet(&patient, "POST", "/v1/reload", body, &answer);
    if (code == EXIT_UNREACHABLE)
        return code;
    if (code != EXIT_OK) {
        writer_document(w, answer.json);
        write_messages(json_at(answer.json, "messages"), w);
        fetch_complain(command, &answer);
        return EXIT_REFUSED;
    }
    writer_document(w, answer.json);
    writer_fact(w, "ok", NULL, cell_bool(true));
    write_messages(json_at(answer.json, "messages"), w);
    writer_note(w, STYLE_GOOD, "The configuration was read again and is in use.");
    return EXIT_OK;
}
