/* A main for the fuzz drivers where there is no libFuzzer: plays every input that it is given, and as many random ones as asked for.
 *
 *     fuzz_x [-random=N] [-seed=S] FILE-OR-DIRECTORY...
 *
 * The empty input always comes first, then the files in the order of their names, then N inputs made by mutating and joining the files (or
 * from nothing). Each made input has a seed of its own, so that the one that died is played again alone by the -seed that is printed then.
 * A driver that crashes takes the program down, which is how a test sees it; a driver that does not come back is ended by an alarm. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Sanitizers end the program on their own and skip signal handlers; this tells us when. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

#define INPUT_MAX         ((size_t)1 << 20)
#define MADE_MAX          ((size_t)16 * 1024)
#define FILES_MAX         ((size_t)10000)
#define DEPTH_MAX         8
#define SECONDS_PER_INPUT 20

struct input {
    char *name;
    uint8_t *data;
    size_t len;
};

static struct input inputs[FILES_MAX];
static size_t inputs_len;
/* What is being played, in words that a signal handler can write. */
static char playing[512] = "nothing yet";

static void tell_playing(void)
{
    static const char text[] = "\ndied while playing: ";
    ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);
    n = write(STDERR_FILENO, playing, strlen(playing));
    n = write(STDERR_FILENO, "\n", 1);
    (void)n;
}

static void on_death(int number)
{
    tell_playing();
    signal(number, SIG_DFL);
    raise(number);
}

static void *must(void *p)
{
    if (!p) {
        fprintf(stderr, "replay: out of memory\n");
        exit(2);
    }
    return p;
}

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static size_t random_below(uint64_t *state, size_t n)
{
    return n ? (size_t)(random_next(state) % n) : 0;
}

/* --- reading the corpus ----------------------------------------------------------------------------------------------- */

static bool load_file(const char *path)
{
    if (inputs_len == FILES_MAX) {
        fprintf(stderr, "replay: more than %zu files\n", FILES_MAX);
        return false;
    }
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
        return false;
    }
    uint8_t *data = must(malloc(INPUT_MAX));
    size_t len = fread(data, 1, INPUT_MAX, f);
    bool failed = ferror(f) != 0;
    fclose(f);
    if (failed) {
        fprintf(stderr, "replay: %s cannot be read\n", path);
        free(data);
        return false;
    }
    /* Exactly as long as it is, so that a read beyond its end is seen. */
    inputs[inputs_len++] = (struct input){.name = must(strdup(path)), .data = must(realloc(data, len ? len : 1)), .len = len};
    return true;
}

static bool load(const char *path, int depth)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
        return false;
    }
    if (!S_ISDIR(st.st_mode))
        return load_file(path);
    struct dirent **entries;
    int n = depth < DEPTH_MAX ? scandir(path, &entries, NULL, alphasort) : -1;
    if (n < 0) {
        fprintf(stderr, "replay: %s cannot be listed\n", path);
        return false;
    }
    bool good = true;
    for (int i = 0; i < n; i++) {
        char child[4096];
        if (entries[i]->d_name[0] != '.' && (size_t)snprintf(child, sizeof(child), "%s/%s", path, entries[i]->d_name) < sizeof(child))
            good = load(child, depth + 1) && good;
        free(entries[i]);
    }
    free(entries);
    return good;
}

/* --- making inputs ---------------------------------------------------------------------------------------------------- */

static size_t insert(uint8_t *data, size_t len, size_t at, const uint8_t *what, size_t n)
{
    if (n > MADE_MAX - len)
        n = MADE_MAX - len;
    memmove(data + at + n, data + at, len - at);
    memcpy(data + at, what, n);
    return len + n;
}

