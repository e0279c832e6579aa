/* The files: reading them whole and once, what they include, and the keywords of their top levels.
 *
 * A file is opened, must be a regular file within the size caps, is checked for UTF-8 and control characters (libfyaml would silently
 * end the text there), and parsed into a document that lives until the configuration is built, since every message needs its nodes.
 * One document a file; aliases are refused, so nothing can be blown up by them; libfyaml itself limits the depth of nesting.
 * `include:` takes paths and patterns relative to the file it stands in, sorted by name. A file that is met a second time is an error,
 * which also ends every loop. Then each document is searched for pasted keys, before any other message could quote its lines. */
#include "probed/config/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void read_file(struct loader *l, const char *name, struct file *from, struct fy_node *at);

static struct file *file_free(struct file *f)
{
    if (!f)
        return NULL;
    fy_document_destroy(f->document);
    if (f->parser)
        fy_parser_destroy(f->parser);
    if (f->stream)
        fclose(f->stream);
    free(f->text);
    free(f->name);
    free(f->dir);
    free(f);
    return NULL;
}

void files_done(struct loader *l)
{
    for (size_t i = 0; i < l->files_len; i++)
        file_free(l->files[i]);
    free(l->files);
    free(l->roots);
}

/* An error about a file that could not be used: where it was asked for, or by its name. */
static void complain(struct loader *l, struct fy_node *at, const char *name, const char *why)
{
    if (at)
        report_error(l, at, "%s: %s", name, why);
    else
        report_file(l, name, 0, 0, "%s", why);
}

static int read_whole(int fd, size_t size, char **ret)
{
    char *text = alloc_zero(size + 1, 1);
    size_t have = 0;
    while (have < size) {
        ssize_t n = read(fd, text + have, size - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int e = -errno;
            free(text);
            return e;
        }
        if (n == 0)
            break;
        have += (size_t)n;
    }
    *ret = text;
    return (int)have;
}

/* Opens and reads into f; NULL or why not. */
static const char *load_text(struct loader *l, struct file *f, size_t *ret_len)
{
    int fd = open(f->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return strerror(errno);
    struct stat st;
    const char *why = NULL;
    if (fstat(fd, &st) < 0)
        why = strerror(errno);
    else if (!S_ISREG(st.st_mode))
        why = "not a regular file";
    else if (st.st_size > (off_t)CONFIG_FILE_MAX)
        why = "larger than 16 MiB";
    else if (l->total + (size_t)st.st_size > CONFIG_TOTAL_MAX)
        why = "more than 64 MiB of configuration in all";
    int n = why ? 0 : read_whole(fd, (size_t)st.st_size, &f->text);
    close(fd);
    if (why)
        return why;
    if (n < 0)
        return strerror(-n);
    f->dev = st.st_dev;
    f->ino = st.st_ino;
    *ret_len = (size_t)n;
    l->total += (size_t)n;
    return NULL;
}

/* Says where the first byte is that no configuration may hold. */
static bool check_bytes(struct loader *l, const struct file *f, size_t len)
{
    int line = 1, column = 1;
    for (size_t i = 0; i < len;) {
        uint32_t c = 0;
        size_t n = text_decode(f->text + i, len - i, &c);
        bool layout = c == '\n' || c == '\r' || c == '\t' || (c == 0xfeff && i == 0);
        if (c == TEXT_BROKEN) {
            report_file(l, f->name, line, column, "this is not UTF-8 (byte 0x%02x)", (unsigned char)f->text[i]);
            return false;
        }
        if (!layout && text_is_harmful(c)) {
            report_file(l, f->name, line, column, "a character that must not be here (U+%04X)", (unsigned)c);
            return false;
        }
        line += c == '\n';
        column = c == '\n' ? 1 : column + 1;
        i += n;
    }
    return true;
}

/* A value under a name like "api_key" is not shown whatever it looks like: an error may quote its line. */
static void hide_value(struct loader *l, struct fy_node *key, struct fy_node *value)
{
    static const char *const words[] = {"key", "token", "secret", "passw", "auth"};
    const char *name = key && fy_node_is_scalar(key) && !fy_node_is_alias(key) ? fy_node_get_scalar0(key) : NULL;
    const char *text = value && fy_node_is_scalar(value) && !fy_node_is_alias(value) ? fy_node_get_scalar0(value) : NULL;
    if (!name || !text || strlen(text) < 12 || strchr(text, ' ') || report_is_key(text))
        return;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcasestr(name, words[i])) {
            report_hide(l, text);
            return;
        }
}

/* Walks everything once: aliases, pasted keys, and how much there is. The depth is bounded by libfyaml. */
static void search(struct loader *l, struct fy_node *node)
{
    if (!node || ++l->nodes > CONFIG_NODES_MAX)
        return;
    void *state = NULL;
    if (fy_node_is_alias(node)) {
        report_error(l, node, "aliases (*name) are not read here: write it out");
    } else if (fy_node_is_scalar(node)) {
        const char *text = fy_node_get_scalar0(node);
        if (text && report_is_key(text))
            report_error(l, node,
                         "this looks like a key: keys do not belong in this file; name an environment variable, a credential or a file "
                         "in the platform's \"key:\"");
    } else if (fy_node_is_mapping(node)) {
        struct fy_node_pair *pair;
        while ((pair = fy_node_mapping_iterate(node, &state))) {
            hide_value(l, fy_node_pair_key(pair), fy_node_pair_value(pair));
            search(l, fy_node_pair_key(pair));
            search(l, fy_node_pair_value(pair));
        }
    } else {
        struct fy_node *item;
        while ((item = fy_node_sequence_iterate(node, &state)))
            search(l, item);
    }
}

