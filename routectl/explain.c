/* routectl explain PLATFORM/MODEL: why the route stands where it stands, in terms that sum to its loss exactly.
 *
 * What the relay said is shown as it said it, escaped. Where nothing is known it says so instead of a number. */
#include "routectl/explain.h"
#include "routectl/explain_trust.h"
#include "routectl/fetch.h"
#include "routectl/fields.h"
#include "routectl/figures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BAR_COLUMNS   16
#define OFF_REFERENCE 3.0 /* a price so many times the reference, or this part of it, is remarkable */

struct explained {
    const cJSON *json;
    struct writer *w;
    usec_t now;
    const char *currency;
};

static struct cell count_cell(double count)
{
    struct cell cell = {.kind = CELL_NUMBER, .number = count};
    return isfinite(count) ? cell_shown(cell, fabs(count - round(count)) < 0.05 ? "%.0f" : "%.1f", count) : cell_unknown();
}

static void write_place(struct explained *e)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    char span[32];
    const char *state = json_string(e->json, "state");
    usec_t since = field_time(e->json, "state_since");
    double slots = field_number(e->json, "slots"), rank = field_number(e->json, "rank");

    buf_printf(&text, "%s", state ? state : "?");
    if (since > 0)
        buf_printf(&text, " for %s", figure_span(span, sizeof span, e->now - since));
    buf_printf(&text, ": %s", field_words(e->json, "state_text"));
    if (field_words(e->json, "state_why")[0])
        buf_printf(&text, " (%s)", field_words(e->json, "state_why"));
    writer_fact(e->w, "state", NULL, cell_string(state));
    writer_fact(e->w, NULL, "state", cell_styled(cell_string(buf_str(&text)), figure_state_style(state)));

    writer_fact(e->w, "rank", NULL, isfinite(rank) ? cell_integer((int64_t)rank) : cell_unknown());
    writer_fact(e->w, "reason", NULL, cell_string(json_string(e->json, "reason")));
    buf_clear(&text);
    buf_printf(&text, isfinite(rank) ? "%.0f" : "unknown", rank);
    buf_printf(&text, ": %s", field_words(e->json, "reason_text"));
    if (field_words(e->json, "reason_why")[0])
        buf_printf(&text, " (%s)", field_words(e->json, "reason_why"));
    writer_fact(e->w, NULL, "rank", cell_string(buf_str(&text)));
    buf_clear(&text);
    if (isfinite(slots))
        buf_printf(&text, "%.0f of %d slots (%.1f%%)", slots, TABLE_SLOTS, slots * 100 / TABLE_SLOTS);
    if (field_number(e->json, "share_cap") < 1)
        buf_printf(&text, ", capped at %.1f%% after 429 answers", field_number(e->json, "share_cap") * 100);
    writer_fact(e->w, NULL, "share", cell_string(buf_str(&text)));
    writer_fact(e->w, "slots", NULL, isfinite(slots) ? cell_integer((int64_t)slots) : cell_unknown());
    buf_clear(&text);
    field_list(&text, json_at(e->json, "flags"));
    if (text.len > 0)
        writer_fact(e->w, "flags", "flags", cell_styled(cell_string(buf_str(&text)), STYLE_WARN));
}

/* The incumbent's lead and who is after it. */
static void write_contest(struct explained *e)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    const char *incumbent = json_string(e->json, "incumbent"), *challenger = json_string(e->json, "challenger");
    double evidence = field_number(e->json, "evidence"), needed = field_number(e->json, "evidence_needed");

    if (!incumbent)
        return;
    buf_printf(&text, "%s is first", incumbent);
    if (challenger && isfinite(evidence) && isfinite(needed))
        buf_printf(&text, "; %s challenges it with evidence %.2f of the %.2f that a change needs", challenger, evidence, needed);
    else if (challenger)
        buf_printf(&text, "; %s challenges it", challenger);
    else
        buf_add_str(&text, "; nobody challenges it");
    writer_fact(e->w, NULL, "contest", cell_string(buf_str(&text)));
}

