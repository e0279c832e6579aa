/* From losses to shares.
 *
 * 1. Routes whose loss is within `alike` of the first share by weight (1 - difference/alike)^2: equals share equally, and what is clearly worse
 *    has nothing. The first of the order counts as the best, since it stays first until a better one has shown it.
 * 2. What a cap cuts off is poured over the others within `alike`, then down the order. When all caps are full the rest is
 *    spread by the caps: a full route is better than a dead one.
 * 3. Whole slots, with as few changes from the last table as possible.
 * Ties go by rank order, which has none. */
#include "probed/core/slots.h"

#include <math.h>
#include <string.h>

#define KEEP_WITHIN 4.0 /* a share is left as it is when the wish is nearer than this */
#define OVER_EVEN 8.0   /* beyond all caps: partly by caps, partly evenly, since a small cap may be an old one */
#define OPEN_AT 2.0     /* a route without slots is not opened for less */

struct member { /* of those that take */
    size_t index;   /* in the caller's array */
    double weight, wish;
    int cap, last, aim, now;
    bool far; /* its loss is far above the best */
};

static void set_weights(const struct slots_route *in, struct member *m, size_t len, double alike)
{
    double base = in[m[0].index].loss;

    for (size_t i = 1; i < len; i++)
        base = fmin(base, in[m[i].index].loss);
    for (size_t i = 0; i < len; i++) {
        double off = (in[m[i].index].loss - base) / alike;

        m[i].weight = off < 1 ? (1 - off) * (1 - off) : 0;
        m[i].far = off >= SLOTS_GIVE_UP;
    }
    if (in[m[0].index].loss - base < SLOTS_GIVE_UP * alike)
        m[0].weight = 1;
    if (!in[m[0].index].pinned)
        return;
    for (size_t i = 1; i < len; i++)
        m[i].weight = 0;
}

/* Shares `left` by weight among members that are below their caps; whoever would pass the cap is filled and the rest goes round again. */
static double fill_by_weight(struct member *m, size_t len, double left)
{
    for (bool again = true; again && left > 1e-9;) {
        double sum = 0, given = 0;

        again = false;
        for (size_t i = 0; i < len; i++)
            sum += m[i].wish < m[i].cap ? m[i].weight : 0;
        if (sum <= 0)
            return left;
        for (size_t i = 0; i < len; i++) {
            if (m[i].wish >= m[i].cap || m[i].weight <= 0)
                continue;
            double more = left * m[i].weight / sum;

            if (m[i].wish + more > m[i].cap) {
                more = m[i].cap - m[i].wish;
                again = true;
            }
            m[i].wish += more;
            given += more;
        }
        left -= given;
    }
    return left;
}

static void set_wishes(const struct slots_route *in, struct member *m, size_t len, double alike)
{
    double left = TABLE_SLOTS, caps = 0;

    set_weights(in, m, len, alike);
    left = fill_by_weight(m, len, left);
    for (size_t i = 0; i < len && left > 1e-9; i++) {
        double more = fmin(left, fmax(0, m[i].cap - m[i].wish));

        m[i].wish += more;
        left -= more;
    }
    if (left <= 1e-9)
        return;
    for (size_t i = 0; i < len; i++)
        caps += m[i].cap + OVER_EVEN;
    for (size_t i = 0; i < len; i++)
        m[i].wish += left * (m[i].cap + OVER_EVEN) / caps;
}

static bool all_full(const struct member *m, size_t len)
{
    int caps = 0;

    for (size_t i = 0; i < len; i++)
        caps += m[i].cap;
    return caps < TABLE_SLOTS;
}

