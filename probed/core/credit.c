/* What a balance's movements mean.
 *
 * `used`, where it is told, is use and nothing else, and what `left` does beyond it is a change. Without it a rise of `left` is a top-up or
 * a gift, unless it is so small that it may be the return of a deposit (relays take the worst case of a request first); a fall is use,
 * unless what fell is the gift, as a whole and when it ran out. Figures that are read together need not have been written together, so that
 * a difference between them counts only beyond what is used in the time that charges may be late.
 *
 * Burn: cells of six hours hold what was used and over how many hours that was measured; the newer ones weigh more. Its interval comes from
 * how the cells scatter, wide as long as not even a day was seen. Runway: what is left over the burn; a gift that expires before it is used
 * up is lost on the way. */
#include "probed/core/credit.h"

#include <math.h>
#include <string.h>

#define DIGIT_MOST     1e10 /* 0.01: no balance is told more coarsely without saying so */
#define SETTLES        3    /* deposits: times the recent use */
#define BURN_HALF_LIFE (2 * USEC_PER_DAY)
#define BURN_HOURS     6   /* at least */
#define SETTLE_HOURS   0.5 /* of burn, that may be deposits */
#define LATE_HOURS     3   /* of burn, that figures may be apart */
#define LASTS          1.2 /* an alert ends beyond this times its rule */
#define DAYS_MOST      1e6
#define PICO_MOST      4e18

/* --- readings ------------------------------------------------------------------------------------------------------------ */

static double digit_of(int64_t v, double digit)
{
    double d = 1;

    if (v == 0 || v == -1)
        return digit;
    for (; v % 10 == 0 && d < digit; v /= 10)
        d *= 10;
    return fmin(d, digit);
}

double credit_unit(const struct credit *c)
{
    return c->last.unit > 0 ? (double)c->last.unit : c->digit;
}

static void move_cells(struct credit *c, usec_t now)
{
    int64_t cell = now / CREDIT_CELL;

    if (cell <= c->cell)
        return;
    for (int64_t i = cell - c->cell >= CREDIT_CELLS ? cell - CREDIT_CELLS + 1 : c->cell + 1; i <= cell; i++)
        c->cells[i % CREDIT_CELLS] = (struct credit_cell){.hours = 0};
    c->cell = cell;
}

/* Used evenly between then and now. */
static void burn(struct credit *c, double burnt, usec_t from, usec_t now)
{
    double hours = (double)(now - from) / (double)USEC_PER_HOUR;

    if (now <= from)
        return;
    move_cells(c, now);
    for (usec_t at = from; at < now;) {
        int64_t cell = at / CREDIT_CELL;
        usec_t end = (cell + 1) * CREDIT_CELL < now ? (cell + 1) * CREDIT_CELL : now;
        double part = (double)(end - at) / (double)(now - from);

        if (c->cell - cell < CREDIT_CELLS) {
            c->cells[cell % CREDIT_CELLS].burnt += (float)(burnt * part);
            c->cells[cell % CREDIT_CELLS].hours += (float)(hours * part);
        } else { /* long ago: on to the first that is kept */
            end = (c->cell - CREDIT_CELLS + 1) * CREDIT_CELL < now ? (c->cell - CREDIT_CELLS + 1) * CREDIT_CELL : now;
        }
        at = end;
    }
}

static void change(struct credit *c, enum account_change_kind kind, double amount, usec_t now)
{
    if (c->changes_len < ACCOUNT_CHANGES)
        c->changes_len++;
    memmove(&c->changes[1], &c->changes[0], (size_t)(c->changes_len - 1) * sizeof(c->changes[0]));
    c->changes[0] = (struct account_change){.at = now, .amount = (int64_t)fmin(fmax(amount, -4e18), 4e18), .kind = kind};
}

