/* Any bytes as an answer of /v1/routes: a table that keeps its promises, or a sentence. What was read, written and read again is the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shared/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool holds)
{
    if (!holds)
        abort();
}

static void print_table(const struct table *t, struct buf *ret)
{
    CLEANUP(json_deletep) cJSON *json = table_head_to_json(t, &t->policies[0]);
    cJSON *models = json_add_array(json, "models");
    for (size_t i = 0; i < t->policies[0].len; i++)
        cJSON_AddItemToArray(models, ranking_to_json(t->policies[0].rankings[i]));
    json_print(json, false, ret);
}

static void check_ranking(const struct ranking *r)
{
    unsigned slots = 0;
    for (size_t i = 0; i < r->len; i++) {
        insist(r->rows[i].facts && r->rows[i].facts->platform && strcmp(r->rows[i].facts->model, r->model) == 0);
        insist((unsigned)r->rows[i].state < ROUTE_STATE_COUNT && (unsigned)r->rows[i].reason < REASON_COUNT);
        slots += r->rows[i].slots;
    }
    insist(slots <= TABLE_SLOTS);
    insist((ranking_best(r) != NULL) == (slots > 0));
    for (unsigned slot = 0; slot < TABLE_SLOTS; slot++)
        insist((ranking_slot(r, slot) != NULL) == (slots > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {.text = ""};
    CLEANUP(json_deletep) cJSON *json = json_parse((const char *)data, size, &err);
    if (!json)
        return 0;
    struct table *t = table_from_json(json, &err);
    insist(t || err.text[0]);
    if (!t)
        return 0;
    const struct table_policy *policy = table_find_policy(t, NULL);
    insist(policy && table_find_policy(t, policy->name) == policy);
    for (size_t i = 0; i < policy->len; i++) {
        insist(table_policy_find(policy, policy->rankings[i]->model) == policy->rankings[i]);
        check_ranking(policy->rankings[i]);
    }
    CLEANUP(buf_done) struct buf first = BUF_INIT, second = BUF_INIT;
    print_table(t, &first);
    table_unref(t);

    CLEANUP(json_deletep) cJSON *again = json_parse(buf_str(&first), first.len, &err);
    t = table_from_json(again, &err);
    insist(t != NULL);
    print_table(t, &second);
    table_unref(t);
    insist(strcmp(buf_str(&first), buf_str(&second)) == 0);
    return 0;
}
