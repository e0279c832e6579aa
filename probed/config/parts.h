/* What the files of this part share: the loader, the keyword tables and the readers of values. Not for anybody else.
 *
 * A keyword is one row of one table: its name, type, range and default. Reading, defaults, the dump, the diff and the check that the man
 * page is complete all walk these tables, so that no keyword can exist in one of them only. */
#ifndef PROBED_CONFIG_PARTS_H
#define PROBED_CONFIG_PARTS_H

#include <libfyaml.h>
#include <stdio.h>

#include "probed/config/config.h"
#include "shared/alloc.h"
#include "shared/buf.h"
#include "shared/json.h"
#include "shared/text.h"

#define CONFIG_FILE_MAX     ((size_t)16 * 1024 * 1024) /* bytes of one file */
#define CONFIG_TOTAL_MAX    ((size_t)64 * 1024 * 1024)
#define CONFIG_FILES_MAX    4096
#define CONFIG_DEPTH_MAX    8       /* includes within includes */
#define CONFIG_NODES_MAX    2000000 /* values in all files */
#define CONFIG_TEXT_MAX     1024    /* bytes of one value */
#define CONFIG_MESSAGES_MAX 1000    /* printed; the rest is counted */
#define CONFIG_LIST_MAX     256     /* tags, windows, headers, users of one owner */
#define KEYWORDS_MAX        40      /* in one section */

struct loader;
struct dump;
struct section;

enum keyword_type {
    KEYWORD_TEXT,       /* char *; any printable text */
    KEYWORD_PATH,       /* char *; relative to the file it stands in */
    KEYWORD_ROUTE_PATH, /* char *; "/v1/models": appended to a URL */
    KEYWORD_BOOL,       /* bool */
    KEYWORD_COUNT,      /* int */
    KEYWORD_NUMBER,     /* double, at most 12 decimals */
    KEYWORD_PERCENT,    /* double 0..1; min and max in percent */
    KEYWORD_DURATION,   /* usec_t */
    KEYWORD_SIZE,       /* size_t */
    KEYWORD_MODE,       /* mode_t, octal */
    KEYWORD_WORD,       /* int or enum: index in words plus min */
    KEYWORD_MONEY,      /* int64_t pico reference */
    KEYWORD_MONEY_DAY,  /* int64_t pico reference a day, or "unlimited" */
    KEYWORD_SECTION,    /* a mapping with keywords of its own, at offset */
    KEYWORD_OWN         /* read and dumped by functions of its own, which get the whole base */
};

struct keyword {
    const char *name;
    enum keyword_type type;
    size_t offset;            /* in the section's struct */
    int64_t min, max;         /* in the type's own unit */
    const char *initial;      /* default, as it would be written; NULL = zero */
    const char *const *words; /* WORD: NULL-terminated */
    const struct section *section;
    void (*read)(struct loader *l, struct fy_node *value, void *base);
    void (*dump)(struct dump *d, const void *base);
    int pass;  /* top level only: what must be known first is read first */
    bool many; /* top level only: may stand in several files */
};

struct section {
    const char *name; /* "probes.chat", for messages and the documentation check; "" = top level */
    const struct keyword *keywords;
    size_t len;
};

/* keywords.c */
enum { PASS_CURRENCY, PASS_RATES, PASS_SETTINGS, PASS_POLICIES, PASS_PLATFORMS, PASS_COUNT };
extern const struct section section_top, section_budget, section_health, section_roles, section_role, section_model, section_policy,
    section_request, section_platform, section_price_source, section_balance_source, section_source_key, section_rate_source,
    section_price_reference, section_workload, section_key, section_endpoint, section_route, section_price, section_window, section_probes;
extern const char *const words_level[], *const words_dialect[], *const words_latency[], *const words_price_source[], *const words_balance_source[], *const words_log[], *const words_reference[];
const struct keyword *section_find(const struct section *s, const char *name);
/* Puts every default of the section (and of sections in it) into base. */
void section_defaults(const struct section *s, void *base);

/* What was given, and where: value nodes by the keyword's index. */
struct seen {
    struct fy_node *value[KEYWORDS_MAX];
};
struct fy_node *seen_at(const struct seen *seen, const struct section *s, const char *name); /* NULL = not given */

struct file {
    char *name; /* as shown */
    char *dir;  /* what it includes is relative to this; "" = the working directory */
    dev_t dev;
    ino_t ino;
    char *text;
    FILE *stream;
    struct fy_parser *parser;
    struct fy_document *document;
    struct file *from; /* who included it */
    int depth;
};

struct root { /* one keyword of one file's top level */
    const struct keyword *keyword;
    struct fy_node *key, *value;
    struct file *file;
};

struct loader {
    struct config *config;
    struct config_probe probes[PROBE_KIND_COUNT]; /* the defaults that platforms start from */
    FILE *messages;
    struct fy_diag *diag;
    struct buf told; /* what libfyaml wrote of the message in hand */
    int errors, printed;
    bool colour;
    struct file **files;
    size_t files_len, total;
    size_t nodes;
    struct root *roots;
    size_t roots_len;
    struct file *file;                                     /* the one whose keywords are being read */
    struct fy_node **model_at, **policy_at, **platform_at; /* names' nodes, by index */
    struct fy_node *default_policy_at, *budget_at, *health_at;
    char **hidden; /* texts that must not be shown */
    size_t hidden_len;
};

