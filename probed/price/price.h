/* What a relay says that its models cost: every feed, whatever its shape, gives the same rows.
 *
 * A reader takes a whole answer's body and gives rows, or says what is wrong. Nothing is guessed: what a feed does not say, says as -1, or
 * says in a way that is not known (a group that we are not in, an expression that cannot be read) is "not known", never 0. Pure: bytes in,
 * rows out; no network, no clock. Shapes, units and traps of each: in the file of its source. */
#ifndef PROBED_PRICE_PRICE_H
#define PROBED_PRICE_PRICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/err.h"
#include "shared/units.h"

#define PRICE_ROWS_MAX  20000
#define PRICE_TIERS_MAX 4
#define PRICE_NAME_MAX  128

/* X(ID, name in the configuration, what it is) */
#define PRICE_SOURCE_TABLE(X)                                                                                                              \
    X(AUTO, "auto", "whichever shape the answer has")                                                                                      \
    X(OPENROUTER, "openrouter", "OpenRouter /models: USD a token, as text")                                                                \
    X(OPENROUTER_ENDPOINTS, "openrouter-endpoints", "OpenRouter /models/{id}/endpoints: one model, a row an upstream provider")            \
    X(NEWAPI, "newapi", "new-api /api/pricing: ratios, groups, fixed prices, tiered expressions")                                          \
    X(ONEHUB, "onehub", "one-hub /api/available_model")                                                                                    \
    X(VOAPI, "voapi", "VoAPI")                                                                                                             \
    X(RIXAPI, "rixapi", "RixAPI (DMXAPI)")                                                                                                 \
    X(SHELLAPI, "shellapi", "Shell API")                                                                                                   \
    X(AIHUBMIX, "aihubmix", "AIHubMix /api/v1/models")                                                                                     \
    X(LITELLM, "litellm", "LiteLLM's price map: a reference, of nobody in particular")

enum price_source {
#define X(id, name, text) PRICE_SOURCE_##id,
    PRICE_SOURCE_TABLE(X)
#undef X
        PRICE_SOURCE_COUNT
};
const char *price_source_name(enum price_source source);
int price_source_from_name(const char *name); /* -1 = none */

#define PRICE_UNKNOWN ((int64_t)-1)

/* Money: pico-units of `currency`; a token (input, output, cache), or a request (call). What a feed does not say is PRICE_UNKNOWN: a model
 * that is charged by the token has no call price then, one that is charged by the request no token prices; an unknown cache price is to be
 * reckoned as input. */
struct price_figures {
    int64_t input, output, cache_read, cache_write, call;
};
/* Is what a request costs known: by input and output tokens, or by the request (what is unknown beside that is nothing)? */
bool price_known(const struct price_figures *price);

struct price_row {
    char model[PRICE_NAME_MAX]; /* as the relay calls it */
    char provider[64];          /* the upstream behind it, where the feed has several rows a model; "" */
    struct price_figures price;
    struct price_tier { /* from so many input tokens on, this instead */
        int64_t from_tokens;
        struct price_figures price;
    } tiers[PRICE_TIERS_MAX];
    size_t tiers_len;
    bool free; /* said to cost nothing, in so many words: then 0 is a price */
};

struct price_list {
    enum price_source source; /* the shape that it had */
    char currency[CURRENCY_MAX];
    struct price_row *rows; /* sorted by model, provider; one each: of duplicates the dearer one, counted */
    size_t len;
    unsigned duplicates;
    unsigned unknown;  /* rows without any known figure: they are kept, since it is said that the model exists */
    unsigned skipped;  /* entries that are no rows: without a name, or with one that is too long or has control characters in it */
    uint64_t revision; /* a hash of the rows: the same when nothing that matters changed, whatever the order of the feed */
};
void price_list_done(struct price_list *list);
const struct price_row *price_list_find(const struct price_list *list, const char *model); /* the first; NULL */

/* What the reader has to know besides the body. */
struct price_context {
    const char *group;      /* of our key, where prices depend on it; NULL = "default" */
    const char *currency;   /* what the feed's own unit is, where it does not say; NULL = the source's usual one */
    int64_t quota_per_unit; /* one-api family: how many quota points are one unit of money; 0 = 500000 */
    const char *status;     /* the body of /api/status, for the scale and currency that it tells; NULL = not asked */
    size_t status_len;
    const char *groups; /* the body of one-hub's /api/user_group_map, for our group's ratio; NULL = not asked */
    size_t groups_len;
    const char *group_ratio; /* decimal text: our group's ratio where no feed tells it; NULL = not known */
};

/* AUTO finds the shape out. 0, or -EINVAL with err said: the body is not of that shape (or of none that is known); list is empty then. */
int price_read(enum price_source source, const char *body, size_t len, const struct price_context *context, struct price_list *ret,
               struct err *err) ATTR_UNUSED_RESULT;
/* The same in slices, for a list that is too long to be read in one go (1.4 MB: see the times in reading.c). body (and groups) must stay
 * until the reading is freed; the rest of the context is copied. Each step reads on for about `bytes` bytes: 1 = more is to come, 0 = that
 * was all, -EINVAL = it is no good. Then price_reading_take. */
#define PRICE_BODY_MAX ((size_t)8 * 1024 * 1024)
struct price_reading;
struct price_reading *price_reading_new(enum price_source source, const char *body, size_t len, const struct price_context *context,
                                        struct err *err) ATTR_UNUSED_RESULT; /* NULL with err said */
int price_reading_step(struct price_reading *reading, size_t bytes, struct err *err) ATTR_UNUSED_RESULT;
void price_reading_take(struct price_reading *reading, struct price_list *ret);
void price_reading_free(struct price_reading *reading);
/* The path, below a platform's endpoint or its host, where that feed usually is. "" = it has none of its own. */
const char *price_source_path(enum price_source source);

/* How two lists differ, by model (and provider): called for each price that changed by more than `tolerance` (ratio), each model that came,
 * went, or came under another name while another of the very same price went (and no third of that price did either). was or is NULL: it
 * was not, or is not, there. Lists in different currencies are compared by name alone. A figure that differs by one pico-unit was rounded
 * differently and is the same. */
enum price_change { PRICE_CHANGED, PRICE_APPEARED, PRICE_GONE, PRICE_RENAMED };
typedef void (*price_change_fn)(void *arg, enum price_change change, const struct price_row *was, const struct price_row *is);
void price_compare(const struct price_list *old, const struct price_list *new, double tolerance, price_change_fn fn, void *arg);

/* How far off a price is from a reference: the larger of the ratios of input and output, either way; 0 = not comparable; HUGE_VAL = one of
 * the two is nothing and the other is not (do not ask for rows that are free). */
double price_ratio(const struct price_figures *price, const struct price_figures *reference);

#endif
