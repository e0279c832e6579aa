/* Who is at the other end of a connection, as the kernel says, and which roles that gives.
 *
 * root and the daemon's own user are admins. Others have the roles that the configuration gives to their user, their group or one of their
 * supplementary groups, all as they were when they connected. An admin is a reader and a reporter too. Reading is open to whoever the
 * socket's mode lets connect, unless the configuration names readers. A key is for those only who are named key-readers: being root does
 * not make a terminal a place for keys.
 *
 * Credentials are read once a connection, supplementary groups only when a rule needs them; roles are worked out anew for each request, so
 * that a reload counts at once. */
#include "probed/serve/api_parts.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/alloc.h"
#include "shared/text.h"

/* The kernel's own limit (NGROUPS_MAX). */
#define ROLES_GROUPS_MAX 65536

void roles_learn(struct client *c)
{
    struct ucred cred;
    socklen_t len = sizeof cred;
    if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return;
    c->known = true;
    c->pid = cred.pid;
    c->uid = cred.uid;
    c->gid = cred.gid;
}

void roles_forget(struct client *c)
{
    free(c->groups);
    c->groups = NULL;
    c->groups_len = 0;
}

static void roles_learn_groups(struct client *c)
{
    if (c->groups_known)
        return;
    c->groups_known = true;
    socklen_t len = 0;
    if (getsockopt(c->fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 || errno != ERANGE || len == 0)
        return; /* none, or a kernel without it */
    if (len / sizeof(gid_t) > ROLES_GROUPS_MAX)
        return;
    c->groups = alloc_zero(len / sizeof(gid_t), sizeof(gid_t));
    if (getsockopt(c->fd, SOL_SOCKET, SO_PEERGROUPS, c->groups, &len) < 0) {
        roles_forget(c);
        return;
    }
    c->groups_len = len / sizeof(gid_t);
}

static bool roles_in_group(struct client *c, gid_t gid)
{
    if (c->gid == gid)
        return true;
    roles_learn_groups(c);
    for (size_t i = 0; i < c->groups_len; i++)
        if (c->groups[i] == gid)
            return true;
    return false;
}

static bool roles_rule_matches(struct client *c, const struct config_role *rule)
{
    for (size_t i = 0; i < rule->users_len; i++)
        if (rule->users[i] == c->uid)
            return true;
    for (size_t i = 0; i < rule->groups_len; i++)
        if (roles_in_group(c, rule->groups[i]))
            return true;
    return false;
}

unsigned roles_of(struct client *c)
{
    const struct config *config = c->api->owner.config(c->api->owner.arg);
    unsigned roles = 0;
    bool readers_named = false;
    if (c->known && (c->uid == 0 || c->uid == geteuid()))
        roles |= ROLE_ADMIN;
    for (size_t i = 0; i < config->roles_len; i++) {
        const struct config_role *rule = &config->roles[i];
        readers_named = readers_named || rule->role == ROLE_READER;
        if (c->known && (roles & rule->role) == 0 && roles_rule_matches(c, rule))
            roles |= rule->role;
    }
    if (!readers_named || (roles & ROLE_KEY_READER) != 0)
        roles |= ROLE_READER;
    if ((roles & ROLE_ADMIN) != 0)
        roles |= ROLE_READER | ROLE_REPORTER;
    return roles;
}

const char *role_name(enum role role)
{
    switch (role) {
    case ROLE_READER:
        return "reader";
    case ROLE_REPORTER:
        return "reporter";
    case ROLE_KEY_READER:
        return "key-reader";
    case ROLE_ADMIN:
        return "admin";
    }
    return "unknown";
}

void roles_describe(const struct client *c, char *buf, size_t size)
{
    struct passwd *found = NULL;
    /* The file, not getpwuid: a directory service may take seconds, and this is the loop. */
    FILE *users = fopen("/etc/passwd", "re");
    while (users != NULL && c->known && (found = fgetpwent(users)) != NULL)
        if (found->pw_uid == c->uid)
            break;
    if (found != NULL)
        text_copy(buf, size, found->pw_name, strlen(found->pw_name));
    else if (c->known)
        snprintf(buf, size, "uid %lu", (unsigned long)c->uid);
    else
        snprintf(buf, size, "unknown");
    if (users != NULL)
        fclose(users);
}
