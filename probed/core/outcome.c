/* The names and sentences of outcomes, stages and faults, all out of the tables in outcome.h.
 *
 * Nothing is kept; every string is static. A number outside its table (a damaged file, a newer peer) gets "?" and never a read
 * beyond the array. */
#include "probed/core/outcome.h"

#include <stddef.h>
#include <string.h>

struct word {
    const char *name, *text;
};

static const struct word stages[] = {
#define X(id, name, text) {name, text},
    STAGE_TABLE(X)
#undef X
};

static const struct {
    struct word word;
    enum fault fault;
} outcomes[] = {
#define X(id, name, fault, text) {{name, text}, FAULT_##fault},
    OUTCOME_TABLE(X)
#undef X
};

static const char *const faults[] = {"none", "relay", "ours", "local"};

const char *stage_name(enum stage stage)
{
    return (size_t)stage < ARRAY_LEN(stages) ? stages[stage].name : "?";
}

const char *stage_text(enum stage stage)
{
    return (size_t)stage < ARRAY_LEN(stages) ? stages[stage].text : "?";
}

const char *outcome_name(enum outcome_kind kind)
{
    return (size_t)kind < ARRAY_LEN(outcomes) ? outcomes[kind].word.name : "?";
}

const char *outcome_text(enum outcome_kind kind)
{
    return (size_t)kind < ARRAY_LEN(outcomes) ? outcomes[kind].word.text : "?";
}

const char *fault_name(enum fault fault)
{
    return (size_t)fault < ARRAY_LEN(faults) ? faults[fault] : "?";
}

int outcome_kind_from_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
        if (strcmp(outcomes[i].word.name, name) == 0)
            return (int)i;
    }
    return -1;
}

int stage_from_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        if (strcmp(stages[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

int fault_from_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        if (strcmp(faults[i], name) == 0)
            return (int)i;
    }
    return -1;
}

struct outcome outcome_make(enum stage stage, enum outcome_kind kind, int http_status)
{
    return (struct outcome){
        .stage = stage,
        .kind = kind,
        .fault = (size_t)kind < ARRAY_LEN(outcomes) ? outcomes[kind].fault : FAULT_LOCAL,
        .http_status = http_status,
    };
}
