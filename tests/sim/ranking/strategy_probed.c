/* probed: `probed replay` as a child, and clients that follow its table.
 *
 * The child is told everything that any strategy is told, as NDJSON, and is asked for its table when the one at hand is older than a
 * second. A first try goes to a route by the weights, by dice (or to rank 1, for clients that know no weights); a retry to the first in the
 * table's order that was not tried, those with a share before those without, or by the weights of those not tried. Nothing of the daemon runs here, and nothing here decides
 * better than such a client could. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/json.h"
#include "tests/sim/ranking/child.h"
#include "tests/sim/ranking/strategy.h"
#include "tests/sim/ranking/strategy_probed.h"

#define BEGIN_OF_TIME 1.7e9 /* a world's second 0 as Unix time */

double strategy_probed_poll_s = 1;
bool strategy_probed_spreads;
const char *strategy_probed_record;

struct row {
    int platform;
    double weight;
};

struct probed {
    struct strategy_setup setup;
    struct child *child;
    FILE *record;
    uint64_t dice;
    double table_at;                            /* < 0 = none */
    struct buf table_text;                      /* of the policy, as it was read last */
    struct row rows[MODELS_MAX][PLATFORMS_MAX]; /* in the table's order */
    int rows_len[MODELS_MAX];
    uint32_t known; /* platforms that were told of */
};

static void *probed_make(const struct strategy_setup *setup)
{
    const char *const argv[] = {setup->program, "replay", "--config", setup->config, NULL};
    struct probed *self = alloc_zero(1, sizeof(*self));

    self->setup = *setup;
    self->dice = setup->seed;
    self->table_at = -1;
    self->child = child_start(argv);
    if (strategy_probed_record) {
        self->record = fopen(strategy_probed_record, "w");
        if (!self->record)
            perror(strategy_probed_record);
    }
    return self;
}

static void probed_free(void *arg)
{
    struct probed *self = arg;

    child_stop(self->child);
    if (self->record)
        fclose(self->record);
    buf_done(&self->table_text);
    free(self);
}

/* Begins a line; end_line ends it. */
static struct buf *begin_line(struct probed *self, double t, int platform, int model, const char *kind)
{
    struct buf *out = child_out(self->child);

    buf_printf(out, "{\"t\":%.6f,\"platform\":\"%s\",\"model\":\"%s\",\"kind\":\"%s\"", BEGIN_OF_TIME + t,
               self->setup.platform_names[platform], self->setup.model_names[model], kind);
    return out;
}

static void end_line(struct probed *self, struct buf *out, size_t from)
{
    buf_add_str(out, "}\n");
    if (self->record)
        fwrite(out->data + from, 1, out->len - from, self->record);
}

static void probed_price(void *arg, double t, int platform, int model, double input, double output)
{
    struct probed *self = arg;
    size_t from = child_out(self->child)->len;
    struct buf *out = begin_line(self, t, platform, model, "price");

    buf_printf(out, ",\"input_usd_per_mtok\":%.9g,\"output_usd_per_mtok\":%.9g", input, output);
    end_line(self, out, from);
    self->known |= 1u << platform;
}

static void add_known(struct buf *out, const char *name, double value)
{
    if (value >= 0)
        buf_printf(out, ",\"%s\":%.3f", name, value);
}

static void probed_observe(void *arg, const struct result *r)
{
    struct probed *self = arg;
    size_t from = child_out(self->child)->len;
    struct buf *out = begin_line(self, r->t, r->platform, r->model, "chat");

    buf_printf(out, ",\"source\":\"%s\",\"ok\":%s,\"status\":%d,\"error\":\"%s\"", r->probe ? "probe" : "traffic",
               r->answer == ANSWER_OK ? "true" : "false", r->status, answer_name(r->answer));
    add_known(out, "connect_ms", r->connect_ms);
    add_known(out, "tls_ms", r->tls_ms);
    add_known(out, "ttft_ms", r->ttft_ms);
    add_known(out, "total_ms", r->total_ms);
    add_known(out, "tokens_per_s", r->tokens_per_s);
    if (r->retry_after_s > 0)
        add_known(out, "retry_after_s", r->retry_after_s);
    if (r->probe)
        add_known(out, "interval_s", r->interval_s);
    else
        buf_printf(out, ",\"in_flight\":%d", r->in_flight);
    end_line(self, out, from);
}

/* --- the table ---------------------------------------------------------------------------------------------------------- */

static int find_platform(const struct probed *self, const char *name)
{
    for (int p = 0; name && p < self->setup.platforms; p++)
        if (strcmp(self->setup.platform_names[p], name) == 0)
            return p;
    return -1;
}

