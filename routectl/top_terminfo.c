/* A look into terminfo before curses is opened: newterm() loses memory over a terminal that it does not know. In a file of its own because
 * <term.h> makes macros of words such as "columns" and "lines". */
#include "routectl/top_terminfo.h"

#include <curses.h>
#include <term.h>
#include <unistd.h>

bool top_terminfo_known(const char *term)
{
    int status = 0;

    if (setupterm(term, STDOUT_FILENO, &status) != OK)
        return false;
    del_curterm(cur_term);
    return true;
}
