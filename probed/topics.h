/* What the socket is told of money and conduct: the bodies of /v1/prices, /v1/spend, /v1/forecast, /v1/capabilities and /v1/honesty (probed-api(7)).
 *
 * topics.c       which topic, the names and the currency that were asked for, what they share
 * topic_*.c      one body each */
#ifndef PROBED_TOPICS_H
#define PROBED_TOPICS_H

#include "probed/core/accounts.h"
#include "probed/serve/api.h"

struct daemon;
struct config_platform;

/* As api_owner.tell. */
int topics_tell(void *daemon, enum api_topic topic, const struct api_topic_query *query, cJSON **ret, struct err *err);
/* Parts of other bodies: "price_source" and "balance" of a platform in /v1/status; "price_facts" and "capabilities" in /v1/explain. */
void topics_add_sources(struct daemon *d, size_t platform, cJSON *json);
void topics_add_price(struct daemon *d, size_t platform, size_t route, cJSON *json);

void topics_add_capabilities(struct daemon *d, size_t platform, size_t route, cJSON *json);

/* --- among themselves --- */

struct topic {
    struct daemon *d;
    const struct api_topic_query *query;
    char currency[CURRENCY_MAX]; /* in which money is shown */
    usec_t now, offset;          /* steady; to the wall */
};
void topic_prices(const struct topic *t, cJSON *json);
void topic_spend(const struct topic *t, cJSON *json);
void topic_capabilities(const struct topic *t, cJSON *json);
void topic_honesty(const struct topic *t, cJSON *json);
int topic_forecast(const struct topic *t, cJSON *json, struct err *err); /* -EINVAL: the workload makes no sense */

void topic_add_alerts(const struct account_credit *credit, cJSON *json);
/* Was it asked for? */
bool topic_wants_platform(const struct topic *t, const struct config_platform *c);
bool topic_wants_model(const struct topic *t, const char *model);
/* Units of the shown currency; NAN: there is no rate, or it is unknown (pico < 0 where it cannot be). */
double topic_money(const struct topic *t, int64_t pico, const char *currency);
double topic_known(const struct topic *t, int64_t pico, const char *currency); /* below 0 = not known */
double topic_positive(double x); /* NAN where it is below 0, which is "not known" */
double topic_a_million(const struct topic *t, int64_t pico, const char *currency); /* tokens, of a price a token; below 0 = not known */
void topic_add_time(const struct topic *t, cJSON *json, const char *name, usec_t steady); /* below 0: null */
void topic_add_age(cJSON *json, const char *name, usec_t age);                            /* below 0: null */

#endif