/* Whole numbers near the wishes, preferring what was; then the sum is mended where it hurts least. */
static void set_aims(struct member *m, size_t len)
{
    int sum = 0;
    bool full = all_full(m, len);

    for (size_t i = 0; i < len; i++) {
        bool keep = fabs(m[i].wish - m[i].last) < KEEP_WITHIN && (full || m[i].last <= m[i].cap);

        if (m[i].last == 0)
            m[i].aim = m[i].wish < OPEN_AT ? 0 : (int)lround(m[i].wish);
        else if (m[i].wish < 0.5)
            m[i].aim = 0;
        else
            m[i].aim = keep ? m[i].last : (int)lround(m[i].wish);
        sum += m[i].aim;
    }
    for (; sum != TABLE_SLOTS; sum += sum < TABLE_SLOTS ? 1 : -1) {
        bool more = sum < TABLE_SLOTS;
        size_t best = len;

        for (size_t i = 0; i < len; i++) {
            if (more ? m[i].aim >= m[i].cap && !full : m[i].aim == 0)
                continue;
            double off = m[i].wish - m[i].aim, best_off = best < len ? m[best].wish - m[best].aim : 0;

            if (best == len || (more ? off > best_off : off <= best_off))
                best = i;
        }
        if (best == len)
            best = 0;
        m[best].aim += more ? 1 : -1;
    }
}

static size_t widest(const struct member *m, size_t len, bool donor)
{
    size_t best = len;
    int most = 0;

    for (size_t i = 0; i < len; i++) {
        int off = donor ? m[i].now - m[i].aim : m[i].aim - m[i].now;

        if (off > most || (donor && off == most && off > 0)) {
            most = off;
            best = i;
        }
    }
    return best;
}

/* Goes from what is to the aims, at most `move` slots for soft reasons. `free_slots`: given up by routes that take no more. */
static int approach(struct member *m, size_t len, int free_slots, int move, bool full)
{
    int moved = 0;

    for (size_t i = 0; i < len; i++) {
        int most = full ? TABLE_SLOTS : m[i].cap;

        if (m[i].far && m[i].aim < most)
            most = m[i].aim;

        m[i].now = m[i].last < most ? m[i].last : most;
        free_slots += m[i].last - m[i].now;
    }
    for (;;) {
        size_t to = widest(m, len, false);

        if (to == len)
            break;
        if (free_slots > 0) {
            free_slots--;
        } else {
            size_t from = widest(m, len, true);

            if (from == len || moved == move)
                break;
            m[from].now--;
            moved++;
        }
        m[to].now++;
    }
    return moved;
}

/* m: room for as many members as may take. */
static int share(const struct slots_route *in, size_t len, double alike, int move, struct member *m, uint16_t *ret)
{
    size_t members = 0;
    int before = 0, kept = 0, moved = 0;

    memset(ret, 0, len * sizeof(ret[0]));
    for (size_t i = 0; i < len; i++) {
        before += in[i].last;
        if (!in[i].takes || members == TABLE_SLOTS)
            continue;
        int cap = in[i].cap < 1 ? 1 : in[i].cap > TABLE_SLOTS ? TABLE_SLOTS : in[i].cap;

        m[members++] = (struct member){.index = i, .cap = cap, .last = in[i].last};
        kept += in[i].last;
    }
    if (members == 0)
        return 0;
    set_wishes(in, m, members, alike);
    set_aims(m, members);
    if (before == TABLE_SLOTS && move >= 0) {
        moved = approach(m, members, before - kept, move, all_full(m, members));
    } else {
        for (size_t i = 0; i < members; i++)
            m[i].now = m[i].aim;
    }
    for (size_t i = 0; i < members; i++)
        ret[m[i].index] = (uint16_t)m[i].now;
    return moved;
}

int slots_share(const struct slots_route *in, size_t len, double alike, int move, uint16_t *ret)
{
    /* Few routes are the rule, and this is done for every policy at every observation: no reason to touch 14 kB. */
    if (len <= 24) {
        struct member few[24];

        return share(in, len, alike, move, few, ret);
    }
    struct member many[TABLE_SLOTS];

    return share(in, len, alike, move, many, ret);
}
