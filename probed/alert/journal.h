/* Where log entries go: journald with structured fields, or stderr with "<N>" prefixes where there is no journal. And the MESSAGE_IDs. */
#ifndef PROBED_ALERT_JOURNAL_H
#define PROBED_ALERT_JOURNAL_H

#include "shared/log.h"

/* Documented in probed(8) and in etc/journald/probed.catalog; fixed for ever. */
#define MESSAGE_STATE "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b01"
#define MESSAGE_FIRST "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b02"
#define MESSAGE_RELOADED "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b03"
#define MESSAGE_RELOAD_FAILED "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b04"
#define MESSAGE_STARTED "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b05"
#define MESSAGE_STOPPED "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b06"
#define MESSAGE_OVERRIDE "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b07"
#define MESSAGE_BUDGET "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b08"
#define MESSAGE_BREAKER "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b09"
#define MESSAGE_LOCAL "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b0a"
#define MESSAGE_ENDPOINT "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b0b"
#define MESSAGE_LEVEL "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b0c"
#define MESSAGE_STORE "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b0d"
#define MESSAGE_PRICE "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b0e"
#define MESSAGE_LISTED "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b0f"
#define MESSAGE_FEED "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b10"
#define MESSAGE_IMPLAUSIBLE "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b11"
#define MESSAGE_CHARGED "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b12"
#define MESSAGE_INFLATED "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b13"
#define MESSAGE_CREDIT "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b14"
#define MESSAGE_TOPUP "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b15"
#define MESSAGE_CAPABILITY "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b16"
#define MESSAGE_RATE "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b17"
/* X(message, its name in `routectl events`) */
#define MESSAGE_TABLE(X) \
    X(MESSAGE_STATE, "state") \
    X(MESSAGE_FIRST, "first") \
    X(MESSAGE_RELOADED, "reloaded") \
    X(MESSAGE_RELOAD_FAILED, "reload_failed") \
    X(MESSAGE_STARTED, "started") \
    X(MESSAGE_STOPPED, "stopped") \
    X(MESSAGE_OVERRIDE, "override") \
    X(MESSAGE_BUDGET, "budget") \
    X(MESSAGE_BREAKER, "breaker") \
    X(MESSAGE_LOCAL, "local") \
    X(MESSAGE_ENDPOINT, "endpoint") \
    X(MESSAGE_LEVEL, "level") \
    X(MESSAGE_STORE, "store") \
    X(MESSAGE_PRICE, "price") \
    X(MESSAGE_LISTED, "listed") \
    X(MESSAGE_FEED, "feed") \
    X(MESSAGE_IMPLAUSIBLE, "implausible") \
    X(MESSAGE_CHARGED, "charged") \
    X(MESSAGE_INFLATED, "inflated") \
    X(MESSAGE_CREDIT, "credit") \
    X(MESSAGE_TOPUP, "topup") \
    X(MESSAGE_CAPABILITY, "capability") \
    X(MESSAGE_RATE, "rate")

/* NULL: no such id. */
const char *message_name(const char *message_id);

/* Installs the sink: the journal if stderr is connected to it (JOURNAL_STREAM) or PROBED_LOG=journal is set, else stderr. */
void journal_open(void);

#endif