/* Who fails when this one does. */
static void write_group(struct explained *e)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    const cJSON *partner, *group = json_at(e->json, "group");

    cJSON_ArrayForEach(partner, group)
    {
        const char *platform = json_string(partner, "platform");
        double together = field_number(partner, "together");
        if (platform && isfinite(together))
            buf_printf(&text, "%s%s (%.1f)", text.len > 0 ? ", " : "", platform, together);
    }
    if (text.len > 0)
        writer_fact(e->w, "group", "fails with", cell_styled(cell_string(buf_str(&text)), STYLE_WARN));
}

static void write_names(struct explained *e)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    char span[32];

    buf_printf(&text, "%s at %s (%s)", field_words(e->json, "upstream_model"), field_words(e->json, "endpoint"),
               field_words(e->json, "dialect"));
    writer_fact(e->w, NULL, "asked as", cell_string(buf_str(&text)));
    writer_fact(e->w, "endpoint", NULL, cell_string(json_string(e->json, "endpoint")));
    buf_clear(&text);
    buf_add_str(&text, field_words(e->json, "level"));
    if (field_words(e->json, "level_why")[0])
        buf_printf(&text, " (%s)", field_words(e->json, "level_why"));
    usec_t next = field_time(e->json, "next_probe_at");
    if (next > 0)
        buf_printf(&text, ", next %s %s", next > e->now ? "in" : "due since",
                   figure_span(span, sizeof span, next > e->now ? next - e->now : e->now - next));
    if (text.len > 0)
        writer_fact(e->w, NULL, "probed", cell_string(buf_str(&text)));
    if (json_string(e->json, "maintenance"))
        writer_fact(e->w, "maintenance", "maintenance", cell_styled(cell_string(json_string(e->json, "maintenance")), STYLE_WARN));
    const cJSON *override = json_at(e->json, "override");
    if (cJSON_IsObject(override)) {
        usec_t expires = field_time(override, "expires_at");
        buf_clear(&text);
        buf_printf(&text, "%s by %s", field_words(override, "action"), field_words(override, "by"));
        if (field_words(override, "reason")[0])
            buf_printf(&text, ": %s", field_words(override, "reason"));
        if (expires > 0)
            buf_printf(&text, " (ends in %s)", figure_span(span, sizeof span, expires - e->now));
        writer_fact(e->w, NULL, "override", cell_styled(cell_string(buf_str(&text)), STYLE_WARN));
    }
}

static void add_price(const struct explained *e, const cJSON *price, struct buf *ret)
{
    char in[64], out[64], call[64], span[32];
    double input = field_number(price, "input"), output = field_number(price, "output"), fee = field_number(price, "call");
    double off = field_number(e->json, "price_facts.off_reference");
    const char *state = field_words(e->json, "price_facts.state");

    if (isfinite(input) && isfinite(output))
        buf_printf(ret, "%s in, %s out a million tokens", figure_amount(in, sizeof in, input, e->currency),
                   figure_amount(out, sizeof out, output, e->currency));
    if (fee > 0)
        buf_printf(ret, "%s%s a call", ret->len > 0 ? ", " : "", figure_amount(call, sizeof call, fee, e->currency));
    if (ret->len == 0) {
        buf_add_str(ret, "not known: counted as twice the dearest known one");
        return;
    }
    if (field_words(price, "source")[0])
        buf_printf(ret, ", from %s", field_words(price, "source"));
    if (isfinite(field_number(price, "age_s")))
        buf_printf(ret, ", %s old", figure_span(span, sizeof span, (usec_t)(fmin(field_number(price, "age_s"), 1e10) * 1e6)));
    if (strcmp(state, "stale") == 0 || strcmp(state, "implausible") == 0)
        buf_printf(ret, ", %s", state);
    if (off > 0 && (strcmp(state, "implausible") == 0 || off > OFF_REFERENCE || off < 1.0 / OFF_REFERENCE))
        buf_printf(ret, ", %.3g times the reference price", off);
}

