/* One question to the daemon and its answer.
 *
 * Not reached is exit 3 with one message that says which socket and what to do. Reached and refused is exit 1 with the problem's own words;
 * a 503 that is about routes is exit 4, with each one's reason. When a platform or model is not known the nearest known name is suggested,
 * the daemon's own suggestion first. A lease that has run out is not a refusal: the answer is shown and the verb ends with 5. */
#include "routectl/fetch.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "shared/alloc.h"
#include "shared/text.h"

#define REASONS_SHOWN 6

void fetched_done(struct fetched *fetched)
{
    cJSON_Delete(fetched->json);
    *fetched = (struct fetched)FETCHED_INIT;
}

usec_t fetch_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (usec_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

void fetch_query(struct buf *target, const char *name, const char *value)
{
    if (!value)
        return;
    buf_printf(target, "%c%s=", strchr(buf_str(target), '?') ? '&' : '?', name);
    client_encode(target, value);
}

/* Who may use the socket, as far as its mode tells. */
static void say_permission(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        complain("no permission to reach %s: its directory is closed to you", path);
        return;
    }
    const struct group *group = getgrgid(st.st_gid);
    if ((st.st_mode & S_IWGRP) && group)
        complain(
            "no permission to use %s: it is for the group %s. Become a member (sudo usermod -aG %s $USER, then log in again) or use sudo",
            path, group->gr_name, group->gr_name);
    else
        complain("no permission to use %s: it is for its owner only. Use sudo, or see socket.mode in probed.yaml(5)", path);
}

void fetch_unreachable(const struct command *command, int error, const char *text)
{
    const char *path = command->socket;
    char timeout[32];

    switch (-error) {
    case ENOENT:
    case ENOTDIR:
        complain("probed is not running: there is no socket %s. Start it (systemctl start probed), or name its socket with --socket or "
                 "PROBED_SOCKET",
                 path);
        break;
    case ECONNREFUSED:
        complain("probed is not running: %s is there, but nobody listens on it. See systemctl status probed, or name another socket with "
                 "--socket or PROBED_SOCKET",
                 path);
        break;
    case EACCES:
    case EPERM:
        say_permission(path);
        break;
    case ETIMEDOUT:
        complain("probed does not answer on %s within %s. See journalctl -u probed, or allow more with --timeout", path,
                 units_format_duration(timeout, sizeof timeout, command->timeout));
        break;
    default:
        complain("cannot ask probed on %s: %s", path, text[0] ? text : strerror(-error));
        break;
    }
}

enum exit_code fetch_quiet(const struct command *command, const char *method, const char *target, const cJSON *body, struct fetched *ret)
{
    struct client_answer answer = {0};
    struct err err = {""};
    struct buf text CLEANUP(buf_done) = BUF_INIT;

    if (body)
        json_print(body, false, &text);
    int error = client_request(command->socket, method, target, body ? buf_str(&text) : NULL, command->timeout, &answer, &err);
    if (error < 0) {
        fetch_unreachable(command, error, err.text);
        client_answer_done(&answer);
        return EXIT_UNREACHABLE;
    }
    ret->status = answer.status;
    ret->valid_until = answer.valid_until;
    ret->stale = answer.valid_until > 0 && fetch_now() > answer.valid_until;
    ret->json = answer.body.len > 0 ? json_parse(answer.body.data, answer.body.len, &err) : NULL;
    client_answer_done(&answer);
    if (ret->status >= 200 && ret->status < 300) {
        if (ret->json)
            return EXIT_OK;
        complain("what answers on %s is not probed: %s", command->socket, err.text[0] ? err.text : "an empty answer");
        return EXIT_UNREACHABLE;
    }
    /* Without routes a 503 is about the daemon: too many clients, too many watchers. */
    return ret->status == 503 && cJSON_IsArray(json_at(ret->json, "routes")) ? EXIT_NO_ROUTE : EXIT_REFUSED;
}

