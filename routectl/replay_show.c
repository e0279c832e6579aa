/* What a replay has found: estimates of both configurations side by side, who was first for how long, the last changes, and what was left
 * out.
 *
 * Policies and models are matched by their names; what only one configuration has stands there with "-" for the other. Policies keep the
 * order of the configurations, models are sorted. A difference is coloured only if it is one: more than a rounding, and with evidence
 * enough on both sides. */
#include "routectl/replay_show.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "routectl/figures.h"
#include "routectl/moment.h"
#include "shared/alloc.h"

/* Differences below are none: of the larger one; and for failures, in parts of all requests. */
#define SAME_PART   0.01
#define SAME_FAILED 0.0002
/* Text shows the last changes of at most so many rankings. */
#define CHANGES_SHOWN 8

struct match { /* one model of a policy, as each side has followed it */
    const char *policy, *model;
    size_t order; /* of the policy */
    const struct replay_followed *side[REPLAY_SIDES];
};

struct showing {
    const struct replay_run *run;
    struct writer *w;
    struct match *matches;
    size_t len;
    const char *grouped; /* policy of the last row; NULL = a new table */
    size_t worth, weak;  /* of the matches: how many, and of those with too little evidence */
};

/* --- matching --------------------------------------------------------------------------------------------------------- */

static size_t order_of(const struct showing *s, const char *policy)
{
    for (size_t i = 0; i < s->len; i++)
        if (strcmp(s->matches[i].policy, policy) == 0)
            return s->matches[i].order;
    return s->len;
}

static int compare_matches(const void *a, const void *b)
{
    const struct match *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    int model = strcmp(x->model, y->model);
    return model;
}

static int compare_names(const void *a, const void *b)
{
    const struct match *x = a, *y = b;
    int policy = strcmp(x->policy, y->policy);
    return policy ? policy : strcmp(x->model, y->model);
}

static void match_all(struct showing *s)
{
    const struct replay_side *old = &s->run->sides[0], *new = s->run->sides_len > 1 ? &s->run->sides[1] : NULL;
    s->matches = alloc_zero(old->followed_len + (new ? new->followed_len : 0) + 1, sizeof *s->matches);
    for (size_t i = 0; i < old->followed_len; i++) {
        const struct replay_followed *f = &old->followed[i];
        size_t order = order_of(s, f->policy);
        s->matches[s->len++] = (struct match){.policy = f->policy, .model = f->model, .order = order, .side = {f, NULL}};
    }
    size_t both = s->len;
    struct match *names CLEANUP(alloc_freep) = alloc_zero(both + 1, sizeof *names);
    for (size_t i = 0; i < both; i++) {
        names[i] = s->matches[i];
        names[i].order = i;
    }
    qsort(names, both, sizeof *names, compare_names);
    for (size_t i = 0; new &&i < new->followed_len; i++) {
        const struct replay_followed *f = &new->followed[i];
        struct match key = {.policy = f->policy, .model = f->model, .side = {NULL, f}};
        const struct match *found = both > 0 ? bsearch(&key, names, both, sizeof *names, compare_names) : NULL;
        if (found) {
            s->matches[found->order].side[1] = f;
            continue;
        }
        key.order = order_of(s, f->policy);
        s->matches[s->len++] = key;
    }
    qsort(s->matches, s->len, sizeof *s->matches, compare_matches);
}

/* --- cells ------------------------------------------------------------------------------------------------------------ */

static struct cell number_cell(double value)
{
    return isfinite(value) ? (struct cell){.kind = CELL_NUMBER, .number = value} : cell_unknown();
}

/* Never rounded down: a failure in a million requests is one. */
static struct cell failed_cell(double ratio)
{
    struct cell cell = number_cell(ratio);
    if (!isfinite(ratio))
        return cell;
    if (ratio <= 0)
        return cell_shown(cell, "0");
    double percent = ceil(ratio * 10000 - 1e-9) / 100;
    return cell_shown(cell, percent < 10 ? "%.2f%%" : "%.1f%%", percent);
}

