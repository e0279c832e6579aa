/* What the daemon said into the state, and what keys wish for into questions.
 *
 * Answers may come late: an explanation that nobody waits for any more and events asked for before the connection was lost are thrown away.
 */
#include "routectl/top.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routectl/explain.h"
#include "routectl/fetch.h"
#include "routectl/fields.h"
#include "routectl/figures.h"
#include "shared/alloc.h"

/* --- tables and the link ---------------------------------------------------------------------------------------------- */

static void take_table(struct top *top, struct table *table)
{
    top_trails_see(&top->trails, table, top->view.now);
    top_events_see(&top->events, top->table, table, top->view.now);
    if (top->table != top->held)
        table_unref(top->table);
    top->table = table;
    if (!top->held) {
        top->view.table = table;
        top_view_collect(&top->view);
    }
}

static void take_link(struct top *top, const struct top_mail *mail)
{
    struct top_link *link = &top->view.link;

    if (mail->connected && !link->connected && top->was_connected) {
        /* It may be another daemon: its events are numbered anew. */
        top->events.told = false;
        top->events.after = -1;
        top_data_events_after(top->data, -1);
    }
    if (!mail->connected && (link->connected || !link->lost_at))
        link->lost_at = top->view.now;
    if (mail->connected)
        top->was_connected = true;
    link->connected = mail->connected;
    link->lease = mail->lease > 0 ? mail->lease : link->lease;
    link->retry_at = mail->retry_at;
    text_copy(link->why, sizeof link->why, mail->why, strlen(mail->why));
}

/* --- answers ---------------------------------------------------------------------------------------------------------- */

/* step: s; a point's time is where its step begins. */
static void take_series(struct top *top, const cJSON *series, double step, double until)
{
    struct top_point points[TOP_TRAIL_TOLD_MAX];
    const char *platform = json_string(series, "platform"), *model = json_string(series, "model");
    const cJSON *point;
    size_t len = 0;

    if (!platform || !model)
        return;
    cJSON_ArrayForEach(point, json_at(series, "points"))
    {
        double t = field_number(point, "t"), value = field_number(point, "value");
        if (len < TOP_TRAIL_TOLD_MAX && isfinite(t) && isfinite(value))
            points[len++] = (struct top_point){.t = fmin(t + step / 2, until), .value = value};
    }
    top_trails_tell(&top->trails, platform, model, points, len, until);
}

static void take_history(struct top *top, const struct top_answer *answer)
{
    double step = field_number(answer->json, "step_s");
    const cJSON *series;

    if (answer->status != 200)
        return;
    cJSON_ArrayForEach(series, json_at(answer->json, "series"))
        take_series(top, series, isfinite(step) ? step : 0, (double)answer->until / 1e6);
}

static void take_events(struct top *top, const struct top_answer *answer)
{
    bool follows = strstr(answer->target, "after=") != NULL;

    top->events.asked = top->events.asked || answer->error == 0;
    if (answer->status != 200 || (follows && !top->events.told))
        return;
    top_events_tell(&top->events, answer->json);
    top_data_events_after(top->data, top->events.after);
}

/* A refusal as a sentence. */
static void refusal(char *ret, size_t size, const struct top_answer *answer)
{
    const char *detail = json_string(answer->json, "detail"), *title = json_string(answer->json, "title");
    const char *words = detail && detail[0] ? detail : title;

    if (answer->error != 0)
        snprintf(ret, size, "The daemon could not be asked: %s", answer->why);
    else if (words)
        snprintf(ret, size, "Refused: %s%s", words, answer->status == 403 ? ". The roles in probed.yaml(5) say who may do this" : "");
    else
        snprintf(ret, size, "Refused, with HTTP status %d", answer->status);
}

void top_explain_again(struct top *top)
{
    if (!top->explained || top->view.mode != TOP_EXPLAIN)
        return;
    struct writer *w = writer_new(
        &(struct writer_setup){.form = WRITER_TEXT, .colour = true, .columns = top->terminal.columns > 20 ? top->terminal.columns : 20});
    explain_write(top->explained, w);
    free(top->view.pane.text);
    top->view.pane.text = writer_take(w);
    writer_free(w);
}

static void take_explain(struct top *top, struct top_answer *answer)
{
    char words[ERR_TEXT_MAX + 128];

    if (!top->explain_target || strcmp(top->explain_target, answer->target) != 0 || top->view.mode != TOP_EXPLAIN)
        return;
    cJSON_Delete(top->explained);
    top->explained = NULL;
    if (answer->error == 0 && answer->status == 200 && answer->json) {
        top->explained = answer->json;
        answer->json = NULL;
        top_explain_again(top);
        return;
    }
    refusal(words, sizeof words, answer);
    free(top->view.pane.text);
    struct buf safe CLEANUP(buf_done) = BUF_INIT;
    text_escape_terminal(&safe, words, strlen(words), sizeof words);
    top->view.pane.text = buf_take(&safe);
}

