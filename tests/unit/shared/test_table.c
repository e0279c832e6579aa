/* table: counted objects, slots and look-ups, and a JSON form that says the same both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/table.h"
#include "tests/unit/shared/test_random.h"

static void names(void **state)
{
    (void)state;
    for (int i = 0; i < ROUTE_STATE_COUNT; i++) {
        assert_int_equal(route_state_from_name(route_state_name((enum route_state)i)), i);
        assert_true(strlen(route_state_text((enum route_state)i)) > 3);
    }
    for (int i = 0; i < REASON_COUNT; i++) {
        assert_int_equal(route_reason_from_name(route_reason_name((enum route_reason)i)), i);
        assert_true(strlen(route_reason_text((enum route_reason)i)) > 3);
    }
    assert_true(route_reason_eligible(REASON_PANIC));
    assert_false(route_reason_eligible(REASON_DRAINED));
    assert_int_equal(route_state_from_name("UP"), -1);
    assert_int_equal(route_state_from_name(NULL), -1);
    assert_int_equal(route_reason_from_name(""), -1);
    assert_string_equal(route_state_name((enum route_state)99), "unknown");
    assert_string_equal(route_reason_text((enum route_reason) - 1), "unknown");
    assert_false(route_reason_eligible((enum route_reason)99));
}

static struct table_facts *some_facts(const char *platform, const char *model)
{
    char p[64], m[64], endpoint[64] = "https://example.invalid/v1", dialect[16] = "openai", level[8] = "chat",
                       title[32] = "\xE7\xA1\x85\xE5\x9F\xBA \"x\"";
    snprintf(p, sizeof(p), "%s", platform);
    snprintf(m, sizeof(m), "%s", model);
    const struct table_facts from = {
        .platform = p, .title = title, .model = m, .upstream_model = m, .endpoint = endpoint, .dialect = dialect, .level = level};
    return table_facts_new(&from);
}

static void facts_are_copied_and_counted(void **state)
{
    (void)state;
    struct table_facts *facts = some_facts("a", "m");
    assert_null(facts->key_env);
    assert_string_equal(facts->platform, "a");
    struct ranking *one = ranking_new("m", 2), *two = ranking_new("m", 1);
    one->rows[0].facts = table_facts_ref(facts);
    two->rows[0].facts = table_facts_ref(facts);
    assert_int_equal(facts->refs, 3);
    table_facts_unref(facts);
    ranking_unref(one); /* its second row has no facts */
    assert_int_equal(facts->refs, 1);
    assert_ptr_equal(ranking_ref(two), two);
    ranking_unref(two);
    assert_string_equal(two->rows[0].facts->model, "m");
    ranking_unref(two);
    ranking_unref(NULL);
    table_facts_unref(NULL);
    table_unref(NULL);
}

static void slots_follow_the_ranks(void **state)
{
    (void)state;
    struct ranking *r = ranking_new("m", 4);
    assert_null(ranking_slot(r, 0));
    assert_null(ranking_best(r));
    r->rows[0].slots = 100;
    r->rows[2].slots = 156;
    assert_ptr_equal(ranking_slot(r, 0), &r->rows[0]);
    assert_ptr_equal(ranking_slot(r, 99), &r->rows[0]);
    assert_ptr_equal(ranking_slot(r, 100), &r->rows[2]);
    assert_ptr_equal(ranking_slot(r, 255), &r->rows[2]);
    assert_ptr_equal(ranking_best(r), &r->rows[2]);
    r->rows[0].slots = 156;
    r->rows[2].slots = 100;
    assert_ptr_equal(ranking_best(r), &r->rows[0]);
    r->rows[0].slots = r->rows[2].slots = 128;
    assert_ptr_equal(ranking_best(r), &r->rows[0]);
    ranking_unref(r);

    for (int round = 0; round < 2000; round++) {
        size_t len = 1 + test_random_below(300);
        r = ranking_new("m", len);
        for (unsigned left = TABLE_SLOTS; left > 0;) {
            uint16_t n = (uint16_t)(1 + test_random_below(left));
            size_t at = test_random_below(len);
            r->rows[at].slots = (uint16_t)(r->rows[at].slots + n);
            left -= n;
        }
        unsigned owned[300] = {0};
        const struct table_row *last = r->rows;
        for (unsigned slot = 0; slot < TABLE_SLOTS; slot++) {
            const struct table_row *row = ranking_slot(r, slot);
            assert_true(row >= last);
            last = row;
            owned[row - r->rows]++;
        }
        for (size_t i = 0; i < len; i++)
            assert_int_equal(owned[i], r->rows[i].slots);
        ranking_unref(r);
    }
}

