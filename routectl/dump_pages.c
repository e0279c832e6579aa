/* The daemon's history, a page at a time.
 *
 * A page says by X-Probed-Next where the next one begins; the number counts what is in the history and outlives the daemon, so that a
 * daemon that is restarted between two pages only makes us wait. The first question is answered or not; later ones are asked again for
 * PATIENCE. Nothing but one page is held. */
#include "routectl/dump_pages.h"

#include <errno.h>
#include <time.h>

#include "routectl/fetch.h"
#include "routectl/stream.h"

#define PAGE     20000
#define PATIENCE USEC_PER_MINUTE

static usec_t steady_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (usec_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

static void wait_for(usec_t span)
{
    struct timespec t = {.tv_sec = span / USEC_PER_SEC, .tv_nsec = span % USEC_PER_SEC * 1000};
    nanosleep(&t, NULL);
}

static void make_target(const struct dump_pages *pages, struct buf *target)
{
    char since[32], until[32];
    buf_printf(target, "/v1/dump?since=%s&until=%s&after=%lld&limit=%d",
               json_format_number(since, sizeof since, (double)(pages->since / 1000) / 1000),
               json_format_number(until, sizeof until, (double)((pages->until + 999) / 1000) / 1000), (long long)pages->after, PAGE);
}

/* True if it may be another matter in a moment. */
static bool may_pass(int error, int status)
{
    return error < 0 ? error != -EACCES && error != -EPERM && error != -EINVAL : status == 503 || status == 429;
}

static enum exit_code refused(const struct dump_pages *pages, const struct client_answer *answer)
{
    struct fetched fetched CLEANUP(fetched_done) = FETCHED_INIT;
    fetched.status = answer->status;
    fetched.json = json_parse(buf_str(&answer->body), answer->body.len, NULL);
    fetch_complain(pages->command, &fetched);
    return EXIT_REFUSED;
}

static enum exit_code take_page(struct dump_pages *pages, struct client_answer *answer, struct buf *ret)
{
    if (!answer->has_next || (answer->next > 0 && answer->next <= pages->after)) {
        complain("what answers on %s does not say where the next page of its history begins", pages->command->socket);
        return EXIT_UNREACHABLE;
    }
    pages->begun = true;
    pages->after = answer->next;
    pages->over = answer->next == 0;
    buf_done(ret);
    *ret = answer->body;
    answer->body = (struct buf)BUF_INIT;
    return EXIT_OK;
}

enum exit_code dump_pages_next(struct dump_pages *pages, struct buf *ret)
{
    struct buf target CLEANUP(buf_done) = BUF_INIT;
    usec_t deadline = steady_now() + PATIENCE;

    buf_clear(ret);
    if (pages->over)
        return EXIT_OK;
    make_target(pages, &target);
    for (unsigned failures = 1;; failures++) {
        struct client_answer answer CLEANUP(client_answer_done) = {0};
        struct err err = {""};
        int e = client_request(pages->command->socket, "GET", buf_str(&target), NULL, pages->command->timeout, &answer, &err);
        if (e == 0 && answer.status == 200)
            return take_page(pages, &answer, ret);
        if (pages->begun && may_pass(e, answer.status) && steady_now() < deadline) {
            wait_for(stream_backoff(failures));
            continue;
        }
        if (e == 0)
            return refused(pages, &answer);
        fetch_unreachable(pages->command, e, err.text);
        return EXIT_UNREACHABLE;
    }
}
