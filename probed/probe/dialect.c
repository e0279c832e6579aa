/* Which dialect is which, and what their requests share. Each is a file of its own: openai.c, anthropic.c, gemini.c, responses.c; adding
 * one is adding a line here. */
#include "probed/probe/dialect.h"

#include <ctype.h>
#include <string.h>

#include "probed/probe/reason.h"

static const struct dialect *const dialects[DIALECT_COUNT] = {
    [DIALECT_OPENAI] = &dialect_openai,
    [DIALECT_ANTHROPIC] = &dialect_anthropic,
    [DIALECT_GEMINI] = &dialect_gemini,
    [DIALECT_RESPONSES] = &dialect_responses,
};

const struct dialect *dialect_get(enum dialect_id id)
{
    return id < DIALECT_COUNT ? dialects[id] : &dialect_openai;
}

void chat_request_done(struct chat_request *request)
{
    buf_done(&request->path);
    buf_done(&request->body);
}

static bool is_unreserved(char c)
{
    return (unsigned char)c < 0x80 && (isalnum((unsigned char)c) || strchr("-._~", c));
}

static void add_escaped(struct buf *ret, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (is_unreserved(*p))
            buf_add_char(ret, *p);
        else
            buf_printf(ret, "%%%02X", (unsigned)(unsigned char)*p);
    }
}

void dialect_add_path(struct buf *ret, const char *path, const char *model)
{
    static const char place[] = "{model}";
    for (const char *at; (at = strstr(path, place)); path = at + strlen(place)) {
        buf_add(ret, path, (size_t)(at - path));
        add_escaped(ret, model);
    }
    buf_add_str(ret, path);
}

bool dialect_takes(struct chat_request *request, const struct chat_ask *ask, enum chat_parameter parameter)
{
    if (ask->left_out & PARAMETER_BIT(parameter))
        return false;
    request->sent |= PARAMETER_BIT(parameter);
    return true;
}

const char *dialect_effort(struct chat_request *request, const struct chat_ask *ask)
{
    if (!ask->reasoning || !reason_takes_effort(ask->model) || !dialect_takes(request, ask, PARAMETER_EFFORT))
        return NULL;
    if (reason_takes_least_effort(ask->model) && dialect_takes(request, ask, PARAMETER_LEAST_EFFORT))
        return "minimal";
    return "low";
}