struct movement {
    bool left_known, used_known, granted_known, gift_known;
    double fall, used, granted, gift; /* left: fell by; the others: rose by */
    double slack;                     /* what figures may be out of step by */
    double settles;                   /* what a balance may rise by of itself */
    double rounding;
    bool expired; /* the time told for it has passed */
};

static bool both(int64_t a, int64_t b)
{
    return a != -1 && b != -1;
}

static double hourly(const struct credit *c, usec_t now);

static struct movement movement_of(const struct credit *c, const struct account_reading *r, double recent, usec_t now)
{
    const struct account_reading *p = &c->last;
    double unit = r->unit > 0 ? (double)r->unit : c->digit;

    return (struct movement){.left_known = both(p->left, r->left),
                             .used_known = both(p->used, r->used),
                             .granted_known = both(p->granted, r->granted),
                             .gift_known = both(p->gift, r->gift),
                             .fall = (double)p->left - (double)r->left,
                             .used = (double)r->used - (double)p->used,
                             .granted = (double)r->granted - (double)p->granted,
                             .gift = (double)r->gift - (double)p->gift,
                             .rounding = 2 * unit,
                             .slack = 2 * unit + SETTLES * recent + LATE_HOURS * hourly(c, now),
                             .settles = 2 * unit + SETTLES * recent + SETTLE_HOURS * hourly(c, now),
                             .expired = p->expires > 0 && now >= p->expires && c->at < p->expires};
}

/* What came, by what kind. */
static enum account_change_kind came(const struct movement *m, double amount)
{
    return m->gift_known && m->gift >= 0.9 * amount - m->rounding ? ACCOUNT_GIFT : ACCOUNT_TOPUP;
}

/* Is a fall the loss of a gift? Only if all that was left of it is gone, or its time is over; and then it was more than use alone would
 * explain. */
static bool is_expiry(const struct credit *c, const struct movement *m, double beyond)
{
    if (beyond <= m->slack)
        return false;
    if (m->expired)
        return true;
    return m->gift_known && -m->gift > m->slack && fabs(-m->gift - beyond) <= m->slack && (double)c->last.gift + m->gift <= m->rounding;
}

static struct credit_step step_by_used(struct credit *c, const struct movement *m, usec_t now)
{
    struct credit_step step = {.known = true, .burnt = m->used};
    double beyond = m->left_known ? m->fall - m->used : 0;

    if (m->used < -m->slack) { /* a refund, or the count began anew */
        step.known = false;
        step.burnt = 0;
        if (m->left_known && fabs(beyond) <= m->slack) {
            step.changed = true;
            change(c, ACCOUNT_CORRECTION, -m->used, now);
        }
        return step;
    }
    if (beyond < -m->slack) {
        step.changed = true;
        change(c, came(m, -beyond), -beyond, now);
    } else if (beyond > m->slack) {
        step.changed = true;
        change(c, is_expiry(c, m, beyond) ? ACCOUNT_EXPIRED : ACCOUNT_CORRECTION, -beyond, now);
    }
    return step;
}

static struct credit_step step_by_left(struct credit *c, const struct movement *m, usec_t now)
{
    struct credit_step step = {.known = true, .burnt = m->fall};
    double came_in = m->granted_known && fabs(m->granted) > m->rounding ? m->granted : 0;

    if (came_in > 0 && m->fall + came_in >= -m->settles) { /* what was granted is told: the rest is use */
        step.burnt = m->fall + came_in;
        step.changed = true;
        change(c, came(m, came_in), came_in, now);
        return step;
    }
    if (m->fall < -m->settles) {
        step = (struct credit_step){.changed = true};
        change(c, came(m, -m->fall), -m->fall, now);
    } else if (is_expiry(c, m, m->fall)) {
        step = (struct credit_step){.changed = true};
        change(c, ACCOUNT_EXPIRED, m->gift_known && m->gift < 0 ? m->gift : -m->fall, now);
    } else if (came_in < 0 && fabs(m->fall + came_in) <= m->slack) { /* taken back */
        step = (struct credit_step){.changed = true};
        change(c, ACCOUNT_CORRECTION, came_in, now);
    }
    return step;
}