static size_t mutate(uint8_t *data, size_t len, uint64_t *random)
{
    static const char magic[] = "\0\n\r\"\\{}[]:,-+.eE0%/<>\x7F\x80\xC2\xE4\xED\xF4\xFF";
    size_t at = random_below(random, len + 1);
    uint8_t byte = (uint8_t)random_next(random);
    switch (random_below(random, 7)) {
    case 0:
        if (at < len)
            data[at] ^= (uint8_t)(1u << random_below(random, 8));
        return len;
    case 1:
        if (at < len)
            data[at] = (uint8_t)magic[random_below(random, sizeof(magic) - 1)];
        return len;
    case 2:
        return insert(data, len, at, &byte, 1);
    case 3: { /* a piece disappears */
        size_t n = random_below(random, len - at + 1);
        if (n > 8 && random_below(random, 4))
            n = 8;
        memmove(data + at, data + at + n, len - at - n);
        return len - n;
    }
    case 4: { /* a piece is there again and again */
        uint8_t piece[64];
        size_t n = random_below(random, sizeof(piece));
        n = n > len - at ? len - at : n;
        memcpy(piece, data + at, n);
        for (size_t times = random_below(random, random_below(random, 10) ? 3 : 200); times > 0; times--)
            len = insert(data, len, at, piece, n);
        return len;
    }
    case 5: { /* a piece of another input */
        const struct input *other = inputs_len ? &inputs[random_below(random, inputs_len)] : NULL;
        if (!other || other->len == 0)
            return len;
        size_t from = random_below(random, other->len);
        return insert(data, len, at, other->data + from, random_below(random, other->len - from + 1));
    }
    default: /* cut short */
        return random_below(random, 4) ? len : at;
    }
}

static void play(const uint8_t *data, size_t len)
{
    alarm(SECONDS_PER_INPUT);
    LLVMFuzzerTestOneInput(data, len);
    alarm(0);
}

static void play_made(uint64_t seed)
{
    uint64_t random = seed;
    uint8_t *data = must(malloc(MADE_MAX));
    size_t len = 0;
    if (inputs_len && random_below(&random, 8)) {
        const struct input *from = &inputs[random_below(&random, inputs_len)];
        len = from->len < MADE_MAX / 2 ? from->len : MADE_MAX / 2;
        memcpy(data, from->data, len);
    } else {
        len = random_below(&random, 200);
        for (size_t i = 0; i < len; i++)
            data[i] = (uint8_t)random_next(&random);
    }
    for (size_t n = 1 + random_below(&random, 8); n > 0; n--)
        len = mutate(data, len, &random);
    data = must(realloc(data, len ? len : 1));
    play(data, len);
    free(data);
}

static bool number_option(const char *arg, const char *name, uint64_t *ret)
{
    size_t n = strlen(name);
    if (strncmp(arg, name, n) != 0)
        return false;
    char *end;
    errno = 0;
    unsigned long long value = strtoull(arg + n, &end, 10);
    if (errno || end == arg + n || *end) {
        fprintf(stderr, "replay: %s wants a number\n", name);
        exit(2);
    }
    *ret = value;
    return true;
}

int main(int argc, char **argv)
{
    uint64_t count = 0, seed = (uint64_t)time(NULL) * 1000003u;
    bool good = true;
    for (int i = 1; i < argc; i++) {
        if (number_option(argv[i], "-random=", &count) || number_option(argv[i], "-seed=", &seed))
            continue;
        if (argv[i][0] == '-') {
            fprintf(stderr, "usage: %s [-random=N] [-seed=S] FILE-OR-DIRECTORY...\n", argv[0]);
            return 2;
        }
        good = load(argv[i], 0) && good;
    }
    static const int deaths[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM};
    for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++)
        signal(deaths[i], on_death);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(tell_playing);

    snprintf(playing, sizeof(playing), "the empty input");
    uint8_t *empty = must(malloc(1));
    play(empty, 0);
    free(empty);
    for (size_t i = 0; i < inputs_len; i++) {
        snprintf(playing, sizeof(playing), "%s", inputs[i].name);
        play(inputs[i].data, inputs[i].len);
    }
    for (uint64_t i = 0; i < count; i++) {
        snprintf(playing, sizeof(playing), "made input %llu: play it alone with -random=1 -seed=%llu and the same files",
                 (unsigned long long)i, (unsigned long long)(seed + i));
        play_made(seed + i);
    }
    const char *name = strrchr(argv[0], '/');
    printf("%s: the empty input, %zu files, %llu made inputs (-seed=%llu)\n", name ? name + 1 : argv[0], inputs_len,
           (unsigned long long)count, (unsigned long long)seed);
    for (size_t i = 0; i < inputs_len; i++) {
        free(inputs[i].name);
        free(inputs[i].data);
    }
    return good ? 0 : 1;
}
