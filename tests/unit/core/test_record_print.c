/* Random records, written and read: every value comes back, and every line is JSON. */
#include "tests/unit/core/field.h"

#include "probed/core/record_words.h"
#include "shared/json.h"

static int64_t below(uint64_t *random, int64_t n)
{
    return (int64_t)(field_random(random) * (double)n);
}

static usec_t random_span(uint64_t *random, usec_t least)
{
    switch (below(random, 4)) {
    case 0:
        return least;
    case 1:
        return 1 + below(random, 1000);
    case 2:
        return 1 + below(random, 1000000000000);
    default:
        return 1 + below(random, 20 * SEC);
    }
}

static void random_text(uint64_t *random, char *to, size_t size)
{
    static const char *const pieces[] = {"a", "/", "-4o", "\"", "\\", "\n", "\x01", "\x7f", "é", "平台", "😀", " ", "{", "\t"};
    size_t len = 0;

    to[0] = '\0';
    for (int64_t n = below(random, 12); n >= 0; n--) {
        const char *piece = pieces[below(random, ARRAY_LEN(pieces))];

        if (len + strlen(piece) >= size)
            return;
        len += (size_t)sprintf(to + len, "%s", piece);
    }
}

static struct observation random_observation(uint64_t *random, enum probe_kind probe, usec_t at)
{
    enum outcome_kind kind = field_random(random) < 0.5 ? OUTCOME_OK : (enum outcome_kind)below(random, OUTCOME_COUNT);
    struct outcome outcome = outcome_make((enum stage)below(random, STAGE_COUNT), kind, (int)below(random, 1000));
    struct observation o;

    if (field_random(random) < 0.3)
        outcome.fault = (enum fault)below(random, 4);
    o = observation_make(probe, at, outcome);
    o.source = (enum source)below(random, 2);
    o.retry_after = random_span(random, 0);
    o.interval = random_span(random, 0);
    o.queue = random_span(random, -1);
    o.dns = random_span(random, -1);
    o.connect = random_span(random, -1);
    o.tls = random_span(random, -1);
    o.wait = random_span(random, -1);
    o.ttft = random_span(random, -1);
    o.content = random_span(random, -1);
    o.total = random_span(random, -1);
    o.gap_max = random_span(random, -1);
    o.tokens_per_s = field_random(random) < 0.3 ? 0 : exp(16 * field_random(random));
    o.prompt_tokens = (int32_t)below(random, 100000) - 1;
    o.output_tokens = (int32_t)below(random, 3) - 1;
    o.reasoning_tokens = (int32_t)below(random, 1000000000);
    o.cost_pico = below(random, 2) ? -1 : below(random, below(random, 2) ? 1000000000000000 : 1000000);
    o.in_flight = (uint16_t)below(random, 65536);
    o.flags = (uint16_t)below(random, 256);
    random_text(random, o.detail, sizeof(o.detail));
    return o;
}

static struct record random_record(uint64_t *random)
{
    struct record r = {.t = below(random, 2) ? NOW0 + below(random, 1000000 * SEC) : below(random, (int64_t)RECORD_TIME_MAX * SEC),
                       .kind = (enum record_kind)below(random, RECORD_KIND_COUNT)};

    do
        random_text(random, r.platform, sizeof(r.platform));
    while (record_kind_needs_platform(r.kind) && r.platform[0] == '\0');
    do
        random_text(random, r.model, sizeof(r.model));
    while (record_kind_needs_model(r.kind) && r.model[0] == '\0');
    random_text(random, r.reporter, sizeof(r.reporter));
    r.balance = (int64_t)below(random, 2000000) * 1000000007LL - 1000000000000LL;
    r.o = random_observation(random, r.kind == RECORD_REACH ? PROBE_REACH : r.kind == RECORD_MODELS ? PROBE_MODELS : PROBE_CHAT, r.t);
    r.ok = below(random, 2);
    r.price.input = below(random, 3) ? below(random, 1000000000000000) : -1;
    r.price.output = r.price.input < 0 ? -1 : below(random, 1000000);
    r.price.call = r.price.input < 0 || below(random, 2) ? below(random, 1000000000000000) : -1;
    r.action = (enum override_action)below(random, 4);
    r.lasts = random_span(random, 0);
    random_text(random, r.text, sizeof(r.text));
    return r;
}

static void same_observation(const struct observation *a, const struct observation *b)
{
    struct observation x = *a, y = *b;

    assert_string_equal(x.detail, y.detail);
    assert_true(x.tokens_per_s == y.tokens_per_s);
    memset(x.detail, 0, sizeof(x.detail));
    memset(y.detail, 0, sizeof(y.detail));
    assert_int_equal(x.outcome.kind, y.outcome.kind);
    assert_int_equal(x.outcome.fault, y.outcome.fault);
    assert_int_equal(x.outcome.stage, y.outcome.stage);
    assert_int_equal(x.outcome.http_status, y.outcome.http_status);
#define SAME(member) assert_int_equal(x.member, y.member)
    SAME(at), SAME(probe), SAME(source), SAME(retry_after), SAME(interval);
    SAME(queue), SAME(dns), SAME(connect), SAME(tls), SAME(wait), SAME(ttft), SAME(content), SAME(total), SAME(gap_max);
    SAME(prompt_tokens), SAME(output_tokens), SAME(reasoning_tokens), SAME(cost_pico), SAME(in_flight), SAME(flags);
}

static void same(const struct record *x, const struct record *y)
{
    assert_int_equal(x->t, y->t);
    assert_int_equal(x->kind, y->kind);
    assert_string_equal(x->platform, y->platform);
    assert_string_equal(x->model, y->model);
    assert_string_equal(x->reporter, y->reporter);
    switch (x->kind) {
    case RECORD_CHAT:
    case RECORD_REACH:
    case RECORD_MODELS:
        same_observation(&x->o, &y->o);
        break;
    case RECORD_BALANCE:
        assert_int_equal(x->balance, y->balance);
        break;
    case RECORD_PRICE:
        assert_int_equal(x->price.input, y->price.input);
        assert_int_equal(x->price.output, y->price.output);
        assert_int_equal(x->price.call, y->price.call);
        break;
    case RECORD_LISTING:
    case RECORD_USABLE:
    case RECORD_SELF_CHECK:
        assert_int_equal(x->ok, y->ok);
        break;
    case RECORD_OVERRIDE:
        assert_int_equal(x->action, y->action);
        assert_int_equal(x->lasts, y->lasts);
        assert_string_equal(x->text, y->text);
        break;
    case RECORD_CONFIG:
        assert_string_equal(x->text, y->text);
        break;
    default:
        break;
    }
}

static void test_there_and_back(void **state)
{
    (void)state;
    uint64_t random = field_seed();
    struct buf first = BUF_INIT, second = BUF_INIT;

    for (int i = 0; i < 20000; i++) {
        struct record r = random_record(&random), back;
        struct err err = {""};

        buf_clear(&first);
        buf_clear(&second);
        record_print(&r, &first);
        assert_true(first.len > 1 && first.data[first.len - 1] == '\n' && !memchr(first.data, '\n', first.len - 1));
        if (record_parse(first.data, first.len - 1, &back, &err) < 0)
            fail_msg("%s%s", buf_str(&first), err.text);
        same(&r, &back);
        record_print(&back, &second);
        assert_string_equal(buf_str(&first), buf_str(&second));
        if (i < 2000) { /* anybody's JSON */
            cJSON *json = cJSON_ParseWithLength(first.data, first.len);

            assert_true(cJSON_IsObject(json));
            cJSON_Delete(json);
        }
    }
    buf_done(&first);
    buf_done(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
