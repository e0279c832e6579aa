/* Shares, order and loss as pure functions. */
#include "tests/unit/core/field.h"

#include "probed/core/loss.h"
#include "probed/core/rank.h"
#include "probed/core/slots.h"

static int sum(const uint16_t *slots, size_t len)
{
    int total = 0;

    for (size_t i = 0; i < len; i++)
        total += slots[i];
    return total;
}

static void test_shares(void **state)
{
    (void)state;
    uint16_t slots[4];
    struct slots_route equal[2] = {{.loss = 0.1, .cap = 256, .takes = true}, {.loss = 0.1, .cap = 256, .takes = true}};

    slots_share(equal, 2, 0.02, -1, slots);
    assert_int_equal(slots[0], 128);
    struct slots_route clear[3] = {{.loss = 0.1, .cap = 256, .takes = true}, {.loss = 0.2, .cap = 256, .takes = true}, {.loss = 0.3, .cap = 256, .takes = true}};

    slots_share(clear, 3, 0.02, -1, slots);
    assert_int_equal(slots[0], 256);
    /* What a cap cuts off goes to the next, and never to one that does not take. */
    clear[0].cap = 100;
    clear[1].cap = 50;
    slots_share(clear, 3, 0.02, -1, slots);
    assert_int_equal(slots[0], 100);
    assert_int_equal(slots[1], 50);
    assert_int_equal(slots[2], 106);
    clear[2].takes = false;
    slots_share(clear, 3, 0.02, -1, slots);
    assert_int_equal(slots[2], 0);
    assert_int_equal(slots[0] + slots[1], 256);
    assert_true(slots[0] > slots[1]);
    clear[0].takes = clear[1].takes = false;
    assert_int_equal(slots_share(clear, 3, 0.02, -1, slots), 0);
    assert_int_equal(sum(slots, 3), 0);
}

static void test_few_changes(void **state)
{
    (void)state;
    uint16_t slots[3];
    struct slots_route r[3] = {{.loss = 0.1, .cap = 256, .last = 128, .takes = true},
                               {.loss = 0.1001, .cap = 256, .last = 128, .takes = true},
                               {.loss = 0.5, .cap = 256, .last = 0, .takes = true}};

    slots_share(r, 3, 0.02, 8, slots);
    assert_int_equal(slots[0], 128); /* noise moves nothing */
    r[1].loss = 0.3;
    assert_int_equal(slots_share(r, 3, 0.02, 8, slots), 8);
    assert_int_equal(slots[0], 136);
    r[1].takes = false; /* it died */
    slots_share(r, 3, 0.02, 0, slots);
    assert_int_equal(slots[1], 0);
    assert_int_equal(slots[0], 256);
}

static void test_slots_random(void **state)
{
    (void)state;
    uint64_t random = field_seed();

    for (int round = 0; round < 5000; round++) {
        size_t len = 1 + (size_t)(field_random(&random) * (round % 50 == 0 ? 600 : 12));
        struct slots_route *r = calloc(len, sizeof(*r));
        uint16_t *slots = calloc(len, sizeof(*slots));
        bool any = false;
        double loss = 0;
        int left = 256;

        for (size_t i = 0; i < len; i++) {
            r[i].loss = loss += field_random(&random) * 0.03;
            r[i].cap = (uint16_t)(1 + field_random(&random) * 255);
            r[i].takes = field_random(&random) < 0.7;
            r[i].pinned = i == 0 && field_random(&random) < 0.1;
            r[i].last = (uint16_t)(i + 1 == len ? left : (int)(field_random(&random) * left));
            left -= r[i].last;
            any |= r[i].takes;
        }
        int move = (int)(field_random(&random) * 40) - 5, moved = slots_share(r, len, 0.02, move, slots);

        assert_int_equal(sum(slots, len), any ? 256 : 0);
        assert_true(move < 0 || moved <= move);
        int caps = 0;

        for (size_t i = 0, members = 0; i < len && members < 256; i++) {
            caps += r[i].takes ? r[i].cap : 0;
            members += r[i].takes;
        }
        for (size_t i = 0; i < len; i++) {
            assert_true(r[i].takes || slots[i] == 0);
            if (caps >= 256)
                assert_true(slots[i] <= r[i].cap);
        }
        free(r);
        free(slots);
    }
}

