/* Which dialect is which. Each is a file of its own, openai.c and anthropic.c; adding one is adding a line here. */
#include "probed/probe/dialect.h"

const struct dialect *dialect_get(enum dialect_id id)
{
    return id == DIALECT_ANTHROPIC ? &dialect_anthropic : &dialect_openai;
}