static usec_t maybe(usec_t value, usec_t unknown)
{
    return test_random_below(4) ? value : unknown;
}

static void random_row(struct table_row *row, const char *model, uint32_t rank, uint16_t slots)
{
    char platform[32];
    snprintf(platform, sizeof(platform), "p%u", (unsigned)test_random_below(1000));
    *row = (struct table_row){
        .facts = some_facts(platform, model),
        .rank = rank,
        .slots = slots,
        .state = (enum route_state)test_random_below(ROUTE_STATE_COUNT),
        .reason = (enum route_reason)test_random_below(REASON_COUNT),
        .flags = (uint16_t)test_random_below(256),
        .loss_nano = (int64_t)(test_random() % 1000000000000000 >> test_random_below(49)) * (test_random_below(20) ? 1 : -1),
        .score = (double)test_random_below(1u << 30) / (1u << 30),
        .availability = test_random_below(4) ? (double)(test_random() >> 11) * 0x1p-53 : NAN,
        .availability_low = test_random_below(4) ? (double)(test_random() >> 11) * 0x1p-53 : NAN,
        .ttft_p50 = maybe((usec_t)test_random_below(600000000), -1),
        .ttft_p95 = maybe((usec_t)test_random_below(600000000), -1),
        .total_p50 = maybe((usec_t)test_random_below(600000000), -1),
        .tokens_per_s = test_random_below(4) ? (double)(1 + test_random_below(100000)) / 3 : 0,
        .price_input = maybe((int64_t)test_random_below(1000000000000000), -1),
        .price_output = maybe((int64_t)test_random_below(1000000000000000), -1),
        .price_call = maybe((int64_t)test_random_below(1000000000000000), -1),
        .cost_pico = maybe((int64_t)test_random_below(1000000000000000), -1),
        .samples = (uint32_t)test_random(),
        .sampled_at = maybe((usec_t)(1700000000000 + (int64_t)test_random_below(1000000000000)) * 1000, 0),
        .stale_at = maybe((usec_t)(1700000000000 + (int64_t)test_random_below(1000000000000)) * 1000, 0),
        .expires_at = maybe((usec_t)(1700000000000 + (int64_t)test_random_below(1000000000000)) * 1000, 0),
    };
}

static struct table *random_table(void)
{
    struct table *t = alloc_zero(1, sizeof(*t));
    t->refs = 1;
    t->epoch = test_random() >> 11;
    t->generation = test_random() >> (11 + test_random_below(50));
    t->published_at = 1795491737250000;
    t->flags = (uint8_t)test_random_below(4);
    snprintf(t->currency, sizeof(t->currency), "CNY");
    t->vantage = alloc_string("here");
    t->len = 1;
    t->policies = alloc_zero(1, sizeof(*t->policies));
    struct table_policy *policy = &t->policies[0];
    policy->name = alloc_string("production");
    policy->about = alloc_string("");
    policy->len = test_random_below(6);
    policy->rankings = alloc_zero(policy->len, sizeof(*policy->rankings));
    for (size_t i = 0; i < policy->len; i++) {
        char model[32];
        snprintf(model, sizeof(model), "model-%zu", i);
        struct ranking *r = ranking_new(model, test_random_below(8));
        r->flags = (uint8_t)test_random_below(8);
        unsigned left = TABLE_SLOTS;
        for (size_t j = 0; j < r->len; j++) {
            uint16_t slots = (uint16_t)test_random_below(left + 1);
            left -= slots;
            random_row(&r->rows[j], model, (uint32_t)(j + 1), slots);
        }
        policy->rankings[i] = r;
    }
    return t;
}