/* The name nearest to one that the daemon does not know, from what its status lists. Caller frees; NULL = none is near. */
static char *nearest_name(const struct command *command, const char *word)
{
    struct fetched status CLEANUP(fetched_done) = FETCHED_INIT;
    struct {
        const char *list, *name;
    } lists[] = {{"models", NULL}, {"platforms", "platform"}, {"policies", "policy"}};
    const char *names[1024];
    size_t len = 0;

    if (fetch_quiet(command, "GET", "/v1/status", NULL, &status) != EXIT_OK)
        return NULL;
    for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
        const cJSON *item;
        cJSON_ArrayForEach(item, json_at(status.json, lists[l].list))
        {
            const char *name = lists[l].name ? json_string(item, lists[l].name) : cJSON_GetStringValue(item);
            if (name && len < ARRAY_LEN(names))
                names[len++] = name;
        }
    }
    for (size_t i = 0; i < len; i++) {
        if (strcmp(names[i], word) == 0) /* known: it was something else that was refused */
            return NULL;
    }
    const char *nearest = text_nearest(word, names, len);
    return nearest ? alloc_string(nearest) : NULL;
}

/* Why none of a model's routes is usable, the first few of them. */
static void add_reasons(struct buf *ret, const cJSON *routes)
{
    const cJSON *route;
    int shown = 0;
    cJSON_ArrayForEach(route, routes)
    {
        if (shown++ == REASONS_SHOWN) {
            buf_printf(ret, " and %d more", cJSON_GetArraySize(routes) - REASONS_SHOWN);
            return;
        }
        const char *platform = json_string(route, "platform"), *reason = json_string(route, "reason");
        buf_printf(ret, "%s%s %s", shown == 1 ? ": " : ", ", platform ? platform : "?", reason ? reason : "?");
    }
}

/* What the daemon thinks was meant, or else what we do. Caller frees; NULL = nothing near. */
static char *suggestion(const struct command *command, const struct fetched *fetched)
{
    const char *nearest = json_string(fetched->json, "nearest.0");
    const char *asked[] = {command->args_len > 0 ? command->args[0] : NULL, command->args_len > 1 ? command->args[1] : NULL,
                           command->policy};
    char *found = NULL;

    if (nearest)
        return alloc_string(nearest);
    if (fetched->status != 404 || json_at(fetched->json, "nearest"))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(asked) && !found; i++) {
        const char *slash = asked[i] ? strchr(asked[i], '/') : NULL;
        char *platform CLEANUP(alloc_freep) = slash ? alloc_string_n(asked[i], (size_t)(slash - asked[i])) : NULL;
        if (asked[i])
            found = nearest_name(command, asked[i]);
        if (!found && slash)
            found = nearest_name(command, slash + 1);
        if (!found && platform)
            found = nearest_name(command, platform);
    }
    return found;
}

void fetch_complain(const struct command *command, const struct fetched *fetched)
{
    const char *title = json_string(fetched->json, "title");
    const char *detail = json_string(fetched->json, "detail");
    const char *words = detail && detail[0] ? detail : title;

    if (!words) {
        complain("refused by probed: HTTP status %d", fetched->status);
        return;
    }
    struct buf reasons CLEANUP(buf_done) = BUF_INIT;
    char *suggested CLEANUP(alloc_freep) = suggestion(command, fetched);
    add_reasons(&reasons, json_at(fetched->json, "routes"));
    complain("%s%s%s%s%s", words, buf_str(&reasons), suggested ? ". Did you mean '" : "", suggested ? suggested : "",
             suggested ? "'?" : "");
    if (fetched->status == 403)
        complain("the roles in probed.yaml(5) say who may do this; root and the daemon's own user may");
}

enum exit_code fetch(const struct command *command, const char *target, struct fetched *ret)
{
    enum exit_code code = fetch_quiet(command, "GET", target, NULL, ret);
    if (code == EXIT_REFUSED || code == EXIT_NO_ROUTE)
        fetch_complain(command, ret);
    return code;
}

enum exit_code fetch_post(const struct command *command, const char *target, const cJSON *body, struct fetched *ret)
{
    enum exit_code code = fetch_quiet(command, "POST", target, body, ret);
    if (code == EXIT_REFUSED || code == EXIT_NO_ROUTE)
        fetch_complain(command, ret);
    return code == EXIT_NO_ROUTE ? EXIT_REFUSED : code; /* a write has no route to miss: the daemon is busy */
}

enum exit_code fetch_verdict(const struct fetched *fetched, enum exit_code otherwise)
{
    char age[32];
    if (!fetched->stale)
        return otherwise;
    complain("warning: the table is stale: its lease ran out %s ago and nobody renews it",
             units_format_duration(age, sizeof age, fetch_now() - fetched->valid_until));
    return otherwise == EXIT_OK ? EXIT_STALE : otherwise;
}