/* report.c: messages */
void report_error(struct loader *l, struct fy_node *at, const char *fmt, ...) ATTR_PRINTF(3, 4);
void report_warning(struct loader *l, struct fy_node *at, const char *fmt, ...) ATTR_PRINTF(3, 4);
/* With a place but no node: line 0 = the file as a whole. */
void report_file(struct loader *l, const char *file, int line, int column, const char *fmt, ...) ATTR_PRINTF(5, 6);
void report_parsed(struct loader *l, const char *file); /* libfyaml gave the file up: its own words are in l->told */
struct fy_diag *report_diag_new(struct loader *l);
/* From here on this text is shown as stars. */
void report_hide(struct loader *l, const char *text);
bool report_is_key(const char *text); /* looks like an API key that was pasted, or what report_blank left of one */
void report_blank(char *text);        /* wipes what looks like a key, in place, to the same length */
/* "FILE:LINE" of a node. */
char *report_place(struct fy_node *at, char *buf, size_t size);

/* files.c: files and what they include, into l->files and l->roots */
void files_read(struct loader *l, const char *file);
void files_done(struct loader *l);

/* nodes.c: walking */
/* The scalar's text (borrowed from the document), or NULL with an error said. `want` completes "this should be ...". */
const char *node_text(struct loader *l, struct fy_node *node, const char *want);
bool node_want_mapping(struct loader *l, struct fy_node *node, const char *what);
/* Iterates a mapping's pairs with a text key and a value; errors are said for the others. False at the end. */
bool node_next_pair(struct loader *l, struct fy_node *mapping, void **state, const char **ret_name, struct fy_node **ret_key,
                    struct fy_node **ret_value);
/* A list, or one item in its place. NULL at the end. */
struct fy_node *node_next_item(struct loader *l, struct fy_node *list, void **state);
bool node_is_empty(struct fy_node *node);
/* "unknown key", with the nearest name. */
void node_unknown(struct loader *l, struct fy_node *at, const char *what, const char *name, const char *const *known, size_t len);
void section_unknown(struct loader *l, const struct section *s, struct fy_node *key, const char *name);
/* Reads a mapping by its table into base; seen may be NULL. */
void section_read(struct loader *l, const struct section *s, struct fy_node *mapping, void *base, struct seen *seen);

/* values.c: one value by its keyword's type */
void value_read(struct loader *l, const struct keyword *k, struct fy_node *value, void *base);
/* From text alone, for defaults; err says what is wrong. config may be NULL where no money is read. */
int value_parse(const struct config *config, const struct keyword *k, const char *text, void *target, struct err *err) ATTR_UNUSED_RESULT;
/* The value as it would be written; false = not given (NULL text). */
bool value_format(const struct config *config, const struct keyword *k, const void *base, struct buf *ret);
void value_format_pico(struct buf *ret, int64_t pico, int64_t unit); /* exact decimal of pico/unit */
bool name_is_good(const char *name, bool model);

/* windows.c: planned maintenance */
int window_parse(const char *text, struct config_window *ret, struct err *err) ATTR_UNUSED_RESULT;
void window_format(const struct config_window *w, struct buf *ret);

/* urls.c */
int url_check(const char *text, bool http_anywhere, struct err *err) ATTR_UNUSED_RESULT;

/* tags.c */
/* A list of names, or a mapping name: value; `requirement`: false is refused. */
void tags_read(struct loader *l, struct fy_node *node, struct tag **ret, size_t *ret_len, bool requirement);
void tags_copy(const struct tag *from, size_t len, struct tag **ret, size_t *ret_len);
void tags_free(struct tag *tags, size_t len);