static void write_money(struct explained *e)
{
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    char sum[64];
    const cJSON *price = json_at(e->json, "price");
    const char *state = field_words(e->json, "price_facts.state");
    bool known = isfinite(field_number(price, "input")) || field_number(price, "call") > 0;

    add_price(e, price, &text);
    writer_fact(e->w, NULL, "price",
                cell_styled(cell_string(buf_str(&text)), known && (!state[0] || strcmp(state, "ok") == 0) ? STYLE_PLAIN : STYLE_WARN));
    writer_fact(e->w, "price_source", NULL, cell_string(json_string(price, "source")));
    explain_write_charges(e->json, e->w, e->now);
    buf_clear(&text);
    double spent = field_number(e->json, "budget.spent");
    if (isfinite(spent)) {
        buf_printf(&text, "%s spent on its probes in 24 hours", figure_amount(sum, sizeof sum, spent, e->currency));
        if (isfinite(field_number(e->json, "budget.expected")))
            buf_printf(&text, ", a probe costs about %s",
                       figure_amount(sum, sizeof sum, field_number(e->json, "budget.expected"), e->currency));
        if (isfinite(field_number(e->json, "budget.reserve")))
            buf_printf(&text, " and reserves %s", figure_amount(sum, sizeof sum, field_number(e->json, "budget.reserve"), e->currency));
        writer_fact(e->w, NULL, "budget", cell_string(buf_str(&text)));
    }
}

