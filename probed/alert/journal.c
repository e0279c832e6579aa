/* Where log entries go: the journal, with their fields, or stderr.
 *
 * The journal is used when stderr is connected to it (systemd then sets JOURNAL_STREAM to the device and inode of that very socket) or when PROBED_LOG=journal
 * asks for it; else shared/log.c's own sink writes "<N>message FIELD=value" lines to stderr.
 *
 * A log that blocks would stop the probing of every relay for the sake of a line, so it never waits. sd_journal_sendv does wait when journald does not
 * read (stopped, or its disk is stuck): before each entry a datagram socket of our own, connected to journald's, is asked whether there is room. If
 * not, the entry is dropped and counted, and the next one that gets through is preceded by one that says how many were lost. Without a journald at all
 * entries go to stderr. A pipe as stderr gets an open file description of our own that does not block either; whoever shares the pipe with us notices nothing.
 *
 * One state a process, set before any thread starts; entries come from the loop's thread only. */
#define SD_JOURNAL_SUPPRESS_LOCATION 1

#include "probed/alert/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "shared/alloc.h"
#include "shared/buf.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define ENTRY_MAX (48 * 1024)

static struct {
    int probe; /* the socket that is asked for room */
    unsigned long lost;
} journal = {.probe = -1};

const char *message_name(const char *message_id)
{
    static const struct {
        const char *id, *name;
    } names[] = {
#define X(id, name) {id, name},
        MESSAGE_TABLE(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (message_id && strcmp(names[i].id, message_id) == 0)
            return names[i].name;
    return NULL;
}

enum room { ROOM_YES, ROOM_FULL, ROOM_NO_JOURNAL };

/* Connected anew each time: journald may have been started again, and then this is another socket of the same name. */
static enum room look_for_room(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET};
    if (journal.probe < 0)
        journal.probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (journal.probe < 0 || connect(journal.probe, (const struct sockaddr *)(const void *)&address, sizeof(address)) < 0)
        return ROOM_NO_JOURNAL;
    struct pollfd p = {.fd = journal.probe, .events = POLLOUT};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) ? ROOM_YES : ROOM_FULL;
}

/* One line, and only if there is room for it. */
static void send_stderr(const struct log_entry *entry)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT)) {
        journal.lost++;
        return;
    }
    char line[2048];
    int n = snprintf(line, sizeof(line) - 1, "<%d>%s", (int)entry->level, entry->message);
    if (n < 0)
        return;
    size_t len = (size_t)n < sizeof(line) - 1 ? (size_t)n : sizeof(line) - 2;
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, len) < 0)
        journal.lost++;
}

static void add_field(struct iovec *fields, int *len, struct buf *text, const char *name, const char *value)
{
    size_t start = text->len;
    buf_printf(text, "%s=%s", name, value);
    if (text->len == start) /* it did not fit */
        return;
    buf_add_char(text, '\0');
    fields[*len].iov_len = text->len - start - 1;
    (*len)++;
}

static void send_entry(const struct log_entry *entry)
{
    struct iovec fields[LOG_FIELDS_MAX + 3];
    struct buf text = BUF_CAP(ENTRY_MAX);
    char priority[16];
    int len = 0;
    snprintf(priority, sizeof(priority), "%d", (int)entry->level);
    add_field(fields, &len, &text, "PRIORITY", priority);
    if (entry->message_id != NULL)
        add_field(fields, &len, &text, "MESSAGE_ID", entry->message_id);
    add_field(fields, &len, &text, "MESSAGE", entry->message);
    for (size_t i = 0; i < entry->fields_len && i < LOG_FIELDS_MAX; i++)
        if (entry->fields[i].name != NULL && entry->fields[i].value != NULL)
            add_field(fields, &len, &text, entry->fields[i].name, entry->fields[i].value);
    /* Addresses only now: the buffer moved while it grew. */
    size_t at = 0;
    for (int i = 0; i < len; i++) {
        fields[i].iov_base = text.data + at;
        at += fields[i].iov_len + 1;
    }
    if (sd_journal_sendv(fields, len) < 0)
        journal.lost++;
    buf_done(&text);
}

static void tell_lost(void)
{
    char message[96];
    snprintf(message, sizeof(message), "%lu log entries were lost: the journal did not take them", journal.lost);
    journal.lost = 0;
    send_entry(&(struct log_entry){.level = LOG_LEVEL_WARNING, .message = message});
}

static void sink(void *arg, const struct log_entry *entry)
{
    (void)arg;
    int saved = errno;
    switch (look_for_room()) {
    case ROOM_YES:
        if (journal.lost > 0) {
            tell_lost();
            if (look_for_room() != ROOM_YES) {
                journal.lost++;
                break;
            }
        }
        send_entry(entry);
        break;
    case ROOM_FULL:
        journal.lost++;
        break;
    case ROOM_NO_JOURNAL:
        send_stderr(entry);
        break;
    }
    errno = saved;
}

static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    unsigned long long device, inode;
    char rest;
    return stream != NULL && sscanf(stream, "%llu:%llu%c", &device, &inode, &rest) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
           st.st_dev == device && st.st_ino == inode;
}

/* O_NONBLOCK is a property of the open file description, which we share with who started us: take one of our own. */
static void unblock_stderr(void)
{
    struct stat st;
    if (fstat(STDERR_FILENO, &st) < 0 || !S_ISFIFO(st.st_mode))
        return;
    int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        (void)dup2(fd, STDERR_FILENO);
        close(fd);
    }
}

void journal_open(void)
{
    const char *wanted = getenv("PROBED_LOG");
    if (stderr_is_journal() || (wanted != NULL && strcmp(wanted, "journal") == 0)) {
        log_set_sink(sink, NULL);
        return;
    }
    unblock_stderr();
    log_set_sink(NULL, NULL);
}
