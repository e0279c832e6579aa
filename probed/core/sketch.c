/* The sparse log-bucket sketch.
 *
 * Bucket k holds the values in (g^(k-1), g^k] with g = 1.01/0.99 and stands for 2 g^k / (g + 1), the point that is equally far from
 * both ends in relative terms. Entries lie sorted by key in two arrays, so that decay is one pass over floats and a quantile one
 * walk. It never allocates and never looks at a clock. */
#include "probed/core/sketch.h"

#include <math.h>
#include <string.h>

#include "probed/core/decay.h"

#define GAMMA ((1 + SKETCH_ERROR) / (1 - SKETCH_ERROR))
#define LOG_GAMMA 0.020000666706669435 /* ln GAMMA */
#define DUST 1e-4 /* share of the whole below which an entry may go */

uint16_t sketch_key(usec_t value)
{
    if (value <= 1)
        return 0;
    double key = ceil(log((double)value) / LOG_GAMMA - 1e-9);

    return key > SKETCH_KEY_MAX ? SKETCH_KEY_MAX : (uint16_t)key;
}

double sketch_value(uint16_t key)
{
    return key == 0 ? 1 : 2 * exp(key * LOG_GAMMA) / (GAMMA + 1);
}

static void recount(struct sketch *s)
{
    double sum = 0;

    for (int i = 0; i < s->len; i++)
        sum += (double)s->weights[i];
    s->weight = sum;
}

static void scale(struct sketch *s, double factor)
{
    float f = (float)factor;

    if (factor == 1)
        return;
    for (int i = 0; i < s->len; i++)
        s->weights[i] *= f;
    recount(s);
}

static void remove_at(struct sketch *s, int i)
{
    int behind = s->len - i - 1;

    memmove(&s->keys[i], &s->keys[i + 1], (size_t)behind * sizeof(s->keys[0]));
    memmove(&s->weights[i], &s->weights[i + 1], (size_t)behind * sizeof(s->weights[0]));
    s->len--;
}

/* Makes room for one entry: dust goes first; without any, the lightest entry joins its nearest neighbour. */
static void make_room(struct sketch *s)
{
    int kept = 0;
    float dust = (float)(s->weight * DUST);

    for (int i = 0; i < s->len; i++) {
        if (s->weights[i] < dust)
            continue;
        s->keys[kept] = s->keys[i];
        s->weights[kept++] = s->weights[i];
    }
    s->len = (uint16_t)kept;
    recount(s);
    if (s->len < SKETCH_ENTRIES)
        return;
    int least = 0;

    for (int i = 1; i < s->len; i++) {
        if (s->weights[i] < s->weights[least])
            least = i;
    }
    int to = least == 0 ? 1 : least - 1;

    if (least > 0 && least + 1 < s->len && s->keys[least + 1] - s->keys[least] < s->keys[least] - s->keys[least - 1])
        to = least + 1;
    s->weights[to] += s->weights[least];
    remove_at(s, least);
}

static int find(const struct sketch *s, uint16_t key)
{
    int low = 0, high = s->len;

    while (low < high) {
        int middle = (low + high) / 2;

        if (s->keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void add_key(struct sketch *s, uint16_t key, float weight)
{
    int at = find(s, key);

    if (at == s->len || s->keys[at] != key) {
        if (s->len == SKETCH_ENTRIES) {
            make_room(s);
            at = find(s, key);
        }
        int behind = s->len - at;

        memmove(&s->keys[at + 1], &s->keys[at], (size_t)behind * sizeof(s->keys[0]));
        memmove(&s->weights[at + 1], &s->weights[at], (size_t)behind * sizeof(s->weights[0]));
        s->keys[at] = key;
        s->weights[at] = 0;
        s->len++;
    }
    s->weights[at] += weight;
    s->weight += (double)weight;
}

static void bring_to(struct sketch *s, usec_t half_life, usec_t now)
{
    if (now <= s->at)
        return;
    if (s->len > 0)
        scale(s, decay_factor(now - s->at, half_life));
    s->at = now;
}

void sketch_add(struct sketch *s, usec_t value, usec_t half_life, usec_t now)
{
    bring_to(s, half_life, now);
    add_key(s, sketch_key(value), 1);
}

void sketch_merge(struct sketch *s, const struct sketch *from, usec_t half_life, usec_t now)
{
    double keep = decay_factor(now - from->at, half_life);

    bring_to(s, half_life, now);
    for (int i = 0; i < from->len; i++)
        add_key(s, from->keys[i], (float)((double)from->weights[i] * keep));
}

void sketch_quantiles(const struct sketch *s, const double *qs, usec_t *ret, int len)
{
    double passed = 0;
    int i = 0;

    for (int j = 0; j < len; j++) {
        if (s->len == 0) {
            ret[j] = -1;
            continue;
        }
        /* A hair below, so that rounding of the sum does not push an exact boundary into the next bucket. */
        double wanted = qs[j] * s->weight * (1 - 1e-6);

        while (i < s->len - 1 && passed + (double)s->weights[i] < wanted)
            passed += (double)s->weights[i++];
        ret[j] = (usec_t)llround(sketch_value(s->keys[i]));
    }
}

usec_t sketch_quantile(const struct sketch *s, double q)
{
    usec_t value;

    sketch_quantiles(s, &q, &value, 1);
    return value;
}

usec_t sketch_mean(const struct sketch *s)
{
    double sum = 0, weight = 0, value = 0;
    int last = -1;

    if (s->len == 0)
        return -1;
    for (int i = 0; i < s->len; i++) {
        /* Neighbouring keys are the rule: a multiplication in place of most of the exponentials. */
        value = last >= 0 && s->keys[i] == last + 1 && last > 0 ? value * GAMMA : sketch_value(s->keys[i]);
        last = s->keys[i];
        sum += value * (double)s->weights[i];
        weight += (double)s->weights[i];
    }
    return weight > 0 ? (usec_t)llround(sum / weight) : -1;
}

double sketch_weight(const struct sketch *s, usec_t half_life, usec_t now)
{
    return s->weight * decay_factor(now - s->at, half_life);
}

void sketch_shift(struct sketch *s, double ratio, double weight)
{
    long steps = lround(log(ratio) / LOG_GAMMA);
    int kept = 0;

    for (int i = 0; i < s->len; i++) {
        long key = s->keys[i] + steps;
        uint16_t clamped = (uint16_t)(key < 0 ? 0 : key > SKETCH_KEY_MAX ? SKETCH_KEY_MAX : key);

        if (kept > 0 && s->keys[kept - 1] == clamped) {
            s->weights[kept - 1] += s->weights[i];
            continue;
        }
        s->keys[kept] = clamped;
        s->weights[kept++] = s->weights[i];
    }
    s->len = (uint16_t)kept;
    if (s->weight > weight)
        scale(s, weight / s->weight);
}
