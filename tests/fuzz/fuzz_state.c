/* A state file of any bytes: read, or set aside whole; what was read can be written and read again. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probed/store/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[40], file[64], aside[80];

static void clean_up(void)
{
    unlink(file);
    unlink(aside);
    rmdir(folder);
}

static void make_folder(void)
{
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/probed-fuzz-XXXXXX" : "/tmp/probed-fuzz-XXXXXX");
    if (mkdtemp(folder) == NULL)
        abort();
    snprintf(file, sizeof(file), "%s/state", folder);
    snprintf(aside, sizeof(aside), "%s.bad", file);
    atexit(clean_up);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (folder[0] == '\0')
        make_folder();
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    close(fd);
    cJSON *json = NULL, *again = NULL;
    struct err err = {""};
    int r = state_read(file, &json, &err);
    if (r < 0 || !cJSON_IsObject(json))
        abort();
    if (r == 1 && (access(file, F_OK) == 0 || access(aside, F_OK) < 0 || err.text[0] == '\0'))
        abort();
    if (r == 0) {
        if (state_write(file, json, &err) < 0 || state_read(file, &again, &err) != 0)
            abort();
        cJSON_Delete(again);
    }
    cJSON_Delete(json);
    unlink(aside);
    return 0;
}
