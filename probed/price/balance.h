/* What a relay says of our money with it: every source, whatever its shape, gives the same struct.
 *
 * A reader takes whole answers' bodies and gives a balance, or says what is wrong. Nothing is guessed: what is not told is BALANCE_UNKNOWN,
 * never 0; a number of the wrong type or beyond all reason refuses the answer, since who misreads one figure misreads them all, and so does
 * a negative one of what cannot be negative (used, granted, given). What is left can: requests are charged after they were answered, so an
 * account is overdrawn in the end. Then nothing is left and the rest is owed. Pure: bytes in, figures out; no network, no clock. Shapes,
 * units and traps of each: in the file of its source. */
#ifndef PROBED_PRICE_BALANCE_H
#define PROBED_PRICE_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/err.h"
#include "shared/units.h"

/* X(ID, name in the configuration, what it is) */
#define BALANCE_SOURCE_TABLE(X)                                                                                                            \
    X(OPENROUTER, "openrouter", "OpenRouter /key, and /credits where the key may ask for it")                                              \
    X(SILICONFLOW, "siliconflow", "SiliconFlow /user/info")                                                                                \
    X(ONEAPI, "oneapi", "the one-api family's /v1/dashboard/billing/*")                                                                    \
    X(NEWAPI, "newapi", "new-api /api/usage/token/: of one key")                                                                           \
    X(NEWAPI_USER, "newapi-user", "new-api /api/user/self: of the account, by its access token")                                           \
    X(DMXAPI, "dmxapi", "DMXAPI /api/token/key/{key}: of one key")                                                                         \
    X(AIHUBMIX, "aihubmix", "AIHubMix /api/user/self, by its manage key")                                                                  \
    X(APIYI, "apiyi", "APIYI /api/user/self, by its system token")

enum balance_source {
#define X(id, name, text) BALANCE_SOURCE_##id,
    BALANCE_SOURCE_TABLE(X)
#undef X
        BALANCE_SOURCE_COUNT
};
const char *balance_source_name(enum balance_source source);
int balance_source_from_name(const char *name); /* -1 = none */

#define BALANCE_UNKNOWN ((int64_t)-1)

/* Whose money `left` and `used` are of. */
enum balance_scope {
    BALANCE_ACCOUNT,
    BALANCE_KEY,    /* of the one key that was asked with */
    BALANCE_EITHER, /* of the key or of the account: a setting of the site decides, and it is not told */
};
const char *balance_scope_name(enum balance_scope scope); /* "account", "key", "either" */

/* Money: pico-units of `currency`; BALANCE_UNKNOWN = not told. */
struct balance {
    enum balance_source source;
    enum balance_scope scope;
    char currency[CURRENCY_MAX];
    int64_t left;     /* what may still be spent; never negative */
    int64_t used;     /* in all, ever */
    int64_t granted;  /* in all, ever */
    int64_t gift;     /* how much of what is left was given, not bought: it may expire */
    int64_t owed;     /* beyond what was there, left is 0 then; otherwise 0 */
    int64_t key_used; /* what the platform's own key has used, in all: the same as used where the scope is the key */
    int64_t unit;     /* the smallest step that the source can show: so much a difference may be off */
    bool unlimited;   /* the key has no limit of its own: the account limits it, of which is not told here; left is not known */
    bool resets;      /* left is a limit that fills itself up again: that it rises is no top-up */
    usec_t expires;   /* wall clock: when it is void; 0 = never, or not told */
};

/* --- what a source asks for --------------------------------------------------------------------------------------------- */

enum balance_part { BALANCE_MAIN, BALANCE_MORE, BALANCE_STATUS, BALANCE_PARTS };
enum balance_auth {
    BALANCE_BEARER,
    BALANCE_BARE,    /* Authorization: KEY, without a word before it */
    BALANCE_IN_PATH, /* the platform's key is in the URL; a key of the feed's own goes into Authorization: Bearer */
    BALANCE_OPEN,    /* needs no key */
};
struct balance_request {
    enum balance_part part;
    const char *path; /* "{key}" stands for the platform's key */
    bool at_base;     /* below the endpoint (.../v1), else below its host */
    enum balance_auth auth;
    bool platform_key;   /* with the platform's key, even where the feed has its own */
    bool may_be_refused; /* 401, 403, 404: goes without */
};
/* In the order in which they are asked. */
const struct balance_request *balance_requests(enum balance_source source, size_t *ret_len);

/* --- reading ------------------------------------------------------------------------------------------------------------ */

struct balance_answer {
    const char *body; /* NULL = not asked for, or not given */
    size_t len;
};

/* What was configured; it wins over what the relay says of itself. */
struct balance_context {
    const char *currency;   /* NULL = as the relay says, or the source's usual one */
    int64_t quota_per_unit; /* one-api family: points that are one unit of money; 0 = as the relay says, or 500000 */
    double scale;           /* money read is taken times this; 0 = 1 */
    const char *host;       /* that was asked, where the same shape is another currency elsewhere; NULL = not known */
};

#define BALANCE_BODY_MAX ((size_t)128 * 1024)

/* answers: BALANCE_PARTS of them. context may be NULL. 0, or -EINVAL with err said; *ret is all unknown then. err holds words of the
 * answer, made harmless, but whatever a relay may put into them: who knows the keys hides them there. */
int balance_read(enum balance_source source, const struct balance_answer *answers, const struct balance_context *context,
                 struct balance *ret, struct err *err) ATTR_UNUSED_RESULT;

/* Of /api/status only what matters here and to prices, as a small body of the same shape: it can be kept and compared. 0, or -EINVAL: this
 * is no status of a relay of the one-api family. */
#define BALANCE_STATUS_MAX 512
int balance_status_keep(const char *body, size_t len, char ret[BALANCE_STATUS_MAX], struct err *err) ATTR_UNUSED_RESULT;

#endif