struct credit_step credit_read(struct credit *c, const struct account_reading *r, double recent, usec_t now)
{
    struct credit_step step = {.known = false};
    bool same = c->at && r->own_key == c->last.own_key && r->unlimited == c->last.unlimited;

    if (c->digit <= 0)
        c->digit = DIGIT_MOST;
    c->digit = digit_of(r->left, digit_of(r->used, c->digit));
    if (same) {
        struct movement m = movement_of(c, r, recent, now);

        if (m.used_known)
            step = step_by_used(c, &m, now);
        else if (m.left_known && !r->unlimited)
            step = step_by_left(c, &m, now);
        if (step.known)
            burn(c, step.burnt, c->at, now);
    }
    c->last = *r;
    c->at = now > 0 ? now : 1;
    return step;
}

/* --- burn and runway ----------------------------------------------------------------------------------------------------- */

struct burn_rate {
    double hours, burnt;   /* in all */
    double day, low, high; /* a day; day < 0 = not known */
};

static struct burn_rate burn_rate(const struct credit *c, usec_t now)
{
    struct burn_rate ret = {.day = -1, .low = -1, .high = -1};
    double weights[CREDIT_CELLS], days[CREDIT_CELLS], sum = 0, squares = 0, mean = 0, spread = 0;
    int len = 0;

    for (int i = 0; i < CREDIT_CELLS; i++) {
        int64_t cell = c->cell - i;
        const struct credit_cell *k = &c->cells[(cell % CREDIT_CELLS + CREDIT_CELLS) % CREDIT_CELLS];
        usec_t age = now - (cell + 1) * CREDIT_CELL;

        if (cell < 0 || k->hours <= 0 || age > CREDIT_CELLS * CREDIT_CELL)
            continue;
        ret.hours += (double)k->hours;
        ret.burnt += (double)k->burnt;
        weights[len] = (double)k->hours / 6 * exp2(-(double)(age > 0 ? age : 0) / (double)BURN_HALF_LIFE);
        days[len] = (double)k->burnt / (double)k->hours * 24;
        sum += weights[len];
        squares += weights[len] * weights[len];
        mean += weights[len] * days[len];
        len++;
    }
    if (ret.hours < BURN_HOURS || sum <= 0)
        return ret;
    mean /= sum;
    for (int i = 0; i < len; i++)
        spread += weights[i] * (days[i] - mean) * (days[i] - mean) / sum;
    /* Cells of one part of the day are alike: as if there were half as many. */
    double count = fmax(1, sum * sum / squares / 2), unit = 2 * credit_unit(c) * 24 / ret.hours;
    double half = 2 * sqrt(spread / count) + unit, seen = fmin(1, ret.hours / 24);

    ret.day = fmax(0, mean);
    ret.low = fmax(0, (mean - half) * seen);
    ret.high = fmax(0, (mean + half) / seen);
    return ret;
}

static double hourly(const struct credit *c, usec_t now)
{
    struct burn_rate b = burn_rate(c, now);

    return b.day > 0 ? b.day / 24 : 0;
}

/* How many days it lasts at so much a day; -1 = for ever. */
static double lasts(const struct account_reading *r, double day, usec_t now)
{
    double left = fmax(0, (double)r->left), until = r->expires > 0 ? fmax(0, (double)(r->expires - now) / (double)USEC_PER_DAY) : -1;
    double days = day > 0 ? left / day : -1;

    if (until < 0 || (days >= 0 && days <= until))
        return days > DAYS_MOST ? DAYS_MOST : days;
    if (r->gift < 0) /* all is lost then */
        return until;
    double lost = fmax(0, fmin((double)r->gift, left) - day * until); /* gifts are used first */

    if (left - lost <= 0)
        return until;
    return day > 0 ? fmin(DAYS_MOST, fmax(until, (left - lost) / day)) : -1;
}

