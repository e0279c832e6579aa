/* Several lists of prices made into one. Inside probed/price only: for feeds that are asked model by model. */
#ifndef PROBED_PRICE_COLLECT_JOIN_H
#define PROBED_PRICE_COLLECT_JOIN_H

#include "probed/price/price.h"

struct price_joining;
struct price_joining *price_joining_new(void);
/* All rows of the list, under that name. -EINVAL with err said: too many. */
int price_joining_add(struct price_joining *j, const struct price_list *list, const char *model, struct err *err) ATTR_UNUSED_RESULT;
/* What was added, in order, as one list of its own. */
void price_joining_take(struct price_joining *j, const char *currency, struct price_list *ret);
struct price_joining *price_joining_free(struct price_joining *j); /* returns NULL */

#endif
