/* What an error answer means: by error code and message first, by HTTP status second, since relays remap statuses.
 *
 * One function for all families: OpenAI, OpenRouter, one-api, new-api, SiliconFlow, AIHubMix, APIYI, sub2api, Anthropic, web pages. Pure.
 */
#ifndef PROBED_PROBE_CLASSIFY_H
#define PROBED_PROBE_CLASSIFY_H

#include "probed/core/outcome.h"
#include "probed/probe/parameters.h"
#include "shared/json.h"

struct classification {
    struct outcome outcome;
    enum chat_parameter refused; /* of a BAD_REQUEST: the parameter that it is about; PARAMETER_NONE */
    char detail[160]; /* code and message in the relay's words, one line of UTF-8 without request ids and keys; else raw: HOSTILE */
};

/* An answer with status >= 400 (or 3xx), its body whole or cut at the cap. */
struct classification classify_answer(int status, const char *content_type, const char *body, size_t len);
/* A parsed object that carries an error under 200 (an event, a body): true and *ret filled. `stage` is where it came. An error that names
 * its cause keeps its kind and fault (auth, credit, 429, moderation, model, upstream full, our request); otherwise ERROR_IN_200. False: no
 * error in it. */
bool classify_json(const cJSON *json, enum stage stage, int status, struct classification *ret);
/* A 200 body that should have been JSON or an event stream: HTML page (NOT_API), empty (EMPTY), else MALFORMED. */
struct classification classify_not_json(int status, const char *content_type, const char *body, size_t len);

#endif
