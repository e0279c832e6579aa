/* The words of a failure: library code fills one in, program code shows it once. A NULL err is allowed everywhere. */
#ifndef SHARED_ERR_H
#define SHARED_ERR_H

#include "shared/compiler.h"

#define ERR_TEXT_MAX 320

struct err {
    char text[ERR_TEXT_MAX]; /* one sentence, no newline; "" = nothing said */
};

/* Writes the sentence and returns code (a negative errno), so that `return err_set(err, -EINVAL, ...)` reads well. */
int err_set(struct err *err, int code, const char *fmt, ...) ATTR_PRINTF(3, 4);
/* Puts "context: " before what is there. */
void err_prefix(struct err *err, const char *fmt, ...) ATTR_PRINTF(2, 3);

#endif
