/* The dialects that every relay speaks. */
#ifndef RELAYSIM_DIALECT_H
#define RELAYSIM_DIALECT_H

/* X(ID, name) */
#define DIALECT_TABLE(X)                                                                                                                   \
    X(OPENAI, "openai")                                                                                                                    \
    X(ANTHROPIC, "anthropic")                                                                                                              \
    X(GEMINI, "gemini")                                                                                                                    \
    X(RESPONSES, "responses")

enum dialect {
#define X(id, name) DIALECT_##id,
    DIALECT_TABLE(X)
#undef X
        DIALECT_COUNT
};
const char *dialect_name(enum dialect dialect);

#endif
