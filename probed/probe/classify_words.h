/* The words by which relays name their errors, and what each means. Only classify.c asks. Pure. */
#ifndef PROBED_PROBE_CLASSIFY_WORDS_H
#define PROBED_PROBE_CLASSIFY_WORDS_H

#include <stdbool.h>

#include "probed/core/outcome.h"

/* Each: true and *ret, or false. */
/* A code that says it all, whatever the message adds ("insufficient_user_quota"). */
bool classify_strong_code(const char *code, enum outcome_kind *ret);
/* A phrase in a message, English or Chinese. */
bool classify_message(const char *message, enum outcome_kind *ret);
/* A code or type that only names a class ("invalid_request_error"): asked after the message. */
bool classify_weak_code(const char *code, enum outcome_kind *ret);
/* A web page that some firewall or bot check put in the way. */
bool classify_is_firewall(const char *page);

#endif