/* The whole answer as serve joins it: head and rankings printed apart. */
static void print_table(const struct table *t, struct buf *ret)
{
    cJSON *head = table_head_to_json(t, &t->policies[0]);
    json_print(head, false, ret);
    cJSON_Delete(head);
    ret->data[--ret->len] = '\0';
    buf_add_str(ret, ",\"models\":[");
    for (size_t i = 0; i < t->policies[0].len; i++) {
        cJSON *ranking = ranking_to_json(t->policies[0].rankings[i]);
        if (i)
            buf_add_char(ret, ',');
        json_print(ranking, false, ret);
        cJSON_Delete(ranking);
    }
    buf_add_str(ret, "]}\n");
}

static struct table *read_table(const char *text, struct err *err)
{
    CLEANUP(json_deletep) cJSON *json = json_parse(text, strlen(text), err);
    return json ? table_from_json(json, err) : NULL;
}

static bool same_double(double a, double b)
{
    return (isnan(a) && isnan(b)) || a == b;
}

static bool same_row(const struct table_row *a, const struct table_row *b)
{
    return strcmp(a->facts->platform, b->facts->platform) == 0 && strcmp(a->facts->title, b->facts->title) == 0 &&
           strcmp(a->facts->model, b->facts->model) == 0 && strcmp(a->facts->upstream_model, b->facts->upstream_model) == 0 &&
           strcmp(a->facts->endpoint, b->facts->endpoint) == 0 && strcmp(a->facts->dialect, b->facts->dialect) == 0 &&
           strcmp(a->facts->level, b->facts->level) == 0 && a->rank == b->rank && a->slots == b->slots && a->state == b->state &&
           a->reason == b->reason && a->flags == b->flags && a->loss_nano == b->loss_nano && a->score == b->score &&
           same_double(a->availability, b->availability) && same_double(a->availability_low, b->availability_low) &&
           a->ttft_p50 == b->ttft_p50 && a->ttft_p95 == b->ttft_p95 && a->total_p50 == b->total_p50 && a->tokens_per_s == b->tokens_per_s &&
           a->price_input == b->price_input && a->price_output == b->price_output && a->price_call == b->price_call &&
           a->cost_pico == b->cost_pico && a->samples == b->samples && a->sampled_at == b->sampled_at && a->stale_at == b->stale_at &&
           a->expires_at == b->expires_at;
}

static void tables_round_trip(void **state)
{
    (void)state;
    for (int round = 0; round < 3000; round++) {
        struct table *t = random_table();
        struct buf text = BUF_INIT, again = BUF_INIT;
        print_table(t, &text);
        struct err err = {.text = ""};
        struct table *back = read_table(buf_str(&text), &err);
        if (!back)
            fail_msg("%s: %s", err.text, buf_str(&text));
        assert_true(back->epoch == t->epoch && back->generation == t->generation && back->published_at == t->published_at &&
                    back->flags == t->flags);
        assert_string_equal(back->currency, t->currency);
        const struct table_policy *policy = table_find_policy(back, "production");
        assert_ptr_equal(policy, table_find_policy(back, NULL));
        assert_null(table_find_policy(back, "other"));
        assert_int_equal(policy->len, t->policies[0].len);
        for (size_t i = 0; i < policy->len; i++) {
            const struct ranking *from = t->policies[0].rankings[i], *to = table_policy_find(policy, from->model);
            assert_non_null(to);
            assert_int_equal(to->flags, from->flags);
            assert_int_equal(to->len, from->len);
            for (size_t j = 0; j < to->len; j++)
                if (!same_row(&from->rows[j], &to->rows[j]))
                    fail_msg("row %zu of %s: %s", j, from->model, buf_str(&text));
        }
        assert_null(table_policy_find(policy, "model-99"));
        assert_null(table_policy_find(policy, ""));
        print_table(back, &again);
        assert_string_equal(buf_str(&again), buf_str(&text));
        buf_done(&text);
        buf_done(&again);
        assert_ptr_equal(table_ref(t), t);
        table_unref(t);
        table_unref(t);
        table_unref(back);
    }
}

