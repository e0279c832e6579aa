/* What the service manager is told and gives: readiness, status line, watchdog, the activated socket. All no-ops where there is none. */
#ifndef PROBED_SYS_NOTIFY_H
#define PROBED_SYS_NOTIFY_H

#include "probed/sys/loop.h"

void notify_ready(const char *fmt, ...) ATTR_PRINTF(1, 2);     /* READY=1 and STATUS= */
void notify_reloading(struct loop *loop);                       /* RELOADING=1 (and MONOTONIC_USEC=) */
void notify_status(const char *fmt, ...) ATTR_PRINTF(1, 2);
void notify_stopping(void);
/* Feeds the watchdog from a timer at half of WATCHDOG_USEC, so that a stuck loop is noticed. NULL if none is asked for. */
struct notify_watchdog;
struct notify_watchdog *notify_watchdog_new(struct loop *loop);
struct notify_watchdog *notify_watchdog_free(struct notify_watchdog *w);
/* The activated listening Unix stream socket, or -1 if there is none; -EINVAL if what was passed is something else. */
int notify_listen_fd(struct err *err);

#endif
