/* A directory of its own for a test's files, and the messages of a load as text. */
#ifndef TESTS_UNIT_CONFIG_SCRATCH_H
#define TESTS_UNIT_CONFIG_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "probed/config/config.h"

static char scratch_dir[64];
static char *scratch_messages; /* of the last load; freed at the end */

static inline int scratch_begin(void **state)
{
    (void)state;
    snprintf(scratch_dir, sizeof scratch_dir, "/tmp/probed-config-XXXXXX");
    return mkdtemp(scratch_dir) ? 0 : -1;
}

static inline int scratch_end(void **state)
{
    (void)state;
    free(scratch_messages);
    scratch_messages = NULL;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", scratch_dir);
    return system(command);
}

/* The path of a name in the directory; a few of them are good at the same time. */
static inline const char *scratch_path(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", scratch_dir, name);
    return path;
}

static inline const char *scratch_write_n(const char *name, const char *text, size_t len, mode_t mode)
{
    const char *path = scratch_path(name);
    unlink(path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static inline const char *scratch_write(const char *name, const char *text)
{
    return scratch_write_n(name, text, strlen(text), 0600);
}

static inline struct config *scratch_load(const char *path, int *ret_errors)
{
    size_t len = 0;
    free(scratch_messages);
    scratch_messages = NULL;
    FILE *stream = open_memstream(&scratch_messages, &len);
    assert_non_null(stream);
    struct config *config = config_load(path, stream, false, ret_errors);
    fclose(stream);
    return config;
}

static inline struct config *scratch_load_text(const char *text, int *ret_errors)
{
    return scratch_load(scratch_write("main.yaml", text), ret_errors);
}

/* What every configuration needs beside what a test is about. */
#define SCRATCH_POLICY   "policies:\n  production: {second: 0.04, money: 0.05}\n"
#define SCRATCH_PLATFORM "platforms:\n  p1: {endpoints: 'https://a.example/v1', models: {m1: x}}\n"
#define SCRATCH_REST     "models: {m1: {}}\n" SCRATCH_POLICY SCRATCH_PLATFORM

static inline char *scratch_dump(const struct config *config)
{
    char *text = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&text, &len);
    assert_non_null(stream);
    config_dump(config, stream);
    fclose(stream);
    return text;
}

#endif
