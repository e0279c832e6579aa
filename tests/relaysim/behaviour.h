/* What can be switched on a relay, live. A behaviour is an immutable, counted value: a request keeps the one it began under. */
#ifndef RELAYSIM_BEHAVIOUR_H
#define RELAYSIM_BEHAVIOUR_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/err.h"
#include "tests/relaysim/random.h"

/* Where in a request's life a fault strikes. */
enum place {
    PLACE_NEVER,
    PLACE_LISTEN,  /* the listening socket itself: needs a port of the relay's own */
    PLACE_ACCEPT,  /* a new connection: needs a port of its own, too */
    PLACE_TLS,     /* the handshake: own TLS port, or the shared one with NAME.test as server name */
    PLACE_REQUEST, /* in place of an answer */
    PLACE_BODY,    /* a whole answer of the wrong kind */
    PLACE_STREAM,  /* in the answer, after `at` tokens */
};

/* X(ID, name, place) */
#define FAULT_TABLE(X)                                                                                                                     \
    X(NONE, "none", NEVER)                                                                                                                 \
    X(REFUSE, "refuse", LISTEN)                                                                                                            \
    X(CONNECT_HANG, "connect_hang", LISTEN)                                                                                                \
    X(ACCEPT_RESET, "accept_reset", ACCEPT)                                                                                                \
    X(ACCEPT_CLOSE, "accept_close", ACCEPT)                                                                                                \
    X(ACCEPT_HANG, "accept_hang", ACCEPT)                                                                                                  \
    X(TLS_EXPIRED, "tls_expired", TLS)                                                                                                     \
    X(TLS_SELF_SIGNED, "tls_self_signed", TLS)                                                                                             \
    X(TLS_WRONG_NAME, "tls_wrong_name", TLS)                                                                                               \
    X(TLS_UNTRUSTED, "tls_untrusted", TLS)                                                                                                 \
    X(TLS_GARBAGE, "tls_garbage", TLS)                                                                                                     \
    X(TLS_HANG, "tls_hang", TLS)                                                                                                           \
    X(TLS_CLOSE, "tls_close", TLS)                                                                                                         \
    X(HANG, "hang", REQUEST)                                                                                                               \
    X(RESET, "reset", REQUEST)                                                                                                             \
    X(CLOSE, "close", REQUEST)                                                                                                             \
    X(REUSED_RESET, "reused_reset", REQUEST)                                                                                               \
    X(REUSED_CLOSE, "reused_close", REQUEST)                                                                                               \
    X(HEADERS_RESET, "headers_reset", REQUEST)                                                                                             \
    X(HEADERS_HANG, "headers_hang", REQUEST)                                                                                               \
    X(HEADERS_ENDLESS, "headers_endless", REQUEST)                                                                                         \
    X(NOT_HTTP, "not_http", REQUEST)                                                                                                       \
    X(REDIRECT, "redirect", BODY)                                                                                                          \
    X(HTML, "html", BODY)                                                                                                                  \
    X(NO_BODY, "no_body", BODY)                                                                                                            \
    X(BODY_ENDLESS, "body_endless", BODY)                                                                                                  \
    X(NO_FIRST_TOKEN, "no_first_token", STREAM)                                                                                            \
    X(EMPTY, "empty", STREAM)                                                                                                              \
    X(STALL, "stall", STREAM)                                                                                                              \
    X(TRUNCATE, "truncate", STREAM)                                                                                                        \
    X(CUT, "cut", STREAM)                                                                                                                  \
    X(STREAM_RESET, "stream_reset", STREAM)                                                                                                \
    X(STREAM_ERROR, "stream_error", STREAM)                                                                                                \
    X(STREAM_ENDLESS, "stream_endless", STREAM)                                                                                            \
    X(BAD_UTF8, "bad_utf8", STREAM)                                                                                                        \
    X(MALFORMED, "malformed", STREAM)

enum fault_id {
#define X(id, name, place) FAULT_##id,
    FAULT_TABLE(X)
#undef X
        FAULT_ID_COUNT
};
const char *fault_id_name(enum fault_id fault);
enum place fault_place(enum fault_id fault);

/* What an error answer says; its status and words are the family's (families.c). X(ID, name, usual status, only chats get it unless `on`
 * says otherwise) */
