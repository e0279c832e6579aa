/* What explain says of a route beyond its loss: each of these has a verb of its own with the details (prices, capabilities, honesty). */
#include "routectl/explain_trust.h"

#include <math.h>
#include <string.h>

#include "routectl/amounts.h"
#include "routectl/fields.h"
#include "routectl/figures.h"
#include "routectl/prices_row.h"

void explain_write_charges(const cJSON *json, struct writer *w, usec_t now)
{
    const cJSON *verified = json_at(json, "price_facts.verified"), *inflation = json_at(json, "price_facts.inflation");
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    double ratio = field_number(verified, "ratio");

    if (json_string(verified, "state")) {
        struct cell cell = prices_verified(verified);
        prices_add_verified(&text, verified, (double)now / 1e6);
        writer_fact(w, "verified", NULL, cell_string(json_string(verified, "state")));
        writer_fact(w, "verified_ratio", NULL, amount_number(ratio, 2));
        writer_fact(w, NULL, "charged", cell_styled(cell_string(buf_str(&text)), cell.style));
    }
    const char *state = json_string(inflation, "state");
    if (!state)
        return;
    buf_clear(&text);
    prices_add_inflation(&text, inflation);
    writer_fact(w, "inflation", NULL, cell_string(state));
    writer_fact(w, "inflation_ratio", NULL, amount_number(field_number(inflation, "ratio"), 2));
    writer_fact(w, NULL, "tokens",
                cell_styled(cell_string(buf_str(&text)), strcmp(state, "inflated") == 0            ? STYLE_WARN
                                                         : strcmp(state, "insufficient_data") == 0 ? STYLE_DIM
                                                                                                   : STYLE_PLAIN));
}

/* For people one line of what was tried: "stream yes, tools no, vision no though declared". */
void explain_write_capabilities(const cJSON *json, struct writer *w, usec_t now)
{
    static const struct column columns[] = {
        {.key = "capability"}, {.key = "state"}, {.key = "declared"}, {.key = "at"}, {.key = "evidence"}};
    const cJSON *item, *list = json_at(json, "capabilities");
    struct buf text CLEANUP(buf_done) = BUF_INIT;
    bool refuted = false;

    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) == 0)
        return;
    if (writer_form(w) != WRITER_TEXT)
        writer_table(w, "capabilities", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(item, list)
    {
        const char *state = field_words(item, "state");
        bool declared = field_true(item, "declared"), no = strcmp(state, "no") == 0;
        refuted = refuted || (no && declared);
        if (strcmp(state, "untested") != 0)
            buf_printf(&text, "%s%s %s%s", text.len > 0 ? ", " : "", field_words(item, "capability"), state,
                       no && declared ? " though declared" : "");
        if (writer_form(w) != WRITER_TEXT)
            writer_row(w, (struct cell[]){cell_string(json_string(item, "capability")), cell_string(json_string(item, "state")),
                                          cell_bool(declared), amount_when(item, "at", (double)now / 1e6),
                                          cell_string(json_string(item, "evidence"))});
    }
    writer_table_end(w);
    writer_fact(w, NULL, "can do",
                text.len > 0 ? cell_styled(cell_string(buf_str(&text)), refuted ? STYLE_WARN : STYLE_PLAIN)
                             : cell_styled(cell_string("not tried out yet"), STYLE_DIM));
}

void explain_write_burst(const cJSON *json, struct writer *w)
{
    const cJSON *burst = json_at(json, "burst");
    double n = field_number(burst, "n"), failed = field_number(burst, "failed"), limited = field_number(burst, "limited");
    struct cell p50 = figure_msec(field_msec(burst, "ttft_p50_ms")), p95 = figure_msec(field_msec(burst, "ttft_p95_ms"));
    struct cell age = amount_age(field_number(burst, "age_s"));
    struct buf text CLEANUP(buf_done) = BUF_INIT;

    if (!(n > 0 && n < 1e6))
        return;
    buf_printf(&text, "%.0f at once", n);
    if (age.kind != CELL_UNKNOWN)
        buf_printf(&text, ", %s ago", age.shown);
    buf_printf(&text, ": %lld answered, %lld failed", (long long)field_count(burst, "ok"), (long long)field_count(burst, "failed"));
    if (limited > 0)
        buf_printf(&text, ", %lld told 429", (long long)field_count(burst, "limited"));
    if (p50.kind != CELL_UNKNOWN)
        buf_printf(&text, "; first token %s", p50.shown);
    if (p95.kind != CELL_UNKNOWN)
        buf_printf(&text, ", 95th percentile %s", p95.shown);
    if (field_words(burst, "why")[0])
        buf_printf(&text, " (%s)", field_words(burst, "why"));
    writer_fact(w, "burst_n", NULL, amount_number(n, 0));
    writer_fact(w, "burst_failed", NULL, amount_number(failed, 0));
    writer_fact(w, "burst_limited", NULL, amount_number(limited, 0));
    writer_fact(w, "burst_ttft_p95_ms", NULL, p95);
    writer_fact(w, NULL, "last burst", cell_styled(cell_string(buf_str(&text)), failed > 0 || limited > 0 ? STYLE_WARN : STYLE_PLAIN));
}

void explain_write_signals(const cJSON *json, struct writer *w, usec_t now)
{
    static const struct column columns[] = {{.key = "signal"}, {.key = "count"}, {.key = "of"},      {.key = "share"},
                                            {.key = "weighs"}, {.key = "at"},    {.key = "evidence"}};
    const cJSON *signal, *list = json_at(json, "honesty.signals");

    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) == 0)
        return;
    if (writer_form(w) != WRITER_TEXT)
        writer_table(w, "signals", columns, ARRAY_LEN(columns));
    cJSON_ArrayForEach(signal, list)
    {
        double count = field_number(signal, "count"), of = field_number(signal, "of");
        const char *evidence = json_string(signal, "evidence");
        struct cell at = amount_when(signal, "at", (double)now / 1e6);
        if (writer_form(w) != WRITER_TEXT)
            writer_row(w, (struct cell[]){cell_string(json_string(signal, "signal")), amount_number(count, 0), amount_number(of, 0),
                                          amount_number(field_number(signal, "share"), 4), cell_bool(field_true(signal, "weighs")), at,
                                          cell_string(evidence)});
        else if (count > 0)
            writer_note(w, STYLE_WARN, "Seen %.0f times in %.0f: %s%s%s%s%s%s%s.", fmin(count, 1e12), of >= 0 ? fmin(of, 1e12) : 0,
                        field_words(signal, "text")[0] ? field_words(signal, "text") : field_words(signal, "signal"),
                        evidence ? " (last: \"" : "", evidence ? evidence : "", evidence ? "\"" : "",
                        evidence && at.kind != CELL_UNKNOWN ? ", " : "", evidence && at.kind != CELL_UNKNOWN ? at.shown : "",
                        evidence ? at.kind != CELL_UNKNOWN ? " ago)" : ")" : "");
    }
    writer_table_end(w);
}
