/* The ids of answers.
 *
 * Vendors give their ids a prefix: OpenAI "chatcmpl-" and "resp_", Anthropic "msg_", OpenRouter "gen-"; others give a bare number or uuid,
 * which has none. Relays keep the vendor's, or make their own, which is no lie. So three things only are odd: an id of one vendor's kind
 * where that vendor's dialect is not spoken and its model was not asked for; an id that came before, since no two answers share one; and a
 * route whose ids always began alike and now begin otherwise, which is what a change of upstream looks like. A route that mixes its
 * upstreams never gets a usual prefix, and no signal. */
#include "probed/probe/reply_id.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define USUAL_AFTER 8 /* alike in a row */
#define ID_LEAST    8 /* characters of an id that is meant to be the only one of its kind */

static const char id_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

void reply_id_clean(char ret[REPLY_ID_MAX], const char *id)
{
    size_t len = strspn(id, id_bytes);
    ret[0] = '\0';
    if (len == 0 || len >= REPLY_ID_MAX || id[len])
        return;
    memcpy(ret, id, len + 1);
}

/* Letters with a "-" or "_" behind them, and something behind that. "" = it has none, like a uuid or a number. */
static void prefix_of(char ret[REPLY_PREFIX_MAX], const char *id)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t len = strspn(id, letters);
    ret[0] = '\0';
    if (len < 2 || len + 2 > REPLY_PREFIX_MAX || (id[len] != '-' && id[len] != '_') || !id[len + 1])
        return;
    /* The first block of a uuid may be letters only. */
    if (len == 8 && id[len] == '-' && strspn(id, "abcdefABCDEF") == 8)
        return;
    memcpy(ret, id, len + 1);
    ret[len + 1] = '\0';
}

/* A vendor's kind of id where neither the dialect nor the model is that vendor's. */
static bool is_impossible(enum dialect_id dialect, const char *model, const char *prefix)
{
    bool chat = strcmp(prefix, "chatcmpl-") == 0, responses = strcmp(prefix, "resp_") == 0, message = strcmp(prefix, "msg_") == 0;
    bool claude = strcasestr(model, "claude") != NULL;
    switch (dialect) {
    case DIALECT_ANTHROPIC:
        return chat || responses;
    case DIALECT_GEMINI:
        return chat || responses || message;
    case DIALECT_RESPONSES:
        return chat || (message && !claude);
    case DIALECT_OPENAI:
    default:
        return message && !claude;
    }
}

static bool came_before(struct reply_ids *ids, const char *id)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (const char *p = id; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
    hash |= 1; /* 0 = none */
    if (strlen(id) < ID_LEAST)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(ids->last); i++)
        if (ids->last[i] == hash)
            return true;
    ids->last[ids->last_next] = hash;
    ids->last_next = (uint8_t)((ids->last_next + 1) % ARRAY_LEN(ids->last));
    return false;
}

static const char *shown(const char *prefix)
{
    return prefix[0] ? prefix : "no prefix";
}

bool reply_id_odd(struct reply_ids *ids, enum dialect_id dialect, const char *model, const char *id, char *why, size_t size)
{
    char prefix[REPLY_PREFIX_MAX];
    why[0] = '\0';
    if (!id[0])
        return false;
    prefix_of(prefix, id);
    bool before = came_before(ids, id), again = ids->newest_times > 0 && strcmp(prefix, ids->newest) == 0;
    if (!again) {
        memcpy(ids->newest, prefix, sizeof prefix);
        ids->newest_times = 0;
    }
    if (ids->newest_times < UINT8_MAX)
        ids->newest_times++;
    bool differs = ids->usual_times > 0 && strcmp(prefix, ids->usual) != 0;
    if (differs)
        snprintf(why, size, "%s after %s each time", shown(prefix), shown(ids->usual));
    if (ids->newest_times >= USUAL_AFTER) {
        memcpy(ids->usual, prefix, sizeof prefix);
        ids->usual_times = ids->newest_times;
    }
    if (is_impossible(dialect, model, prefix)) {
        snprintf(why, size, "%s in the %s dialect", prefix, dialect_name(dialect));
        return true;
    }
    if (before)
        snprintf(why, size, "the id of an earlier answer");
    return differs || before;
}