static void read_rows(struct probed *self, int model, const cJSON *rows)
{
    const cJSON *json;
    uint32_t seen = 0;

    self->rows_len[model] = 0;
    cJSON_ArrayForEach(json, rows)
    {
        struct row row = {.platform = find_platform(self, json_string(json, "platform"))};

        if (row.platform < 0 || seen & 1u << row.platform)
            continue;
        seen |= 1u << row.platform;
        json_number(json, "weight", &row.weight);
        self->rows[model][self->rows_len[model]++] = row;
    }
}

/* The value of a policy's member in the line: from its brace to the brace that closes it. NULL = there is none. */
static const char *find_policy(const char *line, const char *name, size_t *ret_len)
{
    char key[64];

    snprintf(key, sizeof(key), "\"%s\":{", name);
    const char *begin = strstr(line, key);
    int depth = 0;
    bool in_string = false;

    if (!begin)
        return NULL;
    begin += strlen(key) - 1;
    for (const char *c = begin; *c; c++) {
        if (in_string) {
            c += *c == '\\' && c[1];
            in_string = *c != '"';
            continue;
        }
        in_string = *c == '"';
        depth += (*c == '{') - (*c == '}');
        if (depth == 0) {
            *ret_len = (size_t)(c - begin) + 1;
            return begin;
        }
    }
    return NULL;
}

static void refuse_answer(const struct probed *self, const char *line, const char *why)
{
    fprintf(stderr, "ranking: %s answered what is no table with policy %s (%s): %.500s\n", self->setup.program,
            self->setup.preference->name, why, line);
    exit(3);
}

/* Most answers are what the last one was; those are not read again. */
static void read_table(struct probed *self, const char *line)
{
    struct err err = {.text = ""};
    size_t len = 0;
    const char *text = find_policy(line, self->setup.preference->name, &len);

    if (!text)
        refuse_answer(self, line, "not found");
    if (len == self->table_text.len && memcmp(text, self->table_text.data, len) == 0)
        return;
    buf_clear(&self->table_text);
    buf_add(&self->table_text, text, len);
    cJSON *json = json_parse(text, len, &err);

    if (!json)
        refuse_answer(self, line, err.text);
    for (int m = 0; m < self->setup.models; m++)
        read_rows(self, m, cJSON_GetObjectItemCaseSensitive(json, self->setup.model_names[m]));
    cJSON_Delete(json);
}

static void refresh(struct probed *self, double t)
{
    if (self->table_at >= 0 && t - self->table_at < strategy_probed_poll_s)
        return;
    size_t from = child_out(self->child)->len;
    struct buf *out = child_out(self->child);

    buf_printf(out, "{\"t\":%.6f,\"kind\":\"table\"", BEGIN_OF_TIME + t);
    end_line(self, out, from);
    read_table(self, child_ask(self->child));
    self->table_at = t;
}

static int by_order(const struct probed *self, int model, uint32_t tried)
{
    const struct row *rows = self->rows[model];

    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < self->rows_len[model]; i++)
            if (!(tried & 1u << rows[i].platform) && (pass == 1 || rows[i].weight > 0))
                return rows[i].platform;
    return -1;
}

static int by_weight(struct probed *self, int model, uint32_t tried)
{
    const struct row *rows = self->rows[model];
    double sum = 0;

    for (int i = 0; i < self->rows_len[model]; i++)
        if (!(tried & 1u << rows[i].platform))
            sum += rows[i].weight;
    double at = dice_uniform(&self->dice) * sum;

    for (int i = 0; i < self->rows_len[model] && sum > 0; i++) {
        if (tried & 1u << rows[i].platform || rows[i].weight <= 0)
            continue;
        at -= rows[i].weight;
        if (at < 0)
            return rows[i].platform;
    }
    return by_order(self, model, tried);
}

static int probed_choose(void *arg, double t, int model, uint32_t tried)
{
    struct probed *self = arg;

    refresh(self, t);
    /* What is not there yet counts as tried; what it was told of and is tried, was tried by this request. */
    bool retry = (tried & self->known) != 0;

    if (self->setup.first_only || (retry && !strategy_probed_spreads))
        return by_order(self, model, tried);
    return by_weight(self, model, tried);
}

static int probed_first(void *arg, double t, int model)
{
    struct probed *self = arg;

    refresh(self, t);
    return self->rows_len[model] > 0 ? self->rows[model][0].platform : -1;
}

const struct strategy strategy_probed = {
    .name = "probed",
    .about = "clients that follow the table of `probed replay`, read each second",
    .make = probed_make,
    .free = probed_free,
    .price = probed_price,
    .observe = probed_observe,
    .choose = probed_choose,
    .first = probed_first,
};
