/* The inside of a chat_reading: what the dialects (openai.c, anthropic.c, gemini.c, responses.c) tell it, and what chat.c concludes from. Nobody else includes it.
 */
#ifndef PROBED_PROBE_READING_H
#define PROBED_PROBE_READING_H

#include "probed/probe/chat.h"
#include "probed/probe/classify.h"
#include "probed/probe/reply_id.h"

enum reading_form { FORM_OPEN, FORM_STREAM, FORM_BODY }; /* OPEN: no telling byte came yet */
/* Where in "<think> ... </think> answer" the content stands. */
enum reading_think { THINK_START, THINK_INSIDE, THINK_AFTER, THINK_NONE };

struct chat_reading {
    const struct dialect *dialect;
    char *model;
    struct challenge challenge;

    enum reading_form form;
    struct sse sse;
    struct buf body; /* the answer, if it is no stream; the beginning of a stream until its first event */
    bool overflow;
    bool ending; /* the last, perhaps cut, line is being read */

    /* Steady times, -1 = never. */
    usec_t first, last, content;
    usec_t data_last; /* of any byte */
    usec_t done_at;
    usec_t gap_max;
    unsigned stalls, chunks;
    size_t bytes, first_bytes; /* of text: all, in the first chunk */

    enum reading_think think;
    size_t matched;   /* bytes of the tag that the newest content ends with */
    usec_t held_at;   /* when the first byte came of what may yet be "<think>" */
    bool reasoning;   /* some came */
    bool answered;    /* content that is not blank, a refusal or a tool call came */
    struct buf reply; /* content without its thinking, as far as it fits */
    size_t delta_at;  /* in reply: where the newest delta begins */
    unsigned deltas, repeats;
    bool grew;

    bool known;      /* some event was of this dialect's shape */
    bool done;       /* [DONE], message_stop, or a whole body */
    bool whole;      /* it was no stream */
    char finish[32]; /* finish_reason in OpenAI's words, "" = none */
    bool failed;
    struct classification failure;

    bool usage, usage_impossible;
    int64_t prompt_tokens, output_tokens, reasoning_tokens, cached_tokens; /* -1 = not told */
    int64_t charged_pico;                                                  /* USD; -1 = not told */
    char answered_by[96];                                                  /* the model echoed, "" = none */
    char id[REPLY_ID_MAX];
    int asked_tokens; /* max_tokens; 0 = not known */
    bool asked_reasoning;
    enum chat_parameter refused;
};

/* Parses an event and deals with what all dialects share: [DONE], what is no JSON, errors. NULL: nothing is left to do. The caller frees.
 */
cJSON *reading_json(struct chat_reading *r, const struct sse_event *event, usec_t now);
void reading_content(struct chat_reading *r, const char *text, usec_t now);
void reading_reasoning(struct chat_reading *r, const char *text, usec_t now);
void reading_other(struct chat_reading *r, const char *text, usec_t now); /* a tool call: output that is no text */
void reading_finish_reason(struct chat_reading *r, const char *reason);
void reading_done(struct chat_reading *r, usec_t now);
/* A count in an object: -1 = not told, -2 = told, but no possible count. */
int64_t reading_count(const cJSON *usage, const char *path);
/* Counts from reading_count. `cached`: of the prompt's. */
void reading_usage(struct chat_reading *r, int64_t prompt, int64_t output, int64_t reasoning, int64_t cached);
/* What a usage object says that was charged (OpenRouter's `cost`, in USD). */
void reading_charged(struct chat_reading *r, const cJSON *usage);
/* The usage object of OpenAI's dialects, whole. */
void reading_take_usage(struct chat_reading *r, const cJSON *usage);
void reading_id(struct chat_reading *r, const char *id); /* the first counts; NULL is fine */
void reading_answered_by(struct chat_reading *r, const char *model);
/* The first failure stands. */
void reading_fail(struct chat_reading *r, enum outcome_kind kind, const char *lead, const char *words);
enum stage reading_stage(const struct chat_reading *r); /* FIRST or STREAM */
void reading_flush(struct chat_reading *r);             /* what was held back as a possible "<think>" is content after all */
bool reading_cumulative(const struct chat_reading *r);
bool reading_has_text(const struct chat_reading *r); /* content or reasoning */
/* signals.c: the flags of a good answer whose challenge is judged, with their evidence */
void reading_signals(const struct chat_reading *r, struct observation *o);

#endif