static void what_is_unknown_is_null(void **state)
{
    (void)state;
    struct ranking *r = ranking_new("m", 1);
    struct table_row *row = &r->rows[0];
    row->rank = 1;
    row->availability = row->availability_low = NAN;
    row->ttft_p50 = row->ttft_p95 = row->total_p50 = -1;
    row->price_input = row->price_output = row->price_call = row->cost_pico = -1;
    struct buf text = BUF_INIT;
    cJSON *json = ranking_to_json(r);
    json_print(json, false, &text);
    assert_string_equal(
        buf_str(&text),
        "{\"model\":\"m\",\"flags\":[],\"routes\":[{\"platform\":null,\"title\":null,\"upstream_model\":null,\"endpoint\":null,\"dialect\":"
        "null,"
        "\"level\":null,\"rank\":1,\"slots\":0,\"weight\":0,\"state\":\"up\",\"reason\":\"first\",\"flags\":[],\"score\":0,\"loss\":0,"
        "\"availability\":null,\"availability_low\":null,\"ttft_ms\":null,\"ttft_p95_ms\":null,\"total_ms\":null,\"tokens_per_s\":null,"
        "\"price\":null,\"cost\":null,\"samples\":0,\"sampled_at\":null,\"stale_at\":null,\"expires_at\":null}]}");
    cJSON_Delete(json);
    buf_clear(&text);
    row->slots = 64;
    row->price_input = 150000;
    row->price_call = 0;
    row->cost_pico = 330000000;
    row->ttft_p50 = 412250;
    row->loss_nano = 12345678;
    row->sampled_at = 1795491737250000;
    row->flags = ROW_PROVISIONAL | ROW_STANDBY;
    json = ranking_to_json(r);
    json_print(json, false, &text);
    static const char *const has[] = {"\"weight\":0.25",
                                      "\"price\":{\"input\":0.15,\"output\":null,\"call\":0}",
                                      "\"cost\":0.00033",
                                      "\"ttft_ms\":412.25",
                                      "\"loss\":0.012345678",
                                      "\"sampled_at\":1795491737.25",
                                      "\"flags\":[\"provisional\",\"standby\"]"};
    for (size_t i = 0; i < ARRAY_LEN(has); i++)
        if (!strstr(buf_str(&text), has[i]))
            fail_msg("%s is not in %s", has[i], buf_str(&text));
    cJSON_Delete(json);
    buf_done(&text);
    ranking_unref(r);
}

#define HEAD                                                                                                                               \
    "{\"epoch\":1,\"generation\":2,\"published_at\":3.5,\"policy\":\"p\",\"currency\":\"USD\",\"flags\":[\"local\",\"unheard_of\",7],"
#define ROW(rank, slots, state)                                                                                                            \
    "{\"platform\":\"a\",\"rank\":" rank ",\"slots\":" slots ",\"state\":\"" state "\",\"reason\":\"first\",\"samples\":1}"

