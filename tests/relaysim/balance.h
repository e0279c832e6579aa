/* What the account pages tell: balances, charges, each to who may see them. */
#ifndef RELAYSIM_BALANCE_H
#define RELAYSIM_BALANCE_H

#include "tests/relaysim/asked.h"

/* Is the path one of this relay's account pages? Says which in a->balance. */
bool balance_find(struct asked *a);
/* Looks at the key or token itself: each page wants another. */
void balance_answer(struct asked *a);

#endif
