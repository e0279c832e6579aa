/* The members and words of a record, shared by its reader (record.c), its writer (record_print.c) and their table (record_words.c). */
#ifndef PROBED_CORE_RECORD_WORDS_H
#define PROBED_CORE_RECORD_WORDS_H

#include "probed/core/record.h"

/* X(name, type): RECORD = text straight into struct record. The most frequent ones first. */
#define RECORD_MEMBERS(X)                                                                                                                  \
    X(t, NUMBER)                                                                                                                           \
    X(platform, RECORD) X(model, RECORD) X(kind, TEXT) X(source, TEXT) X(ok, BOOL) X(status, NUMBER) X(error, TEXT) X(connect_ms, NUMBER)  \
        X(tls_ms, NUMBER) X(ttft_ms, NUMBER) X(total_ms, NUMBER) X(tokens_per_s, NUMBER) X(in_flight, NUMBER) X(interval_s, NUMBER)        \
            X(retry_after_s, NUMBER) X(reporter, RECORD) X(cost_usd, NUMBER) X(prompt_tokens, NUMBER) X(output_tokens, NUMBER)             \
                X(reasoning_tokens, NUMBER) X(queue_ms, NUMBER) X(dns_ms, NUMBER) X(wait_ms, NUMBER) X(content_ms, NUMBER)                 \
                    X(gap_max_ms, NUMBER) X(fault, TEXT) X(stage, TEXT) X(flags, TEXT) X(text, RECORD) X(input_usd_per_mtok, NUMBER)       \
                        X(output_usd_per_mtok, NUMBER) X(call_usd, NUMBER) X(balance_usd, NUMBER) X(action, TEXT) X(for_s, NUMBER)

int record_kind_find(const char *name); /* -1 = none */
const char *record_kind_names(void);    /* "chat, reach, ..." */
bool record_kind_needs_platform(enum record_kind kind);
bool record_kind_needs_model(enum record_kind kind);

/* The few words that histories use, or any name of an outcome. */
int record_error_find(const char *name);
const char *record_error_names(void); /* the few */
int record_error_of_status(int http_status);
const char *record_error_name(enum outcome_kind kind);

/* Names of observation flags, separated by spaces. */
int record_flags_parse(const char *text, uint16_t *ret) ATTR_UNUSED_RESULT;
void record_flags_print(uint16_t flags, struct buf *to);

#endif