static bool parse(struct loader *l, struct file *f, size_t len)
{
    struct fy_parse_cfg cfg = {
        .flags = FYPCF_ALLOW_DUPLICATE_KEYS | FYPCF_JSON_NONE | FYPCF_DEFAULT_VERSION_1_2, /* duplicates: we name them all ourselves */
        .diag = l->diag,
    };
    f->parser = fy_parser_create(&cfg);
    f->stream = fmemopen(f->text, len, "r");
    if (!f->parser || !f->stream || fy_parser_set_input_fp(f->parser, f->name, f->stream) < 0)
        abort(); /* out of memory */
    f->document = fy_parse_load_document(f->parser);
    if (!f->document) {
        if (fy_parser_get_stream_error(f->parser))
            report_parsed(l, f->name);
        return false; /* nothing but comments */
    }
    search(l, fy_document_root(f->document));
    if (l->nodes > CONFIG_NODES_MAX) {
        report_file(l, f->name, 0, 0, "too many values in all files (at most %d)", CONFIG_NODES_MAX);
        return false;
    }
    struct fy_document *second = fy_parse_load_document(f->parser);
    if (second) {
        report_error(l, fy_document_root(second), "a second document: one file holds one");
        fy_parse_document_destroy(f->parser, second);
    } else if (fy_parser_get_stream_error(f->parser)) {
        report_parsed(l, f->name);
    }
    return true;
}

/* --- include --- */
static void include_pattern(struct loader *l, struct file *f, struct fy_node *at)
{
    const char *text = node_text(l, at, "a path or a pattern like \"platforms/*.yaml\"");
    if (!text)
        return;
    char *pattern = text[0] == '/' || f->dir[0] == '\0' ? alloc_string(text) : alloc_printf("%s/%s", f->dir, text);
    glob_t found = {.gl_pathc = 0};
    int e = glob(pattern, GLOB_BRACE, NULL, &found);
    free(pattern);
    if (e == GLOB_NOMATCH)
        report_error(l, at, "no file matches \"%s\"", text);
    else if (e != 0)
        report_error(l, at, "\"%s\" could not be searched for: %s", text, e == GLOB_NOSPACE ? "out of memory" : strerror(errno));
    for (size_t i = 0; e == 0 && i < found.gl_pathc && l->files_len <= CONFIG_FILES_MAX; i++)
        read_file(l, found.gl_pathv[i], f, at);
    globfree(&found);
}

static void include_all(struct loader *l, struct file *f, struct fy_node *list)
{
    void *state = NULL;
    struct fy_node *item;
    while ((item = node_next_item(l, list, &state)))
        include_pattern(l, f, item);
}

/* --- the top level of one file --- */
static const struct root *given_before(const struct loader *l, const struct keyword *k, const struct file *f)
{
    for (size_t i = 0; i < l->roots_len; i++)
        if (l->roots[i].keyword == k && (!k->many || l->roots[i].file == f))
            return &l->roots[i];
    return NULL;
}

static void add_root(struct loader *l, struct file *f, const struct keyword *k, struct fy_node *key, struct fy_node *value)
{
    const struct root *before = given_before(l, k, f);
    if (before) {
        char place[48];
        report_error(l, key, "\"%s\" is given twice, first in %s, %s", k->name, before->file->name,
                     report_place(before->key, place, sizeof place));
        return;
    }
    l->roots = alloc_resize(l->roots, l->roots_len + 1, sizeof *l->roots);
    l->roots[l->roots_len++] = (struct root){.keyword = k, .key = key, .value = value, .file = f};
    if (strcmp(k->name, "include") == 0) {
        include_all(l, f, value);
        l->file = f;
    }
}

static void read_roots(struct loader *l, struct file *f)
{
    struct fy_node *top = fy_document_root(f->document);
    if (!top || node_is_empty(top) || !node_want_mapping(l, top, "the file"))
        return;
    void *state = NULL;
    const char *name;
    struct fy_node *key, *value;
    while (node_next_pair(l, top, &state, &name, &key, &value)) {
        const struct keyword *k = section_find(&section_top, name);
        if (k)
            add_root(l, f, k, key, value);
        else
            section_unknown(l, &section_top, key, name);
    }
}

/* NULL or why this file is not read again. */
static const char *check_repeated(const struct loader *l, const struct file *f)
{
    for (const struct file *up = f->from; up; up = up->from)
        if (up->dev == f->dev && up->ino == f->ino)
            return "includes itself";
    for (size_t i = 0; i < l->files_len; i++)
        if (l->files[i]->dev == f->dev && l->files[i]->ino == f->ino)
            return "is included twice";
    return NULL;
}

static void read_file(struct loader *l, const char *name, struct file *from, struct fy_node *at)
{
    struct file *f = alloc_zero(1, sizeof *f);
    const char *slash = strrchr(name, '/');
    f->name = alloc_string(name);
    f->dir = slash ? alloc_string_n(name, slash == name ? 1 : (size_t)(slash - name)) : alloc_string("");
    f->from = from;
    f->depth = from ? from->depth + 1 : 0;
    size_t len = 0;
    const char *why = f->depth > CONFIG_DEPTH_MAX        ? "files include each other too deeply"
                      : l->files_len >= CONFIG_FILES_MAX ? "too many files"
                                                         : load_text(l, f, &len);
    if (!why)
        why = check_repeated(l, f);
    if (why) {
        complain(l, at, name, why);
        file_free(f);
        return;
    }
    l->files = alloc_resize(l->files, l->files_len + 1, sizeof *l->files);
    l->files[l->files_len++] = f;
    l->file = f;
    if (len > 0 && check_bytes(l, f, len)) {
        report_blank(f->text);
        if (parse(l, f, len))
            read_roots(l, f);
    }
    l->file = from;
}

void files_read(struct loader *l, const char *file)
{
    read_file(l, file, NULL, NULL);
}
