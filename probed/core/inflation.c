/* Is the count that a relay tells for our prompts the one that they have?
 *
 * Honest tokenizers differ, so a prompt's size is known as a range; a count within it is right, one beyond it (and a tenth) is not.
 * Inflation shows in two ways: as a state, from the median of the last samples by their order alone (median.h); and as a jump, when the
 * last three prompts in a row count many tokens more than the samples before them let expect (a hidden prompt was added). What to expect of
 * a longer or shorter prompt is not known exactly: a relay may multiply, or add. Both are worked out, and a jump lies beyond both. After a
 * jump only what came since it counts. */
#include "probed/core/inflation.h"

#include <math.h>

#include "probed/core/median.h"

#define OLD        (7 * USEC_PER_DAY)
#define BASE       8    /* samples before a jump, at least */
#define JUMP       30.0 /* tokens: hidden prompts have more */
#define JUMP_PART  0.05
#define DEVIATIONS 4

static const struct inflation_sample *sample(const struct inflation *f, int i) /* the i-th oldest */
{
    return &f->ring[(f->next + INFLATION_SAMPLES - f->len + i) % INFLATION_SAMPLES];
}

static double middle(const struct inflation_sample *s)
{
    return ((double)s->low + (double)s->high) / 2;
}

/* 1 anywhere in the known range. */
static double ratio_of(const struct inflation_sample *s)
{
    return s->told > s->high ? (double)s->told / s->high : s->told < s->low ? (double)s->told / s->low : 1;
}

static bool in_range(const struct inflation_sample *s)
{
    return s->told >= s->low && s->told <= s->high * (1 + INFLATION_TOLERANCE);
}

struct usual {
    double times, more, deviation; /* told / middle, told - middle, and how the first scatters */
    bool in_range;
};

static struct usual usual_of(const struct inflation *f, int len)
{
    double times[INFLATION_SAMPLES], more[INFLATION_SAMPLES], off[INFLATION_SAMPLES];
    struct usual u;
    int within = 0;

    for (int i = 0; i < len; i++) {
        times[i] = sample(f, i)->told / middle(sample(f, i));
        more[i] = sample(f, i)->told - middle(sample(f, i));
        within += in_range(sample(f, i));
    }
    median_sort(times, len);
    median_sort(more, len);
    u.times = median_middle(times, len);
    u.more = median_middle(more, len);
    for (int i = 0; i < len; i++)
        off[i] = fabs(times[i] - u.times);
    median_sort(off, len);
    u.deviation = 1.4826 * median_middle(off, len);
    u.in_range = within * 2 > len;
    return u;
}

/* By how many tokens the last INFLATION_NEWS samples are beyond what the others let expect; 0 = they are not, all of them, in the same
 * direction. */
static int32_t jump_of(const struct inflation *f)
{
    int base = f->len - INFLATION_NEWS;
    double by[INFLATION_NEWS];
    int up = 0, down = 0;

    if (base < BASE)
        return 0;
    struct usual u = usual_of(f, base);

    for (int i = 0; i < INFLATION_NEWS; i++) {
        const struct inflation_sample *s = sample(f, base + i);
        double mid = middle(s), slack = fmax(fmax(JUMP, JUMP_PART * mid), DEVIATIONS * u.deviation * mid);
        double most = fmax(u.times * mid, mid + u.more), least = fmin(u.times * mid, mid + u.more);

        if (u.in_range && in_range(s))
            return 0;
        up += s->told > most + slack;
        down += s->told < least - slack;
        by[i] = s->told > most ? s->told - most : s->told - least;
    }
    if (up < INFLATION_NEWS && down < INFLATION_NEWS)
        return 0;
    median_sort(by, INFLATION_NEWS);
    return (int32_t)fmin(fmax(median_middle(by, INFLATION_NEWS), -INFLATION_TOKENS_MOST), INFLATION_TOKENS_MOST);
}

struct inflation_news inflation_add(struct inflation *f, int32_t told, int32_t low, int32_t high, usec_t now)
{
    struct inflation_news news = {.jump = 0};
    struct account_inflation is;

    if (told < 0 || told > INFLATION_TOKENS_MOST || low <= 0 || high < low || high > INFLATION_TOKENS_MOST)
        return news;
    f->ring[f->next] = (struct inflation_sample){now < 0 ? 0 : (uint32_t)(now / USEC_PER_SEC), told, low, high};
    f->next = (uint8_t)((f->next + 1) % INFLATION_SAMPLES);
    if (f->len < INFLATION_SAMPLES)
        f->len++;
    news.jump = jump_of(f);
    if (news.jump)
        f->len = INFLATION_NEWS;
    inflation_told(f, now, &is);
    if (is.state != ACCOUNT_TOKENS_INSUFFICIENT && (is.state == ACCOUNT_TOKENS_INFLATED) != f->inflated) {
        f->inflated = !f->inflated;
        news.turned = true;
    }
    return news;
}

void inflation_told(const struct inflation *f, usec_t now, struct account_inflation *ret)
{
    double ratios[INFLATION_SAMPLES], extra[INFLATION_SAMPLES];

    *ret = (struct account_inflation){.ratio = -1, .low = -1, .high = -1, .newest = -1};
    for (int i = 0; i < f->len; i++) {
        const struct inflation_sample *s = sample(f, i);

        if (now - (usec_t)s->at * USEC_PER_SEC > OLD)
            continue;
        ratios[ret->samples] = ratio_of(s);
        extra[ret->samples++] = s->told > s->high ? s->told - s->high : 0;
        ret->newest = (usec_t)s->at * USEC_PER_SEC;
    }
    if (ret->samples == 0)
        return;
    median_sort(ratios, ret->samples);
    median_sort(extra, ret->samples);
    ret->ratio = median_middle(ratios, ret->samples);
    ret->extra = (int32_t)median_middle(extra, ret->samples);
    int rank = median_rank(ret->samples);

    if (rank < 0)
        return;
    ret->low = ratios[rank];
    ret->high = ratios[ret->samples - 1 - rank];
    if (ret->low > 1 + INFLATION_TOLERANCE)
        ret->state = ACCOUNT_TOKENS_INFLATED;
    else if (ret->ratio <= 1 + INFLATION_TOLERANCE)
        ret->state = ACCOUNT_TOKENS_AS_KNOWN;
}