static void test_order(void **state)
{
    (void)state;
    struct rank_route r[4] = {{.loss = 300, .tie = 1, .rank_class = RANK_USABLE, .fresh = true},
                              {.loss = 100, .tie = 2, .rank_class = RANK_DOWN, .fresh = true},
                              {.loss = 200, .tie = 3, .rank_class = RANK_USABLE, .fresh = true},
                              {.loss = 50, .tie = 4, .rank_class = RANK_EXCLUDED, .fresh = true}};
    struct rank_evidence evidence[4] = {{0}};
    uint32_t order[4];
    struct rank_result result = rank_order(r, 4, -1, evidence, 10, NULL, NULL, NOW0, order);

    assert_int_equal(result.first, 2);
    assert_int_equal(order[0], 2);
    assert_int_equal(order[1], 0);
    assert_int_equal(order[2], 1);
    assert_int_equal(order[3], 3);
    /* The incumbent stays until there is evidence. */
    int incumbent = 0, steps = 0;
    usec_t now = NOW0;

    for (; steps < 100; steps++) {
        now += 15 * SEC;
        result = rank_order(r, 4, incumbent, evidence, 10, NULL, NULL, now, order);
        if (result.first != incumbent)
            break;
        assert_int_equal(result.challenger, 2);
        assert_int_equal(order[0], 0);
    }
    /* ln 10 / ln(310 / (210 x 1.05)) = 6.8 */
    assert_int_equal(steps, 6);
    assert_true(result.by_evidence);
    /* Nothing observed, nothing gathered. */
    for (int i = 0; i < 4; i++)
        r[i].fresh = false;
    for (int i = 0; i < 1000; i++) {
        now += SEC;
        assert_int_equal(rank_order(r, 4, 0, evidence, 10, NULL, NULL, now, order).first, 0);
    }
    /* Hard: at once. */
    r[0].rank_class = RANK_DOWN;
    result = rank_order(r, 4, 0, evidence, 10, NULL, NULL, now, order);
    assert_int_equal(result.first, 2);
    assert_false(result.by_evidence);
    /* A burst counts by the time it spans. */
    r[0].rank_class = RANK_USABLE;
    for (int i = 0; i < 4; i++)
        r[i].fresh = true;
    memset(evidence, 0, sizeof(evidence));
    for (int i = 0; i < 4; i++)
        evidence[i].at = now;
    for (int i = 0; i < 1000; i++) {
        now += MSEC;
        assert_int_equal(rank_order(r, 4, 0, evidence, 10, NULL, NULL, now, order).first, 0);
    }
}

static void test_order_permutes(void **state)
{
    (void)state;
    uint64_t random = field_seed();

    for (int round = 0; round < 500; round++) {
        size_t len = 1 + (size_t)(field_random(&random) * 120);
        struct rank_route r[120], p[120];
        struct rank_evidence e[120] = {{0}}, f[120] = {{0}};
        uint32_t order[120], other[120];

        for (size_t i = 0; i < len; i++) {
            r[i] = (struct rank_route){.loss = (int64_t)(field_random(&random) * 20), .tie = schedule_random(&random),
                                       .rank_class = (enum rank_class)(field_random(&random) * 5)};
            p[len - 1 - i] = r[i];
        }
        rank_order(r, len, -1, e, 10, NULL, NULL, NOW0, order);
        rank_order(p, len, -1, f, 10, NULL, NULL, NOW0, other);
        for (size_t i = 0; i < len; i++)
            assert_int_equal(order[i], len - 1 - other[i]);
    }
}

