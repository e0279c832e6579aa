/* Reading what `probed replay --brief` answers: every form that it may have, every piece of rubbish refused, nothing kept from the line
 * before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "routectl/replay_answer.h"
#include "shared/alloc.h"
#include "shared/compiler.h"
#include "tests/unit/shared/test_random.h"

/* "policy/model: platform slots cost, ...; " */
static void describe(const struct replay_answer *a, struct buf *ret)
{
    for (size_t i = 0; i < a->rankings_len; i++) {
        const struct replay_answer_ranking *r = &a->rankings[i];
        buf_printf(ret, "%s/%s:", replay_answer_text(a, r->policy), replay_answer_text(a, r->model));
        for (size_t k = 0; k < r->len; k++) {
            const struct replay_answer_row *row = &a->rows[r->first + k];
            buf_printf(ret, " %s %u %lld", replay_answer_text(a, row->platform), row->slots, (long long)row->cost);
        }
        buf_add_str(ret, ";");
    }
}

static void answers(void **state)
{
    (void)state;
    static const struct {
        const char *line, *want;
        usec_t t;
        const char *currency;
    } cases[] = {
        {"{\"t\":60,\"generation\":7,\"flags\":[],\"currency\":\"USD\",\"policies\":{\"p\":{\"m\":[[\"a\",192,345000],[\"b\",64,null]]}}}",
         "p/m: a 192 345000 b 64 -1;", 60000000, "USD"},
        {"{\"t\":1732370000.25,\"policies\":{\"p\":{\"m\":[],\"n\":[[\"a\",256,0]]},\"q\":{}}}", "p/m:;p/n: a 256 0;", 1732370000250000,
         ""},
        {"{\"policies\":{},\"t\":0}", "", 0, ""},
        {" { \"t\" : 1 , \"policies\" : { \"p\" : { \"m\" : [ [ \"a\" , 1 , 2 ] , [ \"b\" , 0 , null ] ] } } } \r", "p/m: a 1 2 b 0 -1;",
         1000000, ""},
        /* Of a later version. */
        {"{\"t\":1,\"new\":{\"a\":[1,{\"b\":\"]}\"},null,true,-1.5e3]},\"policies\":{\"p\":{\"m\":[[\"a\",1,2,\"more\",[3]]]}},\"z\":[]}",
         "p/m: a 1 2;", 1000000, ""},
        {"{\"t\":1,\"policies\":{\"\\u4e2d\\\"\":{\"m/\\\\n\":[[\"\xE4\xB8\xAD\",1,9223372036854775807]]}}}",
         "\xE4\xB8\xAD\"/m/\\n: \xE4\xB8\xAD 1 9223372036854775807;", 1000000, ""},
    };
    struct replay_answer a = {.t = 0};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf got CLEANUP(buf_done) = BUF_INIT;
        struct err err = {""};
        a.currency[0] = '\0';
        if (replay_answer_read(&a, cases[i].line, &err) < 0)
            fail_msg("case %zu: %s", i, err.text);
        describe(&a, &got);
        assert_string_equal(buf_str(&got), cases[i].want);
        assert_true(a.t == cases[i].t);
        assert_string_equal(a.currency, cases[i].currency);
    }
    replay_answer_done(&a);
}

static void rubbish(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "null",
        "[]",
        "{",
        "{}",
        "{\"t\":}",
        "{\"t\":1",
        "{\"t\":1}x",
        "{\"t\":-1}",
        "{\"t\":\"1\"}",
        "{\"t\":nan}",
        "{\"t\":1e12}",
        "{\"t\" 1}",
        "{\"t\":1,}",
        "{t:1}",
        "{\"t\":1,\"policies\":[]}",
        "{\"t\":1,\"policies\":{\"p\":[]}}",
        "{\"t\":1,\"policies\":{\"p\":{\"m\":{}}}}",
        "{\"t\":1,\"policies\":{\"p\":{\"m\":[\"a\"]}}}",
        "{\"t\":1,\"policies\":{\"p\":{\"m\":[[\"a\"]]}}}",
        "{\"t\":1,\"policies\":{\"p\":{\"m\":[[\"a\",1]]}}}",
        "{\"t\":1,\"policies\":{\"p\":{\"m\":[[\"a\",257,1]]}}}",
        "{\"t\":1,\"policies\":{\"p\":{\"m\":[[\"a\",-1,1]]}}}",
        "{\"t\":1,\"policies\":{\"p\":{\"m\":[[\"a\",1.5,1]]}}}",
        "{\"t\":1,\"policies\":{\"p\":{\"m\":[[\"a\",1,-5]]}}}",
        "{\"t\":1,\"policies\":{\"p\":{\"m\":[[\"a\",1,9223372036854775808]]}}}",
        "{\"t\":1,\"policies\":{\"p\":{\"m\":[[1,1,1]]}}}",
        "{\"t\":1,\"policies\":{\"p\":{\"m\":[[\"a\",1,2]",
        "{\"t\":1,\"policies\":{\"p",
        "{\"t\":1,\"policies\":{\"p\\\":{}}",
        "{\"t\":1,\"policies\":{\"\\x\":{}}}",
        "{\"t\":1,\"x\":{\"y\" 1}}",
        "{\"t\":1,\"x\":[1 2]}",
        "{\"t\":1,\"x\":}",
    };
    struct replay_answer a = {.t = 0};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct err err = {""};
        if (replay_answer_read(&a, lines[i], &err) == 0)
            fail_msg("taken: %s", lines[i]);
        assert_non_null(strstr(err.text, "not an answer"));
    }
    /* Deep, but within a line. */
    struct buf deep CLEANUP(buf_done) = BUF_INIT;
    buf_add_str(&deep, "{\"t\":1,\"x\":");
    for (int i = 0; i < 100000; i++)
        buf_add_char(&deep, '[');
    assert_true(replay_answer_read(&a, buf_str(&deep), NULL) < 0);
    replay_answer_done(&a);
}

/* Any change of any byte: refused or taken, but never out of bounds (the sanitizers look). */
static void any_bytes(void **state)
{
    (void)state;
    static const char whole[] =
        "{\"t\":60.5,\"generation\":7,\"flags\":[\"local\"],\"currency\":\"USD\",\"policies\":{\"p\":{\"m\\u0041\":[[\"a\",192,345000],"
        "[\"b\\n\",64,null,{\"x\":[]}]]},\"q\":{\"m\":[]}}}";
    struct replay_answer a = {.t = 0};
    for (int i = 0; i < 20000; i++) {
        size_t len = test_random_below(4) ? sizeof whole - 1 : (size_t)test_random_below(sizeof whole);
        char *line CLEANUP(alloc_freep) = alloc_string_n(whole, len);
        for (uint64_t k = test_random_below(4); len > 0 && k > 0; k--)
            line[test_random_below(len)] =
                test_random_below(2) ? (char)(1 + test_random_below(255)) : "\"\\{}[],:0un"[test_random_below(11)];
        if (replay_answer_read(&a, line, NULL) < 0)
            continue;
        struct buf got CLEANUP(buf_done) = BUF_INIT;
        describe(&a, &got);
    }
    replay_answer_done(&a);
}

int main(void)
{
    test_random_begin("replay_answer");
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers), cmocka_unit_test(rubbish), cmocka_unit_test(any_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