static void told_runway(const struct account_reading *r, const struct burn_rate *b, double unit, usec_t now, struct account_credit *ret)
{
    if (r->unlimited) {
        ret->runway = ACCOUNT_RUNWAY_UNLIMITED;
        return;
    }
    if (r->left == -1 || b->day < 0)
        return;
    ret->days = lasts(r, b->day, now);
    ret->days_low = lasts(r, b->high, now);
    ret->days_high = lasts(r, b->low, now);
    if (ret->days < 0 || (b->burnt <= unit && r->expires == 0)) {
        ret->runway = ACCOUNT_RUNWAY_NOT_FALLING;
        ret->days = ret->days_low = ret->days_high = -1;
        return;
    }
    ret->runway = ACCOUNT_RUNWAY_OK;
}

static int64_t amount(double v)
{
    return v < 0 ? -1 : (int64_t)fmin(v, 4e18);
}

static void told_probes(const struct credit *c, usec_t now, struct account_credit *ret)
{
    int64_t hour = now / USEC_PER_HOUR;
    double day = 0;

    for (int64_t h = c->hour; h > c->hour - CREDIT_HOURS && h >= 0; h--) {
        if (hour - h >= CREDIT_HOURS)
            break;
        day += (double)c->probes[h % CREDIT_HOURS];
        ret->probes_unknown += c->unknown[h % CREDIT_HOURS];
    }
    ret->probes_day = amount(day);
    ret->probes_total = amount(c->probes_total);
}

void credit_told(const struct credit *c, const struct account_rules *rules, usec_t now, struct account_credit *ret)
{
    *ret = (struct account_credit){.reading = account_reading_make(),
                                   .at = -1,
                                   .burn = -1,
                                   .burn_low = -1,
                                   .burn_high = -1,
                                   .days = -1,
                                   .days_low = -1,
                                   .days_high = -1,
                                   .changes_len = c->changes_len};
    memcpy(ret->changes, c->changes, sizeof(ret->changes));
    told_probes(c, now, ret);
    if (c->at == 0)
        return;
    struct burn_rate b = burn_rate(c, now);
    const struct account_reading *r = &c->last;

    ret->reading = *r;
    ret->at = c->at;
    ret->burn_hours = b.hours;
    if (b.day >= 0) {
        ret->burn = amount(b.day);
        ret->burn_low = amount(b.low);
        ret->burn_high = amount(b.high);
    }
    told_runway(r, &b, credit_unit(c), now, ret);
    if (!r->unlimited && r->left != -1 && rules->low_credit >= 0)
        ret->low_credit = (double)r->left < (double)rules->low_credit * (c->low ? LASTS : 1);
    if (rules->runway_days > 0 && ret->runway == ACCOUNT_RUNWAY_OK)
        ret->short_runway = ret->days < rules->runway_days * (c->shortage ? LASTS : 1);
    else if (rules->runway_days > 0 && ret->runway == ACCOUNT_RUNWAY_INSUFFICIENT)
        ret->short_runway = c->shortage;
}

void credit_probe(struct credit *c, double cost, usec_t now)
{
    int64_t hour = now < 0 ? 0 : now / USEC_PER_HOUR;

    if (hour > c->hour) {
        for (int64_t h = hour - c->hour >= CREDIT_HOURS ? hour - CREDIT_HOURS + 1 : c->hour + 1; h <= hour; h++) {
            c->probes[h % CREDIT_HOURS] = 0;
            c->unknown[h % CREDIT_HOURS] = 0;
        }
        c->hour = hour;
    }
    if (cost < 0) {
        if (c->unknown[c->hour % CREDIT_HOURS] < UINT16_MAX)
            c->unknown[c->hour % CREDIT_HOURS]++;
        return;
    }
    c->probes[c->hour % CREDIT_HOURS] += (float)fmin(cost, PICO_MOST);
    c->probes_total = fmin(c->probes_total + cost, PICO_MOST);
}
