/* Where the history of a replay comes from. A page or a block is held at a time, whatever the history's length; a line has a cap. */
#include "routectl/replay_source.h"

#include "routectl/replay_prices.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "shared/json.h"
#include "shared/text.h"

#define BLOCK    (256 * 1024)
#define TIME_MAX 4e9 /* s, as records have it */

enum exit_code replay_source_open(struct replay_source *s, const struct command *command, const char *file, usec_t since, usec_t until)
{
    *s = (struct replay_source){.name = file ? file : "the daemon's history", .fd = -1};
    s->pages = (struct dump_pages){.command = command, .since = since, .until = until};
    if (!file)
        return replay_prices(command, since, until, &s->buf);
    if (strcmp(file, "-") == 0)
        s->name = "standard input";
    s->fd = strcmp(file, "-") == 0 ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (s->fd >= 0)
        return EXIT_OK;
    complain("cannot read %s: %s", file, strerror(errno));
    return EXIT_REFUSED;
}

void replay_source_close(struct replay_source *s)
{
    if (s->fd > STDIN_FILENO)
        close(s->fd);
    s->fd = -1;
    buf_done(&s->buf);
}

static enum exit_code read_block(struct replay_source *s)
{
    char block[BLOCK];
    ssize_t n;
    while ((n = read(s->fd, block, sizeof block)) < 0 && errno == EINTR)
        ;
    if (n < 0) {
        complain("cannot read %s: %s", s->name, strerror(errno));
        return EXIT_REFUSED;
    }
    buf_add(&s->buf, block, (size_t)n);
    s->end = n == 0;
    return EXIT_OK;
}

static enum exit_code read_page(struct replay_source *s)
{
    struct buf page CLEANUP(buf_done) = BUF_INIT;
    enum exit_code code = dump_pages_next(&s->pages, &page);
    buf_add(&s->buf, page.data, page.len);
    s->end = s->pages.over;
    return code;
}

enum exit_code replay_source_next(struct replay_source *s, char **ret, size_t *ret_len)
{
    *ret = NULL;
    for (;;) {
        char *begin = s->buf.data + s->used;
        size_t left = s->buf.len - s->used;
        char *stop = left > 0 ? memchr(begin, '\n', left) : NULL;
        size_t len = stop ? (size_t)(stop - begin) : left;
        if (len > REPLAY_LINE_MAX) {
            complain("%s: line %llu is longer than %d bytes", s->name, (unsigned long long)s->line + 1, REPLAY_LINE_MAX);
            return EXIT_REFUSED;
        }
        if (stop || (s->end && left > 0)) {
            if (stop)
                *stop = '\0';
            s->used += len + (stop != NULL);
            s->line++;
            *ret = begin;
            *ret_len = len;
            return EXIT_OK;
        }
        if (s->end)
            return EXIT_OK;
        buf_consume(&s->buf, s->used);
        s->used = 0;
        enum exit_code code = s->fd < 0 ? read_page(s) : read_block(s);
        if (code != EXIT_OK)
            return code;
    }
}

/* --- a line ----------------------------------------------------------------------------------------------------------- */

static usec_t span_of(const cJSON *json, const char *name)
{
    double ms;
    return json_number(json, name, &ms) && ms >= 0 && ms < 1e9 ? llround(ms * 1000) : -1;
}

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

static void read_chat(const cJSON *json, struct replay_record *ret)
{
    const char *fault = json_string(json, "fault"), *error = json_string(json, "error");
    /* What our own network did says nothing about a route. */
    bool local = fault ? strcmp(fault, "local") == 0 : error && (strcmp(error, "local") == 0 || strcmp(error, "canceled") == 0);
    ret->sighting = json_bool(json, "ok", &ret->ok) && !local && ret->platform[0] && ret->model[0];
    ret->ttft = span_of(json, "ttft_ms");
    ret->wasted = span_of(json, "total_ms");
    if (ret->wasted < 0)
        ret->wasted = 0;
    ret->hard = !ret->ok;
}

int replay_record_read(const char *line, size_t len, struct replay_record *ret, struct err *err)
{
    static const char *const not_passed_on[] = {"table", "config", "balance", NULL};
    static const char *const hard[] = {"price", "listing", "usable", "override", "self_check", "reach", "models", NULL};
    CLEANUP(json_deletep) cJSON *json = json_parse(line, len, err);
    double t;
    *ret = (struct replay_record){.ttft = -1};
    if (!json)
        return -EINVAL;
    const char *kind = json_string(json, "kind"), *platform = json_string(json, "platform"), *model = json_string(json, "model");
    if (!kind || !json_number(json, "t", &t))
        return err_set(err, -EINVAL, "a record has a \"kind\" and a time \"t\"");
    if (!(t >= 0 && t <= TIME_MAX))
        return err_set(err, -EINVAL, "\"t\" is Unix seconds, 0 to %.0f", TIME_MAX);
    ret->t = llround(t * 1e6);
    if ((platform && strlen(platform) >= sizeof ret->platform) || (model && strlen(model) >= sizeof ret->model))
        return err_set(err, -EINVAL, "a name that is too long");
    if (platform)
        text_copy(ret->platform, sizeof ret->platform, platform, strlen(platform));
    if (model)
        text_copy(ret->model, sizeof ret->model, model, strlen(model));
    ret->passed_on = !is_one_of(kind, not_passed_on);
    ret->hard = is_one_of(kind, hard);
    if (strcmp(kind, "chat") == 0)
        read_chat(json, ret);
    return 0;
}