#define ERROR_TABLE(X)                                                                                                                     \
    X(NONE, "none", 0, false)                                                                                                              \
    X(BAD_REQUEST, "bad_request", 400, true)                                                                                               \
    X(BAD_KEY, "bad_key", 401, false)                                                                                                      \
    X(UPSTREAM_KEY, "upstream_key", 401, true)                                                                                             \
    X(NO_CREDIT, "no_credit", 402, true)                                                                                                   \
    X(KEY_LIMIT, "key_limit", 402, true)                                                                                                   \
    X(FORBIDDEN, "forbidden", 403, false)                                                                                                  \
    X(MODERATED, "moderated", 403, true)                                                                                                   \
    X(MODEL_MISSING, "model_missing", 404, true)                                                                                           \
    X(NOT_FOUND, "not_found", 404, false)                                                                                                  \
    X(TIMEOUT, "timeout", 408, true)                                                                                                       \
    X(TOO_LARGE, "too_large", 413, true)                                                                                                   \
    X(UNPROCESSABLE, "unprocessable", 422, true)                                                                                           \
    X(RATE_LIMITED, "rate_limited", 429, true)                                                                                             \
    X(USER_LIMIT, "user_limit", 429, true)                                                                                                 \
    X(UPSTREAM_FULL, "upstream_full", 429, true)                                                                                           \
    X(SERVER, "server", 500, false)                                                                                                        \
    X(NO_PRICE, "no_price", 500, true)                                                                                                     \
    X(BAD_GATEWAY, "bad_gateway", 502, false)                                                                                              \
    X(UNAVAILABLE, "unavailable", 503, false)                                                                                              \
    X(GATEWAY_TIMEOUT, "gateway_timeout", 504, false)                                                                                      \
    X(EDGE_TIMEOUT, "edge_timeout", 524, true)                                                                                             \
    X(OVERLOADED, "overloaded", 529, true)

enum error_id {
#define X(id, name, status, chat) ERROR_##id,
    ERROR_TABLE(X)
#undef X
        ERROR_ID_COUNT
};
const char *error_id_name(enum error_id error);
int error_usual_status(enum error_id error);
bool error_only_chats(enum error_id error);
enum error_id error_of_status(int status);

enum error_body {
    BODY_FAMILY,
    BODY_EMPTY,
    BODY_HTML,
    BODY_TEXT,
    BODY_JSON_STRING,
    BODY_SUCCESS_FALSE,
    BODY_ERROR_STRING,
    BODY_OBJECT_ERROR
};
enum answer_kind { ANSWER_SMART, ANSWER_ECHO, ANSWER_FIXED, ANSWER_MARKER, ANSWER_WRONG };
enum framing { FRAMING_CHUNKED, FRAMING_CLOSE };
enum usage_form { USAGE_LAST, USAGE_FINISH, USAGE_EACH, USAGE_NULLS, USAGE_ZERO, USAGE_NEVER };
enum reasoning_field { REASONING_CONTENT, REASONING_PLAIN, REASONING_BOTH, REASONING_DETAILS, REASONING_INLINE };
enum target_bit { ON_CHAT = 1, ON_MODELS = 2, ON_REACH = 4, ON_PRICE = 8, ON_BALANCE = 16, ON_ALL = 31 };
enum feed_fault {
    FEED_FINE,
    FEED_UNKNOWN,
    FEED_MINUS_ONE,
    FEED_HTML,
    FEED_TRUNCATED,
    FEED_EMPTY,
    FEED_MISSING_GROUP,
    FEED_DUPLICATE,
    FEED_HUGE,
    FEED_SLOW,
    FEED_ZERO
};
enum feed_version { FEED_NEW, FEED_OLD };
enum quota_display { QUOTA_USD, QUOTA_CNY, QUOTA_TOKENS, QUOTA_CUSTOM };
enum capability_bit { CAN_STREAM = 1, CAN_USAGE = 2, CAN_TOOLS = 4, CAN_JSON = 8, CAN_VISION = 16, CAN_EMBEDDINGS = 32 };
enum refusal { REFUSAL_ERROR, REFUSAL_IGNORE, REFUSAL_LIE };

