/* How often clients of probed look at its table, and where what it is told is written down. Set before it is made. */
#ifndef TESTS_SIM_RANKING_STRATEGY_PROBED_H
#define TESTS_SIM_RANKING_STRATEGY_PROBED_H

#include <stdbool.h>

extern double strategy_probed_poll_s;      /* of virtual time; 1 */
extern bool strategy_probed_spreads;       /* a retry goes by the weights too, not to the next of the order */
extern const char *strategy_probed_record; /* a file's name: every line that probed gets, too; NULL = none */

#endif
