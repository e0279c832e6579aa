/* The socket that the API is reached on.
 *
 * Life: lock, then (bind or take the activated one), mode, group, listen; at the end the file is removed if it is still the one that was
 * bound.
 *
 * One daemon a socket: a lock (flock) on PATH.lock is held for life and names its holder. It is never unlinked: a daemon that unlinked it
 * could take a second lock on a new file while another still waits on the old one. Only under that lock may a socket file be removed, and
 * only when nobody listens on it (connect refused); whatever is not a socket, or answers, is left alone and is an error.
 *
 * Mode and group have no window in which somebody else could get in: umask gives the file its mode as it appears, and until listen() every
 * connect is refused, so that the group is set in time. The umask is the process's: this runs at start, on the only thread that creates
 * files.
 *
 * An activated socket belongs to the service manager: neither its mode nor its file is touched; the lock is taken if the directory lets us.
 */
#include "probed/serve/api_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Connections that wait for the loop to come round; 1,000 watchers may come back at once after a restart. */
#define LISTEN_BACKLOG 1024

static int listen_address(const char *path, struct sockaddr_un *ret, struct err *err)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (path[0] != '/')
        return err_set(err, -EINVAL, "socket path %s is not absolute", path);
    if (strlen(path) >= sizeof ret->sun_path)
        return err_set(err, -ENAMETOOLONG, "the socket's path is longer than the %zu bytes that the system allows: %s",
                       sizeof ret->sun_path - 1, path);
    memcpy(ret->sun_path, path, strlen(path) + 1);
    return 0;
}

/* The pid that the holder wrote, 0 = unreadable. */
static long lock_holder(int fd)
{
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n <= 0)
        return 0;
    return strtol(text, NULL, 10);
}

static int lock_take(const char *socket_path, struct err *err)
{
    char path[160], text[32];
    snprintf(path, sizeof path, "%s.lock", socket_path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0600);
    if (fd < 0)
        return err_set(err, -errno, "cannot open the lock %s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int code = -errno;
        long pid = code == -EWOULDBLOCK ? lock_holder(fd) : 0;
        close(fd);
        if (code != -EWOULDBLOCK)
            return err_set(err, code, "cannot lock %s: %s", path, strerror(-code));
        if (pid > 0)
            return err_set(err, -EADDRINUSE, "another probed (pid %ld) serves %s: it holds %s", pid, socket_path, path);
        return err_set(err, -EADDRINUSE, "another probed serves %s: it holds %s", socket_path, path);
    }
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    /* The pid is for people; a full disk does not take the lock away. */
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)len, 0) < 0)
        (void)0;
    return fd;
}

/* Makes way for bind: removes a socket file that nobody listens on. The lock is held. */
static int listen_clear_stale(const struct sockaddr_un *address, struct err *err)
{
    const char *path = address->sun_path;
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : err_set(err, -errno, "cannot look at %s: %s", path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, -EEXIST, "%s exists and is no socket; it is left alone", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set(err, -errno, "cannot make a socket: %s", strerror(errno));
    int code = connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? errno : 0;
    close(fd);
    if (code == ENOENT)
        return 0;
    if (code != ECONNREFUSED)
        return err_set(err, -EADDRINUSE, "something that does not hold the lock listens on %s; it is left alone", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_set(err, -errno, "cannot remove the stale socket %s: %s", path, strerror(errno));
    return 0;
}

static int listen_set_group(const char *path, const char *group, struct err *err)
{
    if (group == NULL)
        return 0;
    struct group *found = getgrnam(group);
    if (found == NULL)
        return err_set(err, -EINVAL, "there is no group %s for the socket %s", group, path);
    if (fchownat(AT_FDCWD, path, (uid_t)-1, found->gr_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set(err, -errno, "cannot give the socket %s to group %s: %s", path, group, strerror(errno));
    return 0;
}

static int listen_bind(struct listener *l, const struct config *config, struct err *err)
{
    struct sockaddr_un address;
    struct stat st;
    int code = listen_address(config->socket_path, &address, err);
    if (code < 0)
        return code;
    strcpy(l->path, address.sun_path);
    l->lock_fd = lock_take(l->path, err);
    if (l->lock_fd < 0)
        return l->lock_fd;
    code = listen_clear_stale(&address, err);
    if (code < 0)
        return code;
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return err_set(err, -errno, "cannot make a socket: %s", strerror(errno));
    mode_t before = umask(~config->socket_mode & 0777);
    code = bind(l->fd, (const struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
    umask(before);
    if (code < 0)
        return err_set(err, code, "cannot bind the socket %s: %s", l->path, strerror(-code));
    if (lstat(l->path, &st) < 0)
        return err_set(err, -errno, "the socket %s went away: %s", l->path, strerror(errno));
    l->bound = true;
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    code = listen_set_group(l->path, config->socket_group, err);
    if (code < 0)
        return code;
    if (listen(l->fd, LISTEN_BACKLOG) < 0)
        return err_set(err, -errno, "cannot listen on %s: %s", l->path, strerror(errno));
    return 0;
}

static int listen_adopt(struct listener *l, int fd, struct err *err)
{
    int domain = 0, type = 0, accepts = 0;
    socklen_t len = sizeof(int);
    struct sockaddr_un address = {.sun_family = AF_UNSPEC};
    socklen_t address_len = sizeof address;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &len) < 0)
        return err_set(err, -errno, "the activated descriptor is no socket: %s", strerror(errno));
    if (domain != AF_UNIX || type != SOCK_STREAM || !accepts)
        return err_set(err, -EINVAL, "the activated socket is not a listening Unix stream socket");
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return err_set(err, -errno, "cannot make the activated socket non-blocking: %s", strerror(errno));
    if (getsockname(fd, (struct sockaddr *)&address, &address_len) == 0 && address.sun_path[0] == '/') {
        address.sun_path[sizeof address.sun_path - 1] = '\0';
        strcpy(l->path, address.sun_path);
        struct err why = {.text = ""};
        int lock = lock_take(l->path, &why);
        if (lock == -EADDRINUSE)
            return err_set(err, lock, "%s", why.text);
        l->lock_fd = lock < 0 ? -1 : lock; /* a directory that is not ours to write in: the manager sees to it */
    }
    l->fd = fd;
    return 0;
}

int listener_open(struct listener *l, const struct config *config, int listen_fd, struct err *err)
{
    *l = (struct listener){.fd = -1, .lock_fd = -1};
    int code = listen_fd >= 0 ? listen_adopt(l, listen_fd, err) : listen_bind(l, config, err);
    if (code < 0)
        listener_close(l);
    return code;
}

void listener_close(struct listener *l)
{
    struct stat st;
    /* Somebody may have put another file there meanwhile: only what was bound here is removed. */
    if (l->bound && lstat(l->path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_dev == l->dev && st.st_ino == l->ino)
        unlink(l->path);
    l->bound = false;
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    if (l->lock_fd >= 0)
        close(l->lock_fd);
    l->lock_fd = -1;
}
