/* Where the history of a replay comes from, line by line: the daemon, a file, standard input. And what one line says. */
#ifndef ROUTECTL_REPLAY_SOURCE_H
#define ROUTECTL_REPLAY_SOURCE_H

#include "routectl/dump_pages.h"

#define REPLAY_LINE_MAX 65536

struct replay_source {
    const char *name;        /* for messages */
    struct dump_pages pages; /* of the daemon */
    int fd;                  /* -1 = the daemon */
    struct buf buf;
    size_t used; /* of it */
    bool end;    /* there is no more than what is in it */
    uint64_t line;
};

/* file: NULL = the daemon's history between since and until; "-" = standard input. The complaint has been made if it is not EXIT_OK. */
enum exit_code replay_source_open(struct replay_source *s, const struct command *command, const char *file, usec_t since,
                                  usec_t until) ATTR_UNUSED_RESULT;
void replay_source_close(struct replay_source *s);
/* *ret: the next line, NUL-terminated, without its newline, borrowed until the next call; NULL = that was all. */
enum exit_code replay_source_next(struct replay_source *s, char **ret, size_t *ret_len) ATTR_UNUSED_RESULT;

struct replay_record {
    usec_t t;
    char platform[64], model[128];
    bool passed_on; /* it is for the replay: no table that somebody else asked for, no other configuration */
    bool hard;      /* it may change a table at once */
    bool sighting;  /* a request to a route, which says something about it */
    bool ok;
    usec_t ttft, wasted; /* as struct sighting has them */
};
/* -EINVAL with err said. */
int replay_record_read(const char *line, size_t len, struct replay_record *ret, struct err *err) ATTR_UNUSED_RESULT;

#endif