static void write_terms(struct explained *e)
{
    static const struct column columns[] = {
        {.key = "term", .title = "TERM"},
        {.key = "nano", .title = "NANO-FAILURES", .right = true},
        {.title = "", .drop = 2},
        {.key = "window", .title = "WINDOW", .drop = 4},
        {.key = "samples", .title = "N", .right = true, .drop = 1},
        {.key = "age_s", .title = "AGE", .right = true, .drop = 3},
        {.key = "how", .title = "HOW", .wrap = true},
    };
    const cJSON *term, *terms = json_at(e->json, "terms");
    int64_t total = 0, sum = 0, nano;
    char digits[40];
    bool told = json_int(e->json, "loss_nano", &total);
    double largest = 1;

    cJSON_ArrayForEach(term, terms)
    {
        if (json_int(term, "nano", &nano) && fabs((double)nano) > largest)
            largest = fabs((double)nano);
    }
    writer_heading(e->w, "Expected loss of one request%s%s", field_words(e->json, "retry_on")[0] ? ", a retry going to " : "",
                   field_words(e->json, "retry_on"));
    writer_table(e->w, "terms", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(term, terms)
    {
        struct buf bar CLEANUP(buf_done) = BUF_INIT;
        if (!json_int(term, "nano", &nano) || __builtin_add_overflow(sum, nano, &sum))
            continue;
        figure_bar(&bar, (double)nano / largest, BAR_COLUMNS);
        writer_row(e->w, (struct cell[]){cell_string(json_string(term, "term")),
                                         cell_shown(cell_integer(nano), "%s", figure_thousands(digits, sizeof digits, nano)),
                                         cell_string(buf_str(&bar)), cell_string(json_string(term, "window")),
                                         count_cell(field_number(term, "samples")), figure_seconds(field_number(term, "age_s")),
                                         cell_string(json_string(term, "how"))});
    }
    struct buf how CLEANUP(buf_done) = BUF_INIT;
    char score[32] = "?";
    if (isfinite(field_number(e->json, "score")))
        snprintf(score, sizeof score, "%.3f", field_number(e->json, "score"));
    buf_printf(&how, "%.9f failed requests; score %s", (double)sum * 1e-9, score);
    writer_row(e->w,
               (struct cell[]){cell_styled(cell_string("sum"), STYLE_BOLD),
                               cell_styled(cell_shown(cell_integer(sum), "%s", figure_thousands(digits, sizeof digits, sum)), STYLE_BOLD),
                               cell_string(""), cell_shown(cell_unknown(), " "), cell_shown(cell_unknown(), " "),
                               cell_shown(cell_unknown(), " "), cell_string(buf_str(&how))});
    writer_table_end(e->w);
    if (told && total != sum)
        writer_note(e->w, STYLE_BAD, "The terms do not add up to the loss that probed gives, %s: please report it.",
                    figure_thousands(digits, sizeof digits, total));
}

static void write_windows(struct explained *e)
{
    static const struct column windows[] = {
        {.key = "window", .title = "WINDOW"},
        {.key = "ok", .title = "OK", .right = true},
        {.key = "failed", .title = "FAILED", .right = true},
        {.key = "estimate", .title = "AVAILABILITY", .right = true},
        {.key = "low", .title = "AT LEAST", .right = true},
    };
    static const struct column segments[] = {
        {.key = "segment", .title = "SEGMENT"},
        {.key = "samples", .title = "N", .right = true},
        {.key = "mean_ms", .title = "MEAN", .right = true},
        {.key = "p50_ms", .title = "P50", .right = true},
        {.key = "p90_ms", .title = "P90", .right = true},
        {.key = "p95_ms", .title = "P95", .right = true},
    };
    const cJSON *item;

    writer_heading(e->w, "Availability");
    writer_table(e->w, "windows", windows, ARRAY_LEN(windows));
    cJSON_ArrayForEach(item, json_at(e->json, "windows"))
        writer_row(e->w, (struct cell[]){cell_string(json_string(item, "window")), count_cell(field_number(item, "ok")),
                                         count_cell(field_number(item, "failed")), figure_ratio(field_number(item, "estimate")),
                                         figure_ratio(field_number(item, "low"))});
    writer_table_end(e->w);
    writer_heading(e->w, "Where the time goes");
    writer_table(e->w, "segments", segments, ARRAY_LEN(segments));
    cJSON_ArrayForEach(item, json_at(e->json, "segments"))
        writer_row(e->w, (struct cell[]){cell_string(json_string(item, "segment")), count_cell(field_number(item, "samples")),
                                         figure_msec(field_msec(item, "mean_ms")), figure_msec(field_msec(item, "p50_ms")),
                                         figure_msec(field_msec(item, "p90_ms")), figure_msec(field_msec(item, "p95_ms"))});
    writer_table_end(e->w);
    double waste = field_number(e->json, "waste_s");
    if (waste > 0)
        writer_note(e->w, STYLE_DIM, "A failure here wastes %.1f s before it is known to be one.", waste);
}

static struct cell slower_cell(double slower)
{
    struct cell cell = {.kind = CELL_NUMBER, .number = slower};

    return isfinite(slower) ? cell_shown(cell, "%.2f", 1 + slower) : cell_unknown();
}

/* Only where it was seen under more than one request. */
static void write_load(struct explained *e)
{
    static const struct column columns[] = {
        {.key = "in_flight", .title = "IN FLIGHT"},
        {.key = "ok", .title = "OK", .right = true},
        {.key = "failed", .title = "FAILED", .right = true},
        {.key = "limited", .title = "429", .right = true},
        {.key = "fails", .title = "ADDS FAILURES", .right = true},
        {.key = "slower", .title = "TTFT TIMES", .right = true},
        {.key = "refused", .title = "REFUSED", .right = true},
    };
    const cJSON *item, *load = json_at(e->json, "load");
    bool one = cJSON_GetArraySize(load) == 1 && strcmp(field_words(cJSON_GetArrayItem(load, 0), "in_flight"), "1") == 0;

    if (cJSON_GetArraySize(load) == 0 || one)
        return;
    writer_heading(e->w, "Under load");
    writer_table(e->w, "load", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(item, load)
        writer_row(e->w, (struct cell[]){cell_string(json_string(item, "in_flight")), count_cell(field_number(item, "ok")),
                                         count_cell(field_number(item, "failed")), count_cell(field_number(item, "limited")),
                                         figure_ratio(field_number(item, "fails")), slower_cell(field_number(item, "slower")),
                                         figure_ratio(field_number(item, "refused"))});
    writer_table_end(e->w);
    double concurrency = field_number(e->json, "concurrency");
    if (concurrency > 0)
        writer_note(e->w, STYLE_DIM, "The policy asks for the value at %.0f in flight.", concurrency);
}

/* What named reporters told and what was not believed. */
static void write_reports(struct explained *e)
{
    double fast = field_number(e->json, "reports.over_rate"), alone = field_number(e->json, "reports.unconfirmed");
    double against = field_number(e->json, "reports.contradicted");

    if (!(fast + alone + against > 0))
        return;
    writer_heading(e->w, "Reports that did not count");
    if (fast > 0)
        writer_note(e->w, STYLE_DIM, "%.0f came faster than one reporter may tell.", fast);
    if (alone > 0)
        writer_note(e->w, STYLE_WARN, "%.0f failures were seen by one reporter alone, and not by the probes.", alone);
    if (against > 0)
        writer_note(e->w, STYLE_WARN, "%.0f successes were told by one reporter alone, while the probes failed.", against);
    if (field_words(e->json, "reports.last_by")[0])
        writer_note(e->w, STYLE_DIM, "The last was told by %s.", field_words(e->json, "reports.last_by"));
}

/* What happened, in one cell: the sentence, then the relay's own words and what else was noticed. */
static void add_event(struct buf *ret, const cJSON *last)
{
    double status = field_number(last, "status");
    const char *outcome = field_words(last, "outcome");
    bool ok = strcmp(outcome, "ok") == 0;

    if (!ok) {
        buf_add_str(ret, field_words(last, "outcome_text"));
        if (field_words(last, "stage")[0])
            buf_printf(ret, ", at %s", field_words(last, "stage"));
    }
    if (!ok && status > 0)
        buf_printf(ret, ", HTTP %.0f", status);
    if (field_words(last, "detail")[0])
        buf_printf(ret, "%s\"%s\"", ret->len > 0 ? ": " : "", field_words(last, "detail"));
    const cJSON *flags = json_at(last, "flags");
    if (cJSON_GetArraySize(flags) > 0) {
        struct buf list CLEANUP(buf_done) = BUF_INIT;
        field_list(&list, flags);
        buf_printf(ret, "%s[%s]", ret->len > 0 ? " " : "", buf_str(&list));
    }
}

static const char *told_by(const cJSON *last)
{
    const char *reporter = json_string(last, "reporter");

    return reporter ? reporter : json_string(last, "source");
}

static void write_last(struct explained *e)
{
    static const struct column columns[] = {
        {.key = "at", .title = "AGO", .right = true},
        {.key = "probe", .title = "PROBE"},
        {.key = "by"},
        {.key = "outcome", .title = "OUTCOME"},
        {.key = "fault", .title = "FAULT"},
        {.key = "ttft_ms", .title = "TTFT", .right = true},
        {.key = "total_ms", .title = "TOTAL", .right = true, .drop = 1},
        {.key = "tokens_per_s", .title = "TOK/S", .right = true, .drop = 2},
        {.key = "stage"},
        {.key = "status"},
        {.key = "detail"},
        {.title = "WHAT HAPPENED", .wrap = true},
    };
    const cJSON *last, *list = json_at(e->json, "last");

    writer_heading(e->w, "Last observations");
    if (cJSON_GetArraySize(list) == 0)
        writer_note(e->w, STYLE_DIM, "None yet.");
    writer_table(e->w, "last", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(last, list)
    {
        struct buf event CLEANUP(buf_done) = BUF_INIT;
        const char *outcome = json_string(last, "outcome"), *fault = json_string(last, "fault");
        double status = field_number(last, "status"), speed = field_number(last, "tokens_per_s");
        bool ok = outcome && strcmp(outcome, "ok") == 0;
        bool theirs = fault && strcmp(fault, "relay") == 0;
        add_event(&event, last);
        writer_row(e->w, (struct cell[]){
                             figure_age(field_time(last, "at"), e->now),
                             cell_string(json_string(last, "probe")),
                             cell_string(told_by(last)),
                             cell_styled(cell_string(outcome), ok       ? STYLE_GOOD
                                                               : theirs ? STYLE_BAD
                                                                        : STYLE_WARN),
                             cell_string(fault),
                             figure_msec(field_msec(last, "ttft_ms")),
                             figure_msec(field_msec(last, "total_ms")),
                             speed > 0 ? count_cell(round(speed)) : cell_unknown(),
                             cell_string(json_string(last, "stage")),
                             isfinite(status) ? cell_integer((int64_t)status) : cell_unknown(),
                             cell_string(json_string(last, "detail")),
                             cell_string(buf_str(&event)),
                         });
    }
    writer_table_end(e->w);
}

static void write_rest(struct explained *e)
{
    const cJSON *item, *would = json_at(e->json, "counterfactual");
    double penalty = field_number(e->json, "flap.penalty"), suppress = field_number(e->json, "flap.suppress");
    bool signals = cJSON_GetArraySize(json_at(e->json, "honesty.signals")) > 0;
    double passed = field_number(e->json, "honesty.challenges_passed"), failed = field_number(e->json, "honesty.challenges_failed");
    double differs = field_number(e->json, "honesty.model_differs"), bursts = field_number(e->json, "honesty.bursts");

    if (isfinite(passed) && isfinite(failed)) {
        writer_heading(e->w, "Honesty and stability");
        if (passed + failed > 0)
            writer_note(e->w, failed > passed ? STYLE_WARN : STYLE_PLAIN, "Challenges: %.0f passed, %.0f failed.", passed, failed);
        else
            writer_note(e->w, STYLE_DIM, "No challenge has been answered yet.");
        if (differs > 0 && !signals)
            writer_note(e->w, STYLE_WARN, "Another model's name came back %.0f times.", differs);
        if (bursts > 0)
            writer_note(e->w, STYLE_WARN, "%.0f streams came in one burst: their first-token times are not counted.", bursts);
        explain_write_signals(e->json, e->w, e->now);
        if (penalty > 0)
            writer_note(e->w, penalty >= suppress ? STYLE_WARN : STYLE_DIM,
                        "Flapping: penalty %.0f, suppressed from %.0f on, taken back below %.0f.", penalty, suppress,
                        field_number(e->json, "flap.reuse"));
    }
    if (cJSON_GetArraySize(would) > 0)
        writer_heading(e->w, "What would change it");
    cJSON_ArrayForEach(item, would) writer_note(e->w, STYLE_PLAIN, "%s", cJSON_IsString(item) ? item->valuestring : "?");
}

void explain_write(const cJSON *json, struct writer *w)
{
    struct explained e = {.json = json, .w = w, .now = fetch_now(), .currency = json_string(json, "currency")};
    const char *title = json_string(json, "title");

    writer_heading(w, "%s/%s%s%s  policy %s", field_words(e.json, "platform"), field_words(e.json, "model"), title ? "  " : "",
                   title ? title : "", field_words(e.json, "policy"));
    write_place(&e);
    write_contest(&e);
    write_group(&e);
    write_names(&e);
    write_money(&e);
    explain_write_capabilities(e.json, w, e.now);
    explain_write_burst(e.json, w);
    write_terms(&e);
    write_windows(&e);
    write_load(&e);
    write_last(&e);
    write_reports(&e);
    write_rest(&e);
}

enum exit_code verb_explain(const struct command *command, struct writer *w)
{
    struct fetched answer CLEANUP(fetched_done) = FETCHED_INIT;
    struct buf target CLEANUP(buf_done) = BUF_INIT;
    struct target route;

    if (!target_parse(&route, command->args[0], true))
        return EXIT_USAGE;
    buf_add_str(&target, "/v1/explain");
    fetch_query(&target, "platform", route.platform);
    fetch_query(&target, "model", route.model);
    fetch_query(&target, "policy", command->policy);
    enum exit_code code = fetch(command, buf_str(&target), &answer);
    if (code != EXIT_OK)
        return code;
    writer_document(w, answer.json);
    writer_tagged(w);
    explain_write(answer.json, w);
    return fetch_verdict(&answer, EXIT_OK);
}