static void test_loss_formula(void **state)
{
    (void)state;
    struct policy policy = {.latency = LATENCY_P50, .second = 0.1, .money = 0.5, .input_tokens = 1000, .output_tokens = 0};
    struct loss_input in[2] = {{.chance = 0.1, .latency = {1, 1, 1, 1}, .waste = 5, .charged = 0.5, .price_known = true, .price_input = 100, .candidate = true},
                               {.chance = 0.2, .latency = {2, 2, 2, 2}, .waste = 10, .charged = 1, .price_known = true, .price_input = 300, .candidate = true}};
    struct loss_field field;
    struct loss loss[2];

    loss_field_init(&field, &policy, in, 2);
    assert_true(field.reference == 200000);
    loss_compute(&policy, &field, in, NULL, 2, NULL, NULL, loss);
    assert_int_equal(loss[0].retry, 1);
    assert_int_equal(loss[0].term[LOSS_FAILURE], 20000000); /* 0.1 x 0.2 */
    /* T0 = 0.9 x 1 + 0.1 x 5 = 1.4, T1 = 0.8 x 2 + 0.2 x 10 = 3.6 */
    assert_int_equal(loss[0].term[LOSS_WAITING], 176000000);
    /* C0 = 0.95 x 0.5, C1 = 1 x 1.5 references, m 0.5 */
    assert_int_equal(loss[0].term[LOSS_MONEY], 312500000);
    assert_int_equal(loss[0].nano, 508500000);
    /* Alone: q = 1, nothing to add. */
    loss_compute(&policy, &field, in, NULL, 1, NULL, NULL, loss);
    assert_int_equal(loss[0].retry, -1);
    assert_int_equal(loss[0].term[LOSS_FAILURE], 100000000);
    assert_int_equal(loss[0].term[LOSS_WAITING], 140000000);
    /* Outright exchange: what a failed request is worth. */
    policy.failure_pico = 1000000;
    loss_field_init(&field, &policy, in, 2);
    loss_compute(&policy, &field, in, NULL, 1, NULL, NULL, loss);
    assert_int_equal(loss[0].term[LOSS_MONEY], 95000000);
    /* Unknown price: twice the dearest. None known: no term. */
    policy.failure_pico = 0;
    in[0].price_known = false;
    loss_field_init(&field, &policy, in, 2);
    assert_true(field.cost_unknown == 600000);
    in[1].price_known = false;
    loss_field_init(&field, &policy, in, 2);
    loss_compute(&policy, &field, in, NULL, 2, NULL, NULL, loss);
    assert_true(field.reference == 0);
    assert_int_equal(loss[0].term[LOSS_MONEY], 0);
    /* Unknown latency: the worst of the model. */
    in[0].latency[LATENCY_P50] = -1;
    loss_field_init(&field, &policy, in, 2);
    assert_true(field.latency_unknown == 2);
}

static double always(const void *arg, size_t i, size_t j)
{
    (void)arg;
    return i + j == 1 ? 0.9 : 0;
}

static void test_correlation_moves_the_retry(void **state)
{
    (void)state;
    struct policy policy = {.latency = LATENCY_P50, .second = 0.01};
    struct loss_input in[3];
    struct loss_field field;
    struct loss loss[3];

    for (int i = 0; i < 3; i++)
        in[i] = (struct loss_input){.chance = 0.05 + 0.01 * i, .latency = {1, 1, 1, 1}, .waste = 1, .candidate = true};
    loss_field_init(&field, &policy, in, 3);
    loss_compute(&policy, &field, in, NULL, 3, NULL, NULL, loss);
    assert_int_equal(loss[0].retry, 1);
    loss_compute(&policy, &field, in, NULL, 3, always, NULL, loss);
    assert_int_equal(loss[0].retry, 2);
}

static void test_loss_random(void **state)
{
    (void)state;
    uint64_t random = field_seed();

    for (int round = 0; round < 2000; round++) {
        struct policy policy = field_policies[round % 3];
        struct loss_input in[30];
        struct loss_field field;
        struct loss loss[30], scaled[30];
        size_t len = 1 + (size_t)(field_random(&random) * 30);

        policy.honesty = field_random(&random);
        policy.capacity = field_random(&random);
        for (size_t i = 0; i < len; i++) {
            in[i] = (struct loss_input){.chance = field_random(&random), .waste = 20 * field_random(&random), .charged = field_random(&random),
                                        .instability = field_random(&random), .incapacity = field_random(&random), .dishonesty = field_random(&random),
                                        .price_known = field_random(&random) < 0.8, .price_input = (int64_t)(1e8 * field_random(&random)),
                                        .price_output = (int64_t)(1e9 * field_random(&random)), .candidate = true};
            for (int k = 0; k < LATENCY_STATISTICS; k++)
                in[i].latency[k] = field_random(&random) < 0.1 ? -1 : 10 * field_random(&random);
        }
        loss_field_init(&field, &policy, in, len);
        loss_compute(&policy, &field, in, NULL, len, NULL, NULL, loss);
        for (size_t i = 0; i < len; i++) {
            int64_t total = 0;

            for (int t = 0; t < LOSS_TERMS; t++) {
                assert_true(loss[i].term[t] >= 0);
                total += loss[i].term[t];
            }
            assert_true(total == loss[i].nano);
            assert_int_not_equal(loss[i].retry, i);
            in[i].price_input *= 7;
            in[i].price_output *= 7;
        }
        /* Another currency changes nothing. */
        loss_field_init(&field, &policy, in, len);
        loss_compute(&policy, &field, in, NULL, len, NULL, NULL, scaled);
        for (size_t i = 0; i < len; i++)
            assert_true(llabs(scaled[i].nano - loss[i].nano) <= 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_few_changes),
        cmocka_unit_test(test_slots_random),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_order_permutes),
        cmocka_unit_test(test_loss_formula),
        cmocka_unit_test(test_correlation_moves_the_retry),
        cmocka_unit_test(test_loss_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