static void strangers_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why; /* NULL = good */
    } cases[] = {
        {HEAD "\"models\":[]}", NULL},
        {HEAD "\"models\":[{\"model\":\"m\",\"routes\":[" ROW("1", "256", "up") "," ROW("2", "0", "down") "]}]}", NULL},
        {HEAD "\"models\":[{\"model\":\"b\",\"routes\":[]},{\"model\":\"a\",\"routes\":[]}]}", NULL},
        {HEAD "\"models\":[{\"model\":\"a\",\"routes\":[]},{\"model\":\"a\",\"routes\":[]}]}", "twice"},
        {HEAD "\"models\":{}}", "models"},
        {HEAD "\"x\":0}", "models"},
        {HEAD "\"models\":[7]}", "model"},
        {HEAD "\"models\":[{\"model\":\"m\"}]}", "routes"},
        {HEAD "\"models\":[{\"model\":\"m\",\"routes\":[7]}]}", "platform"},
        {HEAD "\"models\":[{\"model\":\"m\",\"routes\":[" ROW("1", "257", "up") "]}]}", "slots"},
        {HEAD "\"models\":[{\"model\":\"m\",\"routes\":[" ROW("1", "-1", "up") "]}]}", "slots"},
        {HEAD "\"models\":[{\"model\":\"m\",\"routes\":[" ROW("1", "1.5", "up") "]}]}", "slots"},
        {HEAD "\"models\":[{\"model\":\"m\",\"routes\":[" ROW("0", "1", "up") "]}]}", "rank"},
        {HEAD "\"models\":[{\"model\":\"m\",\"routes\":[" ROW("1e99", "1", "up") "]}]}", "rank"},
        {HEAD "\"models\":[{\"model\":\"m\",\"routes\":[" ROW("1", "1", "great") "]}]}", "state"},
        {HEAD "\"models\":[{\"model\":\"m\",\"routes\":[" ROW("2", "1", "up") "," ROW("1", "1", "up") "]}]}", "order"},
        {HEAD "\"models\":[{\"model\":\"m\",\"routes\":[" ROW("1", "1", "up") "," ROW("1", "1", "up") "]}]}", "order"},
        {HEAD "\"models\":[{\"model\":\"m\",\"routes\":[" ROW("1", "200", "up") "," ROW("2", "57", "up") "]}]}", "256 slots"},
        {"{\"epoch\":-1,\"generation\":2,\"policy\":\"p\",\"currency\":\"USD\",\"models\":[]}", "epoch"},
        {"{\"epoch\":1,\"generation\":\"2\",\"policy\":\"p\",\"currency\":\"USD\",\"models\":[]}", "generation"},
        {"{\"epoch\":1,\"generation\":2,\"currency\":\"USD\",\"models\":[]}", "policy"},
        {"{\"epoch\":1,\"generation\":2,\"policy\":\"p\",\"currency\":\"DUBLOONS\",\"models\":[]}", "currency"},
        {"[]", "epoch"},
        {"null", "epoch"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {.text = ""};
        struct table *t = read_table(cases[i].text, &err);
        if ((t != NULL) != (cases[i].why == NULL) || (cases[i].why && !strstr(err.text, cases[i].why)))
            fail_msg("%s: %s", cases[i].text, err.text);
        table_unref(t);
    }
    assert_null(table_from_json(NULL, NULL));
    struct table *t = read_table(cases[2].text, NULL);
    assert_int_equal(t->flags, TABLE_LOCAL);
    assert_string_equal(t->policies[0].rankings[0]->model, "a");
    assert_true(t->published_at == 3500000);
    table_unref(t);
}

static void rows_are_capped(void **state)
{
    (void)state;
    for (int models = 1; models <= 2; models++) {
        struct buf text = BUF_INIT;
        buf_add_str(&text, HEAD "\"models\":[");
        for (int m = 0; m < models; m++) {
            buf_printf(&text, "%s{\"model\":\"m%d\",\"routes\":[", m ? "," : "", m);
            int rows = models == 1 ? 65537 : 40000;
            for (int i = 0; i < rows; i++)
                buf_printf(&text, "%s{\"platform\":\"a\",\"rank\":%d,\"slots\":0,\"state\":\"up\",\"reason\":\"first\",\"samples\":0}",
                           i ? "," : "", i + 1);
            buf_add_str(&text, "]}");
        }
        buf_add_str(&text, "]}");
        struct err err = {.text = ""};
        assert_null(read_table(buf_str(&text), &err));
        assert_non_null(strstr(err.text, "65536 rows"));
        buf_done(&text);
    }
}

/* A good table with one thing broken at random is read or refused, never worse. */
static void broken_tables(void **state)
{
    (void)state;
    for (int round = 0; round < 3000; round++) {
        struct table *t = random_table();
        struct buf text = BUF_INIT;
        print_table(t, &text);
        table_unref(t);
        for (unsigned i = (unsigned)test_random_below(4); i < 4; i++)
            text.data[test_random_below(text.len)] = "0123456789\"{}[],:-en"[test_random_below(20)];
        struct err err = {.text = ""};
        t = read_table(buf_str(&text), &err);
        assert_true(t || err.text[0]);
        if (t) {
            struct buf again = BUF_INIT;
            print_table(t, &again);
            buf_done(&again);
        }
        table_unref(t);
        buf_done(&text);
    }
}

int main(void)
{
    test_random_begin("test_table");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(facts_are_copied_and_counted),
        cmocka_unit_test(slots_follow_the_ranks),
        cmocka_unit_test(tables_round_trip),
        cmocka_unit_test(what_is_unknown_is_null),
        cmocka_unit_test(strangers_are_checked),
        cmocka_unit_test(rows_are_capped),
        cmocka_unit_test(broken_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
