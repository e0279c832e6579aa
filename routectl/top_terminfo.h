/* Is a kind of terminal known here at all? */
#ifndef ROUTECTL_TOP_TERMINFO_H
#define ROUTECTL_TOP_TERMINFO_H

#include <stdbool.h>

bool top_terminfo_known(const char *term);

#endif