static struct cell span_cell(double us)
{
    return isfinite(us) ? figure_msec(llround(us)) : cell_unknown();
}

static struct cell cost_cell(double pico, const char *currency)
{
    return isfinite(pico) && fabs(pico) < 9e18 ? figure_money(llround(pico), currency) : cell_unknown();
}

/* Less is better, everywhere here. */
static enum style verdict(double old, double new, double same, bool enough)
{
    if (!enough || !isfinite(old) || !isfinite(new) || fabs(new - old) <= same || fabs(new - old) <= SAME_PART * fmax(fabs(old), fabs(new)))
        return STYLE_PLAIN;
    return new < old ? STYLE_GOOD : STYLE_BAD;
}

static struct cell seen_cell(const struct follow_estimate *e, bool known)
{
    char thousands[32];
    if (!known)
        return cell_unknown();
    struct cell cell = cell_integer((int64_t)e->sightings);
    figure_thousands(thousands, sizeof thousands, (int64_t)e->sightings);
    if (e->enough)
        return cell_shown(cell, "%s", thousands);
    return cell_styled(e->sightings < FOLLOW_SIGHTINGS_ENOUGH ? cell_shown(cell, "too few: %s", thousands)
                                                              : cell_shown(cell, "too rare: %s", thousands),
                       STYLE_WARN);
}

/* Each row of a match; a policy without rows is not named. */
static void row(struct showing *s, const struct match *match, const struct cell *cells)
{
    if (!s->grouped || strcmp(s->grouped, match->policy) != 0)
        writer_group(s->w, "policy", match->policy, NULL, STYLE_DIM);
    s->grouped = match->policy;
    writer_row(s->w, cells);
}

static void begin_table(struct showing *s, const char *key, const struct column *columns, size_t columns_len)
{
    s->grouped = NULL;
    writer_table(s->w, key, columns, columns_len);
}

/* --- the estimates ---------------------------------------------------------------------------------------------------- */

enum {
    COL_MODEL,
    COL_CHANGES,
    COL_FIRST_FAILED = COL_CHANGES + 2,
    COL_FAILED = COL_FIRST_FAILED + 2,
    COL_MEAN = COL_FAILED + 2,
    COL_P50 = COL_MEAN + 2,
    COL_P95 = COL_P50 + 2,
    COL_COST = COL_P95 + 2,
    COL_SEEN = COL_COST + 2,
    COL_KNOWN = COL_SEEN + 2,
    COL_UNROUTED = COL_KNOWN + 2,
    COL_ENOUGH = COL_UNROUTED + 2,
    COL_COUNT
};

/* The new one's column stands behind the old one's. */
static const struct column all_columns[COL_COUNT] = {
    [COL_MODEL] = {.key = "model", .title = "MODEL", .least = 10},
    [COL_CHANGES] = {.key = "changes_old", .title = "CHANGES", .right = true, .drop = 2},
    [COL_CHANGES + 1] = {.key = "changes_new", .title = "->", .right = true, .drop = 2},
    [COL_FIRST_FAILED] = {.key = "failed_first_old", .title = "FAIL", .right = true},
    [COL_FIRST_FAILED + 1] = {.key = "failed_first_new", .title = "->", .right = true},
    [COL_FAILED] = {.key = "failed_old", .title = "TWICE", .right = true, .drop = 1},
    [COL_FAILED + 1] = {.key = "failed_new", .title = "->", .right = true, .drop = 1},
    [COL_MEAN] = {.key = "ttft_mean_ms_old", .title = "MEAN", .right = true, .drop = 4},
    [COL_MEAN + 1] = {.key = "ttft_mean_ms_new", .title = "->", .right = true, .drop = 4},
    [COL_P50] = {.key = "ttft_p50_ms_old", .title = "TTFT", .right = true},
    [COL_P50 + 1] = {.key = "ttft_p50_ms_new", .title = "->", .right = true},
    [COL_P95] = {.key = "ttft_p95_ms_old", .title = "P95", .right = true, .drop = 3},
    [COL_P95 + 1] = {.key = "ttft_p95_ms_new", .title = "->", .right = true, .drop = 3},
    [COL_COST] = {.key = "cost_old", .title = "COST", .right = true},
    [COL_COST + 1] = {.key = "cost_new", .title = "->", .right = true},
    [COL_SEEN] = {.key = "sightings_old", .title = "SEEN", .right = true, .drop = 5},
    [COL_SEEN + 1] = {.key = "sightings_new", .title = "->", .right = true, .drop = 5},
    [COL_KNOWN] = {.key = "known_old"},
    [COL_KNOWN + 1] = {.key = "known_new"},
    [COL_UNROUTED] = {.key = "unrouted_old"},
    [COL_UNROUTED + 1] = {.key = "unrouted_new"},
    [COL_ENOUGH] = {.key = "enough", .title = ""},
};

