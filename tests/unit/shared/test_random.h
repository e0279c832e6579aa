/* Randomness for the unit tests here: one seed a run, printed, so that a failure can be played again with TEST_SEED=N. */
#ifndef TESTS_UNIT_SHARED_TEST_RANDOM_H
#define TESTS_UNIT_SHARED_TEST_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t test_random_state;

static inline void test_random_begin(const char *what)
{
    const char *given = getenv("TEST_SEED");
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    test_random_state = given ? strtoull(given, NULL, 10) : (uint64_t)ts.tv_sec * 1000003u + (uint64_t)ts.tv_nsec;
    printf("# %s: TEST_SEED=%llu\n", what, (unsigned long long)test_random_state);
    fflush(stdout);
}

static inline uint64_t test_random(void)
{
    uint64_t z = test_random_state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* 0..n-1 */
static inline uint64_t test_random_below(uint64_t n)
{
    return test_random() % n;
}

#endif
