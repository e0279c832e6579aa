/* A workload as typed: so many requests, of so many tokens. */
#ifndef ROUTECTL_WORKLOAD_H
#define ROUTECTL_WORKLOAD_H

#include "shared/buf.h"
#include "shared/err.h"
#include "shared/units.h"

#define WORKLOAD_INPUT  1000 /* tokens of a request of which nothing is said */
#define WORKLOAD_OUTPUT 300

/* "1200", "1.5k", "1M": whole tokens, 0 to 10 million. 0 or -errno with err said. */
int workload_parse_tokens(const char *text, int64_t *ret, struct err *err) ATTR_UNUSED_RESULT;
/* "50k/day", "2M/day", "300/h": more than none. */
int workload_parse_requests(const char *text, double *ret_per_day, struct err *err) ATTR_UNUSED_RESULT;
/* "30", "30d": whole days, 1 to 366. */
int workload_parse_days(const char *text, int *ret, struct err *err) ATTR_UNUSED_RESULT;
/* "50,000 requests a day", "300 requests an hour": what of these is a number that one can imagine. Appended to ret. */
void workload_add_rate(struct buf *ret, double per_day);

#endif