static void fill_side(struct cell *cells, const struct replay_run *run, size_t side, const struct follow_estimate *e, bool known)
{
    cells[COL_CHANGES + side] = known ? cell_integer((int64_t)e->changes) : cell_unknown();
    cells[COL_FIRST_FAILED + side] = failed_cell(e->failed_first);
    cells[COL_FAILED + side] = failed_cell(e->failed);
    cells[COL_MEAN + side] = span_cell(e->ttft_mean);
    cells[COL_P50 + side] = span_cell(e->ttft_p50);
    cells[COL_P95 + side] = span_cell(e->ttft_p95);
    cells[COL_COST + side] = cost_cell(e->cost, run->sides[side].currency);
    cells[COL_SEEN + side] = seen_cell(e, known);
    cells[COL_KNOWN + side] = number_cell(e->known);
    cells[COL_UNROUTED + side] = number_cell(e->unrouted);
}

static bool same_currency(const struct replay_run *run)
{
    return run->sides_len < 2 || strcmp(run->sides[0].currency, run->sides[1].currency) == 0;
}

static void colour(struct cell *cells, const struct replay_run *run, const struct follow_estimate *old, const struct follow_estimate *new)
{
    bool enough = old->enough && new->enough;
    const struct {
        int column;
        double old, new, same;
    } pairs[] = {
        {COL_CHANGES, (double)old->changes, (double)new->changes, 0},
        {COL_FIRST_FAILED, old->failed_first, new->failed_first, SAME_FAILED},
        {COL_FAILED, old->failed, new->failed, SAME_FAILED},
        {COL_MEAN, old->ttft_mean, new->ttft_mean, 0},
        {COL_P50, old->ttft_p50, new->ttft_p50, 0},
        {COL_P95, old->ttft_p95, new->ttft_p95, 0},
        {COL_COST, old->cost, same_currency(run) ? new->cost : NAN, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        cells[pairs[i].column + 1].style = verdict(pairs[i].old, pairs[i].new, pairs[i].same, enough);
}

static void write_match(struct showing *s, const struct match *match)
{
    struct follow_estimate e[REPLAY_SIDES] = {{.known = NAN}, {.known = NAN}};
    struct cell cells[COL_COUNT] = {0};
    bool enough = true;
    for (size_t i = 0; i < REPLAY_SIDES; i++) {
        bool known = match->side[i] != NULL;
        if (known)
            follow_estimate(match->side[i]->follow, &e[i]);
        else
            e[i] = (struct follow_estimate){NAN, NAN, NAN, 0, true, NAN, NAN, NAN, NAN, NAN, NAN, 0, {{0}}, 0};
        enough = enough && e[i].enough;
        fill_side(cells, s->run, i, &e[i], known);
    }
    cells[COL_MODEL] = cell_string(match->model);
    const char *why = e[0].unrouted >= 1 || e[1].unrouted >= 1 ? "no usable route" : enough ? " " : "too little";
    cells[COL_ENOUGH] = cell_styled(cell_shown(cell_bool(enough), "%s", why), why[0] == ' ' ? STYLE_PLAIN : STYLE_WARN);
    s->worth++;
    s->weak += !enough;
    if (match->side[0] && match->side[1])
        colour(cells, s->run, &e[0], &e[1]);
    if (!enough)
        for (int c = COL_CHANGES; c < COL_SEEN; c++)
            cells[c].style = STYLE_DIM;
    row(s, match, cells);
}

static void write_estimates(struct showing *s)
{
    struct column columns[COL_COUNT];
    memcpy(columns, all_columns, sizeof columns);
    for (int c = COL_CHANGES + 1; c < COL_ENOUGH; c += 2)
        columns[c].title = s->run->sides_len > 1 ? columns[c].title : NULL;
    writer_heading(s->w, s->run->sides_len > 1 ? "Estimates: the old configuration -> the new one" : "Estimates");
    begin_table(s, "estimates", columns, COL_COUNT);
    for (size_t i = 0; i < s->len; i++) {
        write_match(s, &s->matches[i]);
    }
    writer_table_end(s->w);
}

/* --- who was first ---------------------------------------------------------------------------------------------------- */

struct firsts {
    const struct sightings *sightings;
    size_t side, len, size;
    struct first {
        const char *platform;
        double part[REPLAY_SIDES]; /* NAN = that side has no such ranking */
    } * list;
    double other; /* what a platform is given that the side never had first */
};

/* No platform has an empty name. */
static const char *name_of(const char *platform)
{
    return platform ? platform : "";
}

/* platform NULL: nobody was. */
static void add_first(struct firsts *firsts, const char *platform, double part)
{
    size_t i = 0;
    while (i < firsts->len && strcmp(name_of(firsts->list[i].platform), name_of(platform)) != 0)
        i++;
    if (i == firsts->size) {
        firsts->size = firsts->size ? 2 * firsts->size : 8;
        firsts->list = alloc_resize(firsts->list, firsts->size, sizeof *firsts->list);
    }
    if (i == firsts->len)
        firsts->list[firsts->len++] = (struct first){.platform = platform, .part = {firsts->side == 0 ? 0 : firsts->other, 0}};
    firsts->list[i].part[firsts->side] = part;
}

static void take_first(void *arg, int route, double part)
{
    struct firsts *firsts = arg;
    add_first(firsts, sightings_platform(firsts->sightings, route), part);
}

static struct cell part_cell(double part)
{
    struct cell cell = number_cell(part);
    if (!isfinite(part))
        return cell;
    if (part <= 0)
        return cell_styled(cell_shown(cell, "0%%"), STYLE_DIM);
    return cell_shown(cell, part < 0.001 ? "<0.1%%" : part < 0.9995 ? "%.1f%%" : "%.0f%%", part * 100);
}

static void write_firsts(struct showing *s, const struct match *match)
{
    struct firsts firsts = {.sightings = s->run->sightings, .other = match->side[0] ? 0 : NAN};
    for (size_t i = 0; i < REPLAY_SIDES; i++) {
        struct follow_estimate e;
        firsts.side = i;
        if (!match->side[i])
            continue;
        follow_each_first(match->side[i]->follow, s->run->sightings, take_first, &firsts);
        follow_estimate(match->side[i]->follow, &e);
        if (e.unrouted > 0)
            add_first(&firsts, NULL, e.unrouted);
    }
    for (size_t i = 0; i < firsts.len; i++) {
        const struct first *first = &firsts.list[i];
        double new = match->side[1] ? first->part[1] : NAN, change = new - first->part[0];
        struct cell changed = cell_shown(number_cell(change), fabs(change) < 0.0005 ? "same" : "%+.1f", change * 100);
        row(s, match,
            (struct cell[]){cell_string(match->model),
                            first->platform ? cell_string(first->platform) : cell_shown(cell_unknown(), "nobody"),
                            part_cell(first->part[0]), part_cell(new), isfinite(change) ? changed : cell_unknown()});
    }
    free(firsts.list);
}

static void write_all_firsts(struct showing *s)
{
    bool both = s->run->sides_len > 1;
    struct column columns[] = {
        {.key = "model", .title = "MODEL", .least = 10},
        {.key = "platform", .title = "PLATFORM", .least = 10},
        {.key = "first_old", .title = both ? "OLD" : "FIRST", .right = true},
        {.key = "first_new", .title = both ? "NEW" : NULL, .right = true},
        {.key = "first_change", .title = both ? "±" : NULL, .right = true},
    };
    writer_heading(s->w, "First, part of the time");
    begin_table(s, "first", columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < s->len; i++) {
        write_firsts(s, &s->matches[i]);
    }
    writer_table_end(s->w);
}

/* --- the last changes ------------------------------------------------------------------------------------------------- */

static struct cell time_cell(usec_t at)
{
    char time[40];
    return cell_shown(number_cell((double)(at / 1000) / 1000), "%s", moment_format(time, sizeof time, at));
}

static void write_changes(struct showing *s, const struct match *match)
{
    static const char *const names[REPLAY_SIDES] = {"old", "new"};
    struct follow_estimate e[REPLAY_SIDES] = {0};
    size_t at[REPLAY_SIDES] = {0};
    for (size_t i = 0; i < REPLAY_SIDES; i++)
        if (match->side[i])
            follow_estimate(match->side[i]->follow, &e[i]);
    while (at[0] < e[0].last_len || at[1] < e[1].last_len) {
        size_t i = at[0] >= e[0].last_len || (at[1] < e[1].last_len && e[1].last[at[1]].at < e[0].last[at[0]].at);
        const struct follow_change *change = &e[i].last[at[i]++];
        row(s, match,
            (struct cell[]){time_cell(change->at), cell_string(match->model), cell_string(names[i]),
                            cell_string(sightings_platform(s->run->sightings, change->from)),
                            cell_string(sightings_platform(s->run->sightings, change->to))});
    }
}

static void write_all_changes(struct showing *s)
{
    static const struct column columns[] = {
        {.key = "at", .title = "TIME"},
        {.key = "model", .title = "MODEL", .least = 10},
        {.key = "side", .title = "UNDER"},
        {.key = "from", .title = "FIRST BEFORE", .least = 10},
        {.key = "to", .title = "FIRST AFTER", .least = 10},
    };
    if (writer_form(s->w) == WRITER_TEXT && s->len > CHANGES_SHOWN) {
        writer_note(s->w, STYLE_DIM, "The last changes of the first place are shown with --policy, and in --json and --tsv.");
        return;
    }
    writer_heading(s->w, "The last changes of the first place");
    begin_table(s, "changes", columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < s->len; i++) {
        write_changes(s, &s->matches[i]);
    }
    writer_table_end(s->w);
}

/* --- head and foot ---------------------------------------------------------------------------------------------------- */

static struct cell count_cell(uint64_t count)
{
    char thousands[32];
    return cell_shown(cell_integer((int64_t)count), "%s", figure_thousands(thousands, sizeof thousands, (int64_t)count));
}

static void write_head(struct showing *s)
{
    const struct replay_run *run = s->run;
    char every[32];
    writer_tagged(s->w);
    writer_heading(s->w, "The history again, under %s", run->sides_len > 1 ? "two configurations" : "its configuration");
    writer_fact(s->w, "since", "from", time_cell(run->judged_from));
    writer_fact(s->w, "until", "to", time_cell(run->judged_until));
    writer_fact(s->w, "old", run->sides_len > 1 ? "old" : "configuration", cell_string(run->sides[0].config));
    writer_fact(s->w, "new", run->sides_len > 1 ? "new" : NULL, cell_string(run->sides_len > 1 ? run->sides[1].config : NULL));
    writer_fact(s->w, "records", "records", count_cell(run->records));
    writer_fact(s->w, "sightings", "of requests", count_cell(run->sighted));
    writer_fact(s->w, "tables", "tables", count_cell(run->tables));
    writer_fact(
        s->w, "every_s", "one every",
        cell_shown(number_cell((double)run->setup->every / 1e6), "%s", units_format_duration(every, sizeof every, run->setup->every)));
    writer_fact(s->w, "currency_old", NULL, cell_string(run->sides[0].currency));
    writer_fact(s->w, "currency_new", NULL, cell_string(run->sides_len > 1 ? run->sides[1].currency : NULL));
    writer_fact(s->w, "left_out_old", NULL, cell_integer((int64_t)run->sides[0].child.left_out));
    writer_fact(s->w, "left_out_new", NULL, run->sides_len > 1 ? cell_integer((int64_t)run->sides[1].child.left_out) : cell_unknown());
    writer_fact(s->w, "bad_old", NULL, cell_integer((int64_t)run->sides[0].child.bad));
    writer_fact(s->w, "bad_new", NULL, run->sides_len > 1 ? cell_integer((int64_t)run->sides[1].child.bad) : cell_unknown());
    writer_fact(s->w, "moved", NULL, cell_integer((int64_t)run->moved));
    writer_fact(s->w, "gaps_s", NULL, number_cell((double)run->gaps / 1e6));
}

static void write_left_out(struct showing *s)
{
    char thousands[32];
    for (size_t i = 0; i < s->run->sides_len; i++) {
        const struct replay_side *side = &s->run->sides[i];
        if (side->child.left_out > 0)
            writer_note(s->w, STYLE_WARN, "%s records are of platforms or models that %s does not have: left out there.",
                        figure_thousands(thousands, sizeof thousands, (int64_t)side->child.left_out), side->config);
        if (side->child.bad > 0)
            writer_note(s->w, STYLE_WARN, "%s records were refused under %s. The first: %s",
                        figure_thousands(thousands, sizeof thousands, (int64_t)side->child.bad), side->config, side->child.why);
    }
}

static void write_foot(struct showing *s)
{
    const struct replay_run *run = s->run;
    char thousands[32], span[32];
    write_left_out(s);
    if (run->moved > 0)
        writer_note(s->w, STYLE_WARN,
                    "%s records stand before an earlier one, as if the clock had been set back: taken at the time of that one.",
                    figure_thousands(thousands, sizeof thousands, (int64_t)run->moved));
    if (run->gaps > 0)
        writer_note(s->w, STYLE_WARN, "For %s in all there are no records: not judged.", figure_span(span, sizeof span, run->gaps));
    if (s->weak > 0)
        writer_note(s->w, STYLE_WARN,
                    "%zu of %zu rows have too little evidence: fewer than %d requests seen, or less than half of the time.", s->weak,
                    s->worth, FOLLOW_SIGHTINGS_ENOUGH);
    if (!same_currency(run))
        writer_note(s->w, STYLE_WARN, "The configurations count in different currencies: costs are not compared.");
    writer_note(
        s->w, STYLE_DIM,
        "FAIL: first tries that fail; TWICE: requests that fail after one retry as well. Each table is judged by what was seen next of the "
        "routes that it names, at the load of that time: a table that moves the load would have changed that.");
}

void replay_show(const struct replay_run *run, struct writer *w)
{
    struct showing s = {.run = run, .w = w};
    match_all(&s);
    write_head(&s);
    write_estimates(&s);
    write_all_firsts(&s);
    write_all_changes(&s);
    write_foot(&s);
    free(s.matches);
}