/* Readers and writers of keywords that have their own, named in keywords.c. */
void read_currency(struct loader *l, struct fy_node *value, void *base);
void read_rates(struct loader *l, struct fy_node *value, void *base);
void read_budget(struct loader *l, struct fy_node *value, void *base);
void read_socket_group(struct loader *l, struct fy_node *value, void *base);
void read_self_check(struct loader *l, struct fy_node *value, void *base);
void read_models(struct loader *l, struct fy_node *value, void *base);
void read_roles(struct loader *l, struct fy_node *value, void *base);
void read_role_users(struct loader *l, struct fy_node *value, void *base);
void read_role_groups(struct loader *l, struct fy_node *value, void *base);
void read_default_probes(struct loader *l, struct fy_node *value, void *base);
void read_policies(struct loader *l, struct fy_node *value, void *base);
void read_policy_request(struct loader *l, struct fy_node *value, void *base);
void read_policy_require(struct loader *l, struct fy_node *value, void *base);
void read_platforms(struct loader *l, struct fy_node *value, void *base);
void read_platform_key(struct loader *l, struct fy_node *value, void *base);
void read_platform_headers(struct loader *l, struct fy_node *value, void *base);
void read_platform_tags(struct loader *l, struct fy_node *value, void *base);
void read_platform_maintenance(struct loader *l, struct fy_node *value, void *base);
void read_price_source(struct loader *l, struct fy_node *value, void *base);
void read_balance_source(struct loader *l, struct fy_node *value, void *base);
void read_platform_probes(struct loader *l, struct fy_node *value, void *base);
void read_model_capabilities(struct loader *l, struct fy_node *value, void *base);
void read_route_capabilities(struct loader *l, struct fy_node *value, void *base);
void read_route_price(struct loader *l, struct fy_node *value, void *base);
void read_price_source_word(struct loader *l, struct fy_node *value, void *base);
void read_balance_source_word(struct loader *l, struct fy_node *value, void *base);
void read_source_currency(struct loader *l, struct fy_node *value, void *base);
void read_source_quota(struct loader *l, struct fy_node *value, void *base);
void read_source_group_ratio(struct loader *l, struct fy_node *value, void *base);
void read_source_shared(struct loader *l, struct fy_node *value, void *base);
void read_source_key(struct loader *l, struct fy_node *value, void *base);
void read_rate_source(struct loader *l, struct fy_node *value, void *base);
void read_price_reference(struct loader *l, struct fy_node *value, void *base);
void read_workload(struct loader *l, struct fy_node *value, void *base);
void read_workload_requests(struct loader *l, struct fy_node *value, void *base);
void read_nothing(struct loader *l, struct fy_node *value, void *base); /* read by its owner, which needs more than one of them */
void dump_nothing(struct dump *d, const void *base);
void dump_currency(struct dump *d, const void *base);
void dump_rates(struct dump *d, const void *base);
void dump_budget(struct dump *d, const void *base);
void dump_socket_group(struct dump *d, const void *base);
void dump_self_check(struct dump *d, const void *base);
void dump_models(struct dump *d, const void *base);
void dump_roles(struct dump *d, const void *base);
void dump_role_users(struct dump *d, const void *base);
void dump_role_groups(struct dump *d, const void *base);
void dump_policies(struct dump *d, const void *base);
void dump_policy_failure(struct dump *d, const void *base);
void dump_policy_second(struct dump *d, const void *base);
void dump_policy_money(struct dump *d, const void *base);
void dump_policy_request(struct dump *d, const void *base);
void dump_policy_require(struct dump *d, const void *base);
void dump_platforms(struct dump *d, const void *base);
void dump_platform_endpoints(struct dump *d, const void *base);
void dump_platform_key(struct dump *d, const void *base);
void dump_platform_headers(struct dump *d, const void *base);
void dump_platform_tags(struct dump *d, const void *base);
void dump_platform_maintenance(struct dump *d, const void *base);
void dump_price_source(struct dump *d, const void *base);
void dump_balance_source(struct dump *d, const void *base);
void dump_source_word(struct dump *d, const void *base);
void dump_source_currency(struct dump *d, const void *base);
void dump_source_quota(struct dump *d, const void *base);
void dump_source_group_ratio(struct dump *d, const void *base);
void dump_source_shared(struct dump *d, const void *base);
void dump_source_key(struct dump *d, const void *base);
void dump_rate_source(struct dump *d, const void *base);
void dump_price_reference(struct dump *d, const void *base);
void dump_workload(struct dump *d, const void *base);
void dump_workload_requests(struct dump *d, const void *base);
void dump_platform_probes(struct dump *d, const void *base);
void dump_platform_models(struct dump *d, const void *base);
void dump_model_capabilities(struct dump *d, const void *base);
void dump_route_capabilities(struct dump *d, const void *base);
void dump_route_price(struct dump *d, const void *base);

struct dump {
    const struct config *config;
    struct buf *out;
    int indent;
};
/* "name: " at the present indent; for lists and sections name and newline. */
void dump_name(struct dump *d, const char *name);
void dump_section(struct dump *d, const struct section *s, const void *base);
/* One keyword as it would be dumped, "" = nothing: what the diff compares. */
void dump_keyword(struct dump *d, const struct keyword *k, const void *base);

/* probes.c: rules of one kind in base (struct config_probe[PROBE_KIND_COUNT]), with what was not given following what was */
void probes_read(struct loader *l, struct fy_node *value, struct config_probe *base);

/* parse_platform.c: says what is wrong with where a key is said to be; `section` is the one with env, credential and file */
void key_source_read(struct loader *l, const struct section *section, struct fy_node *value, void *base, struct secret_source *key);

/* parse_source.c: what a platform's sources are when nothing is said */
void sources_init(struct config_platform *p);
void source_free(struct config_source *s);

/* parse_route.c: what a platform calls its models */
void routes_read(struct loader *l, struct fy_node *mapping, struct config_platform *p);

/* check.c: what only the whole shows */
void check_all(struct loader *l);

/* free for what is const in structs that the core reads. */
void free_const(const void *p);

#endif
