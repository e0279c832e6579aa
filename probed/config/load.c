/* From files to one immutable configuration, or every error of all of them.
 *
 * First every file is read and the keywords of its top level collected (files.c); then they are read in passes, so that what others need is
 * there: currency, rates, settings and models, policies, platforms; then the whole is checked (check.c). Errors never stop this. The
 * documents live until the end, since messages underline their text. Nothing of YAML is left in the result. */
#include "probed/config/parts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void set_defaults(struct loader *l)
{
    struct config *c = l->config;
    memcpy(c->currency, "USD", sizeof "USD");
    c->budget = (struct budget_limits){BUDGET_UNLIMITED, BUDGET_UNLIMITED, BUDGET_UNLIMITED};
    section_defaults(&section_top, c);
    section_defaults(&section_probes, l->probes);
    static const enum probe_kind rare[] = {PROBE_BURST, PROBE_CAPABILITIES}; /* a single pace */
    for (size_t i = 0; i < ARRAY_LEN(rare); i++)
        l->probes[rare[i]].rule.fast = l->probes[rare[i]].rule.slow = l->probes[rare[i]].rule.interval;
}

/* One USD a day in all, until told otherwise; one unit of the reference currency where there is no rate for USD. */
static void default_budget(struct config *c)
{
    int64_t pico = config_convert(c, PICO_PER_UNIT, "USD");
    c->budget.all = pico < 0 ? PICO_PER_UNIT : pico;
}

static void default_vantage(struct config *c)
{
    char name[65];
    if (c->vantage)
        return;
    if (gethostname(name, sizeof name) < 0 || name[0] == '\0')
        memcpy(name, "localhost", sizeof "localhost");
    name[sizeof name - 1] = '\0';
    c->vantage = alloc_string(name);
}

static void run_pass(struct loader *l, int pass)
{
    if (pass == PASS_SETTINGS)
        default_budget(l->config);
    for (size_t i = 0; i < l->roots_len; i++) {
        const struct root *r = &l->roots[i];
        if (r->keyword->pass != pass)
            continue;
        l->file = r->file;
        if (strcmp(r->keyword->name, "default_policy") == 0)
            l->default_policy_at = r->value;
        if (strcmp(r->keyword->name, "health") == 0)
            l->health_at = r->value;
        value_read(l, r->keyword, r->value, l->config);
    }
}

static void loader_done(struct loader *l)
{
    files_done(l);
    if (l->diag)
        fy_diag_destroy(l->diag);
    buf_done(&l->told);
    for (size_t i = 0; i < l->hidden_len; i++) {
        explicit_bzero(l->hidden[i], strlen(l->hidden[i]));
        free(l->hidden[i]);
    }
    free(l->hidden);
    free(l->model_at);
    free(l->policy_at);
    free(l->platform_at);
}

struct config *config_load(const char *file, FILE *messages, bool colour, int *ret_errors)
{
    struct loader l = {.messages = messages, .colour = colour, .told = BUF_CAP(256 * 1024)};
    struct config *config = l.config = alloc_zero(1, sizeof *config);
    config->refs = 1;
    config->file = alloc_string(file);
    l.diag = report_diag_new(&l);
    set_defaults(&l);
    files_read(&l, file);
    for (int pass = 0; pass < PASS_COUNT; pass++)
        run_pass(&l, pass);
    l.file = l.files_len ? l.files[0] : NULL;
    default_vantage(config);
    if (l.files_len > 0)
        check_all(&l);
    if (l.printed >= CONFIG_MESSAGES_MAX)
        fprintf(messages, "%s: error: only the first %d messages are shown, of %d errors in all\n", file, CONFIG_MESSAGES_MAX, l.errors);
    if (ret_errors)
        *ret_errors = l.errors;
    if (l.errors > 0) {
        config_unref(config);
        config = NULL;
    }
    loader_done(&l);
    return config;
}