struct behaviour {
    unsigned refs;
    /* what goes wrong, where, how often */
    int fault;                     /* enum fault_id */
    int error;                     /* enum error_id */
    int status;                    /* HTTP status in place of the family's; alone: an error of that status */
    int body;                      /* enum error_body */
    char *message;                 /* in place of the family's words */
    double retry_after;            /* seconds; < 0 = no header */
    bool retry_after_date;         /* as an HTTP date */
    int on;                        /* target_bit; 0 = as usual for that fault or error */
    int at;                        /* tokens before a PLACE_STREAM fault strikes */
    double fail_share;             /* this share of the requests fails, the others are served; 1 = all */
    double fail_enter, fail_leave; /* chance a request to enter and to leave a failing spell; fail_share holds within it */
    /* times */
    struct spread accept_delay, header_delay, first_token, gap, tail, comment_gap;
    double drip; /* > 0: one byte each so many ms */
    /* the stream */
    int comments;
    char *comment; /* NULL = the family's */
    bool role_delta, finish, done, stream_options;
    int empty_deltas, reasoning, tokens, token_chars;
    int reasoning_field, usage, framing;
    bool bom, crlf, cr, no_space, multiline, split_utf8, cumulative, burst, plain, no_last_blank;
    int big_event; /* bytes of one content delta that is added first */
    /* the answer */
    int answer; /* enum answer_kind */
    char *text, *marker, *model_echo;
    /* limits */
    double rate, rate_burst; /* requests a second; 0 = none */
    int max_in_flight;
    int limit_error;                                      /* enum error_id */
    int credit_requests;                                  /* < 0 = endless */
    double credit, price_input, price_output, price_call; /* per million tokens, per call; credit < 0 = endless */
    /* what the price feed says; prices are what a client of our group pays */
    double price_cache_read, price_cache_write; /* per million tokens; < 0 = not said, and charged as input */
    int price_tier_from;                        /* > 0: from so many input tokens on, price_tier times as much */
    double price_tier;
    char *price_group, *price_groups; /* our key's group, NULL = "default"; those that the model is sold to, NULL = ours and "vip" */
    double price_group_ratio;
    bool price_hidden;                               /* the feed leaves the model out */
    double reference_input, reference_output;        /* in /reference.json; < 0 = as price_input, price_output */
    int feed_fault, feed_error, feed_version;        /* enum feed_fault; HTTP status, 0 = none; enum feed_version */
    bool feed_etag, feed_gzip;                       /* it answers 304; it packs for who accepts that */
    struct spread feed_delay, feed_gap;              /* before the head; between the pieces of a slow one */
    double quota_per_unit, price, usd_exchange_rate; /* of /api/status and all quotas */
    int quota_display_type;                          /* enum quota_display */
    /* what it charges */
    double overcharge, charge_round, inflate_prompt, inflate_output, fail_charge;
    int hidden_prompt;
    struct spread post_delay;
    double post_lump; /* ms; 0 = each charge by itself */
    /* the account */
    double balance, gift, gift_expires, foreign, balance_unit; /* ms; money an hour */
    bool unlimited;
    char *user_header; /* NULL = the family's own */
    /* what it can do */
    int capabilities_without, capability_refusal;          /* enum capability_bit; enum refusal */
    int reasoning_burn, reasoning_burn_low, reasoning_min; /* low < 0: as the first */
    char *refuse_parameter;
    /* dishonesty */
    char *id_prefix;
    bool usage_absurd, cached_answer, same_answer;
    int cached_tokens;
    /* connections */
    int close_after;   /* requests a connection; 0 = endless */
    bool close_header; /* and say so */
    double close_idle; /* ms after an answer; < 0 = never */
    /* the list */
    char *models_without; /* names, separated by commas */
};

struct behaviour *behaviour_default(void); /* a new one, refs = 1 */
struct behaviour *behaviour_ref(struct behaviour *b);
void behaviour_unref(struct behaviour *b); /* NULL is fine */
/* A copy of `base` with the members of `json` laid over it; null puts a member back to its default. NULL with err said. */
struct behaviour *behaviour_merge(const struct behaviour *base, const cJSON *json, struct err *err) ATTR_UNUSED_RESULT;
/* Only what is not as by default, or all. */
cJSON *behaviour_to_json(const struct behaviour *b, bool all);

#endif
