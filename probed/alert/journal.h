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
    X(MESSAGE_STORE, "store")

/* NULL: no such id. */
const char *message_name(const char *message_id);

/* Installs the sink: the journal if stderr is connected to it (JOURNAL_STREAM) or PROBED_LOG=journal is set, else stderr. */
void journal_open(void);

#endif
