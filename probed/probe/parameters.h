/* The parameters of a chat request that it could do without, and how a relay says that it does not take one. Pure.
 *
 * Relays and the vendors behind them take different sets, per model, and change them. Which one a route takes cannot be known from its
 * name alone, so it is learnt from its refusals (manners.h). */
#ifndef PROBED_PROBE_PARAMETERS_H
#define PROBED_PROBE_PARAMETERS_H

#include <stdbool.h>

/* X(ID, what is told of it where it is left out)
 * The limit of the answer's length is never left out, since it bounds what a probe costs: its one name stands in for the other. */
#define PARAMETER_TABLE(X)                                                                                                                 \
    X(MAX_TOKENS, "max_tokens")                                                                                                            \
    X(MAX_COMPLETION_TOKENS, "max_completion_tokens")                                                                                      \
    X(TEMPERATURE, "temperature")                                                                                                          \
    X(STREAM_OPTIONS, "stream_options")                                                                                                    \
    X(LEAST_EFFORT, "reasoning_effort minimal")                                                                                            \
    X(EFFORT, "reasoning_effort")                                                                                                          \
    X(ENABLE_THINKING, "enable_thinking")                                                                                                  \
    X(THINKING_CONFIG, "thinkingConfig")                                                                                                   \
    X(STORE, "store")                                                                                                                      \
    X(SIZE, "so large a limit")

enum chat_parameter {
#define X(id, name) PARAMETER_##id,
    PARAMETER_TABLE(X)
#undef X
        PARAMETER_COUNT
};
#define PARAMETER_NONE           PARAMETER_COUNT
#define PARAMETER_BIT(parameter) (1u << (parameter))

const char *parameter_name(enum chat_parameter parameter);
/* Which one a refusal of our request is about: `param` as the error names it ("" = not told), else by the message. NONE: none of these, or
 * not for being there. SIZE: the limit of the answer's length is more than the model has. LEAST_EFFORT is never told: it is EFFORT that
 * refusals name. */
enum chat_parameter parameter_refused(const char *param, const char *message);

#endif