static void take_override(struct top *top, const struct top_answer *answer)
{
    static const char *const done[] = {[TOP_DRAIN] = "drained", [TOP_PIN] = "pinned", [TOP_ENABLE] = "enabled"};
    const struct top_confirm *asked = &top->override;
    char words[ERR_TEXT_MAX + 64], span[32] = "";
    usec_t expires = field_time(answer->json, "expires_at");

    if (answer->error != 0 || answer->status < 200 || answer->status >= 300) {
        refusal(words, sizeof words, answer);
        top_view_say(&top->view, STYLE_BAD, "%s", words);
        return;
    }
    if (expires > 0)
        figure_span(span, sizeof span, expires - top->view.now + USEC_PER_SEC / 2);
    top_view_say(&top->view, STYLE_GOOD, "%s%s%s is %s%s%s.", asked->platform, asked->whole ? "" : "/", asked->whole ? "" : asked->model,
                 done[asked->action],
                 span[0]                       ? " for "
                 : asked->action == TOP_ENABLE ? ""
                                               : " until it is taken back (u)",
                 span);
}

static void take_answer(struct top *top, struct top_answer *answer)
{
    switch (answer->kind) {
    case TOP_ASKED_STATUS:
        if (answer->status == 200 && answer->json)
            top_status_read(&top->status, answer->json);
        break;
    case TOP_ASKED_EVENTS:
        take_events(top, answer);
        break;
    case TOP_ASKED_HISTORY:
        if (answer->error == 0)
            take_history(top, answer);
        break;
    case TOP_ASKED_EXPLAIN:
        take_explain(top, answer);
        break;
    case TOP_ASKED_OVERRIDE:
        take_override(top, answer);
        break;
    }
}

void top_receive(struct top *top)
{
    struct top_mail mail;

    top->view.now = fetch_now();
    top_data_take(top->data, &mail);
    if (mail.told)
        take_link(top, &mail);
    if (mail.table)
        take_table(top, mail.table);
    for (struct top_answer *answer = mail.answers; answer; answer = top_answer_free(answer))
        take_answer(top, answer);
    top->dirty = true;
}

/* --- wishes ----------------------------------------------------------------------------------------------------------- */

static void ask_explain(struct top *top)
{
    struct buf target CLEANUP(buf_done) = BUF_INIT;
    const struct table *table = top->view.table;

    buf_add_str(&target, "/v1/explain");
    fetch_query(&target, "platform", top->view.pane.platform);
    fetch_query(&target, "model", top->view.pane.model);
    fetch_query(&target, "policy", table && table->len > 0 ? table->policies[0].name : NULL);
    if (!top->explain_target || strcmp(top->explain_target, buf_str(&target)) != 0) {
        cJSON_Delete(top->explained);
        top->explained = NULL;
    }
    free(top->explain_target);
    top->explain_target = buf_take(&target);
    top_data_ask(top->data, TOP_ASKED_EXPLAIN, top->explain_target, NULL);
}

static void ask_override(struct top *top)
{
    cJSON *body CLEANUP(json_deletep) = json_new_object();
    const struct top_confirm *confirm = &top->view.confirm;
    usec_t lasting = top_lasting[confirm->lasting];

    top->override = *confirm;
    json_add_string(body, "action", top_action_name(confirm->action));
    json_add_string(body, "platform", confirm->platform);
    json_add_string(body, "model", confirm->whole ? NULL : confirm->model);
    if (lasting > 0)
        json_add_number(body, "for_s", (double)lasting / (double)USEC_PER_SEC);
    else
        json_add_null(body, "for_s");
    json_add_string(body, "reason", confirm->reason.text);
    top_data_ask(top->data, TOP_ASKED_OVERRIDE, "/v1/override", body);
    top_view_say(&top->view, STYLE_DIM, "asking ...");
}

/* Live again: the newest table. */
static void go_on(struct top *top)
{
    top->view.paused_at = 0;
    if (top->held && top->held != top->table)
        table_unref(top->held);
    top->held = NULL;
    top->view.table = top->table;
    top_view_collect(&top->view);
}

void top_fulfil(struct top *top, const struct top_wish *wish)
{
    if (wish->redraw)
        top->whole = true;
    if (wish->pause && top->view.paused_at > 0)
        top->held = top->table;
    else if (wish->pause || wish->select)
        go_on(top);
    if (wish->select)
        top_data_select(top->data, top->view.policy, top->view.model);
    if (wish->span)
        top_trails_forget_told(&top->trails);
    if (wish->explain)
        ask_explain(top);
    if (wish->override)
        ask_override(top);
}
