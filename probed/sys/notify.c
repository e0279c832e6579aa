/* What passes between the service manager and us: readiness, the status line, the watchdog, the socket that it listened on for us.
 *
 * Everything here is a no-op where there is no manager: libsystemd looks at NOTIFY_SOCKET, WATCHDOG_USEC and LISTEN_FDS itself. Status text may hold words from
 * outside (an error of a configuration file, a platform's name): it is made valid UTF-8 and loses its control characters, since a newline in it
 * would begin another assignment. Sending is one datagram; that it failed is no reason to stop, so its result is dropped. */
#include "probed/sys/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "shared/alloc.h"
#include "shared/text.h"

#define STATUS_MAX 512

/* Half of the time allowed: one late turn of the loop is borne, two are not. */
#define WATCHDOG_SHARE 2

struct notify_watchdog {
    struct loop *loop;
    struct loop_timer *timer;
    usec_t interval;
};

static void ATTR_PRINTF(3, 0) format_status(char *ret, size_t size, const char *fmt, va_list ap)
{
    char raw[STATUS_MAX];
    vsnprintf(raw, sizeof(raw), fmt, ap);
    text_copy(ret, size, raw, strlen(raw));
    for (char *p = ret; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
}

void notify_ready(const char *fmt, ...)
{
    char status[STATUS_MAX];
    va_list ap;
    va_start(ap, fmt);
    format_status(status, sizeof(status), fmt, ap);
    va_end(ap);
    (void)sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void notify_status(const char *fmt, ...)
{
    char status[STATUS_MAX];
    va_list ap;
    va_start(ap, fmt);
    format_status(status, sizeof(status), fmt, ap);
    va_end(ap);
    (void)sd_notifyf(0, "STATUS=%s", status);
}

void notify_reloading(struct loop *loop)
{
    (void)loop; /* the manager compares with its own CLOCK_MONOTONIC, which the loop's steady clock is not */
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
}

void notify_stopping(void) { (void)sd_notify(0, "STOPPING=1"); }

static void feed_watchdog(void *arg)
{
    struct notify_watchdog *w = arg;
    (void)sd_notify(0, "WATCHDOG=1");
    loop_timer_set(w->timer, loop_now(w->loop) + w->interval);
}

struct notify_watchdog *notify_watchdog_new(struct loop *loop)
{
    uint64_t usec = 0;
    if (sd_watchdog_enabled(0, &usec) <= 0 || usec < WATCHDOG_SHARE || usec > (uint64_t)(USEC_INFINITY / 2))
        return NULL;
    struct notify_watchdog *w = alloc_zero(1, sizeof(*w));
    w->loop = loop;
    w->interval = (usec_t)usec / WATCHDOG_SHARE;
    w->timer = loop_timer_new(loop, "watchdog", feed_watchdog, w);
    feed_watchdog(w);
    return w;
}

struct notify_watchdog *notify_watchdog_free(struct notify_watchdog *w)
{
    if (w != NULL) {
        loop_timer_free(w->timer);
        alloc_freep(&w);
    }
    return NULL;
}

int notify_listen_fd(struct err *err)
{
    int n = sd_listen_fds(1); /* takes LISTEN_FDS out of the environment, so that no child believes in it */
    if (n == 0)
        return -1;
    if (n < 0)
        return err_set(err, -EINVAL, "the service manager passed sockets that cannot be read: %s", strerror(-n));
    if (n > 1)
        return err_set(err, -EINVAL, "the service manager passed %d sockets, one is expected", n);
    int fd = SD_LISTEN_FDS_START;
    if (sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) <= 0)
        return err_set(err, -EINVAL, "the socket passed by the service manager is not a listening Unix stream socket");
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return err_set(err, -EINVAL, "the socket passed by the service manager cannot be made non-blocking: %s", strerror(errno));
    return fd;
}
