/* What is inside a ranker: shared by the files that make it up (ranker*.c, table.c, explain.c, counterfactual.c), for nobody else. */
#ifndef PROBED_CORE_RANKER_INSIDE_H
#define PROBED_CORE_RANKER_INSIDE_H

#include "probed/core/loss.h"
#include "probed/core/rank.h"
#include "probed/core/ranker.h"
#include "probed/core/route.h"
#include "probed/core/slots.h"

#define PLATFORM_WHY_MAX 160

/* Failures of one kind of platform probe in a row. A chat success within the run disproves it. */
struct platform_check {
    unsigned run;
    usec_t began;
    char why[PLATFORM_WHY_MAX];
};

struct ranked_platform {
    char *name, *title;
    const struct tag *tags; /* borrowed */
    size_t tags_len;
    bool usable, maintenance;
    bool key_refused;       /* a platform probe said that our key or credit does not work */
    char why[PLATFORM_WHY_MAX]; /* of usable = false or key_refused */
    struct platform_check check[2]; /* PROBE_REACH, PROBE_MODELS */
};

struct ranked_route {
    struct route stats;
    struct table_facts *facts;
    int platform, model;
    size_t place; /* index among its model's routes */
    uint64_t tie; /* hash of its name */
    const struct tag *tags; /* borrowed */
    size_t tags_len;
    struct capabilities *measured; /* NULL = none was ever tried */
    struct burst_result burst;     /* the last; at = 0: none */
    struct price price;
    usec_t interval;
    enum listing listing;
    bool unlisted;  /* answers though the platform's list does not hold it */
    enum override_action override;
    bool restored;  /* nothing observed since the restart */
    bool contested; /* first or near it in some ranking: worth probing */
    enum route_state state; /* as last ranked and told */
    usec_t state_since;
};
_Static_assert(sizeof(struct ranked_route) <= 7168, "memory a route, beside its two places in each policy");

/* A route in one ranking. */
struct place {
    int64_t loss; /* of the last ranking whose content changed */
    struct rank_evidence evidence;
    uint32_t rank;
    uint16_t slots, flags;
    uint8_t reason; /* enum route_reason */
    bool meets;     /* the policy's requirements */
    float credit;   /* slots that are owed to it while rank 1 goes round (ranker_lead.c) */
};

/* What all policies of one ranking share about a route. */
struct prepared {
    enum rank_class rank_class;
    uint8_t exclusion; /* enum route_reason; REASON_FIRST = none */
    uint16_t cap, flags;
    uint16_t probation; /* slots; 256 = none */
    bool provisional;
};

/* How a route takes more load, whatever the policy: by its share, in steps of 1/24 of the demand (ranker_price.c). */
#define PRICE_LEVELS 24
#define PRICE_REFUSAL 0.04 /* loss of a refused try by itself, beside the chance that the next one is refused too */
struct crowd {
    bool rises;
    double odds[PRICE_LEVELS + 1];  /* of the last request's refusal */
    double waits[PRICE_LEVELS + 1]; /* what it makes itself and the others wait more, in first tokens of the route */
};

/* Whether clients follow the shares or know only rank 1 (ranker_follow.c). */
#define FOLLOW_LEADS 8
struct follow {
    struct lead {
        usec_t at;
        int route; /* index; -1 = none */
        float share;
    } leads[FOLLOW_LEADS]; /* who was rank 1 from when on; newest first */
    unsigned leads_len;
    bool alone;                      /* they know only rank 1 */
    usec_t at;                       /* last evidence */
    double led, other, share, count; /* decayed: first tries on rank 1 and elsewhere; its share summed over tries, and their number */
    struct again { /* where failed tries are tried again; decayed numbers */
        usec_t at;
        float tries, led, failed, elsewhere, share; /* all; on rank 1; failed; of those not on rank 1; the share of rank 1 summed */
        bool spread; /* by the shares, not in the order of ranks */
    } again;
};
void follow_lead(struct follow *f, int leader, unsigned slots, usec_t now);
void follow_observe(struct follow *f, int route, const struct observation *o, usec_t now); /* a report */
bool follow_alone(const struct follow *f, usec_t now);
bool follow_spreads(const struct follow *f); /* what failed is tried again by the shares */

/* One (policy, model). */
struct standing {
    struct place *places; /* by the model's route index */
    uint32_t *order;
    int first, challenger; /* route index; -1 = none */
    int told;              /* the first, as last announced */
    int leader, second;    /* rank 1: the first, or whoever can take what comes to rank 1; rank 2 where it matters who; -1 = none */
    uint8_t flags;         /* enum ranking_flag */
    double move;           /* slots that may change hands for soft reasons */
    usec_t move_at;
    usec_t sliced_at;      /* rank 1 goes round: since when it is the leader's turn */
    struct follow follow;
    bool pinned;           /* the first is first by an operator's pin */
    bool changed;          /* since `published` */
    struct ranking *published;
};

/* Where a model stood before its last ranking (ranker_instant.c). */
struct before {
    usec_t at; /* the time of that ranking */
    bool shortage;
    usec_t round;
    bool everything, repriced;
    bool counted, seen; /* the ranking raised the revision; a table has had one of that time */
    uint64_t table;     /* so many had been made then */
    struct route_before {
        usec_t since;
        uint8_t state;
        bool stale, fresh;
    } *routes;
    struct standing *standings; /* one a policy, with places of their own */
};

#define RELATED_MOST 64

struct ranked_model {
    char *name;
    size_t len, size;
    int *routes; /* ids */
    struct loss_input *inputs;
    bool *stale, *fresh; /* input to be made anew; observed since the last ranking */
    struct standing *standings; /* one a policy */
    bool everything, content, ranked;
    bool moved;         /* the ranking that is being made differs from the last */
    bool repriced;      /* a price changed: that is known, and needs no evidence */
    usec_t due;         /* when it is ranked next: the next tick after a change, a hard change's own time, or the round */
    usec_t round;       /* when time alone is reason enough */
    struct rate demand; /* reported traffic, tries of all its routes */
    struct rate lost;   /* those that failed: they are tried again elsewhere */
    bool shortage;      /* more is asked than all usable routes take */
    usec_t observed_at; /* last observation of one of its routes */
    struct before before;
    /* How routes fail together, by pairs of indices; NULL for models of more than RELATED_MOST routes, where it is worked out each time. */
    float *related;
};

struct ranker {
    const struct policy *policies; /* borrowed */
    size_t policies_len;
    struct health_rules rules;
    char currency[CURRENCY_MAX];
    char *vantage;
    usec_t now;         /* 0 = its time has not begun */
    usec_t due;         /* no model is due before */
    uint64_t revision, tables; /* tables made */
    bool local, restored;
    bool changed, hard;
    size_t platforms_len, platforms_size, routes_len, routes_size, models_len, models_size;
    struct ranked_platform *platforms;
    struct ranked_route **routes;
    struct ranked_model *models;
    int *index; /* open hash of route ids by tie; -1 = free */
    size_t index_size;
    char **reporters; /* names; number 1 is the first */
    size_t reporters_len;
    struct reporter_rate rates[RANKER_REPORTERS + 1]; /* by number */
    size_t cursor; /* next model that a refresh in slices looks at */
    struct saving *saving; /* a save in pieces is under way; NULL */
    ranker_event_fn events;
    void *events_arg;
    /* Room for one model's work, sized by the largest model. */
    size_t room;
    struct rank_route *rank_room;
    struct slots_route *slots_room;
    uint16_t *share_room;
    struct loss *loss_room;
    struct loss_input *input_room;
    bool *eligible_room;
    struct prepared *prepared_room;
    struct rank_evidence *evidence_room;
    struct crowd *crowd_room; /* NULL = never needed */
    bool crowded;             /* some of the model's routes rise */
    double price;             /* loss of one request more, of the ranking that is being made; 0 = not priced */
};

/* ranker.c */
usec_t ranker_clock(struct ranker *r, usec_t now); /* moves the clock forward, never back */
void ranker_mark(struct ranker *r, const struct ranked_route *route); /* something about it changed: rank its model at the next tick */
void ranker_urge(struct ranker *r, const struct ranked_route *route); /* something hard did: rank it as of now */
/* The clock moves, and what was due before is worked off: something about the route, or about all of the platform, changes now. */
void ranker_bring_route(struct ranker *r, const struct ranked_route *route, usec_t now);
void ranker_bring_platform(struct ranker *r, int platform, usec_t now);
void ranker_urge_platform(struct ranker *r, int platform);
/* Works off what of the model was due before `now`. To be called before anything of it changes at `now`. */
void ranker_bring(struct ranker *r, int model, usec_t now); /* whatever a save holds (ranker_pickle.c) counts */
void ranker_relate(struct ranker *r, const struct ranked_route *route); /* its failures are others' too: look again */
int ranker_find_policy(const struct ranker *r, const char *name); /* NULL = the first; -1 = none */
int ranker_find_model(const struct ranker *r, const char *name);

/* ranker_pickle.c: the model is about to change, and is saved first if a save is under way (r->saving) that has not come to it */
void ranker_save_first(struct ranker *r, size_t model);

/* ranker_capability.c */
bool ranker_meets(const struct ranker *r, const struct ranked_route *route, size_t policy);
bool ranker_meet(struct ranker *r, const struct ranked_route *route); /* under every policy, from what is known now; true if that changed */
void ranker_say_unmet(const struct ranker *r, const struct ranked_route *route, size_t policy, char *ret, size_t size);

/* standing.c: what the facts beside the statistics make of a route */
enum route_state ranker_state_of(const struct ranker *r, const struct ranked_route *route, usec_t now, const char **ret_why);
enum route_reason ranker_exclusion(const struct ranker *r, const struct ranked_route *route); /* REASON_FIRST = not excluded */
enum rank_class ranker_class(const struct ranker *r, const struct ranked_route *route, usec_t now);
void ranker_make_input(const struct ranker *r, const struct ranked_route *route, usec_t now, struct loss_input *ret);
unsigned ranker_cap(const struct ranker *r, const struct ranked_route *route, usec_t now); /* slots */

/* ranker_doubt.c: what routes that fail at the same time say about the others */
/* Fills chance and estimate of the inputs from each route's own. */
void ranker_doubt(const struct ranker *r, struct ranked_model *m, usec_t now);
/* No verdict yet, but it fails, and others with it. */
bool ranker_falls_too(const struct ranker *r, const struct ranked_model *m, size_t i, usec_t now);

/* ranker_instant.c: what is told at one time is ranked as one */
void ranker_instant_grow(struct ranker *r, struct ranked_model *m);
void ranker_instant_free(struct ranked_model *m, size_t policies);
void ranker_instant_join(struct ranker *r, struct ranked_model *m, const struct ranked_route *route);
void ranker_instant_begin(struct ranker *r, struct ranked_model *m, usec_t at); /* a ranking: from where it stood before that time */
void ranker_instant_undo(struct ranker *r, struct ranked_model *m);            /* it was not ranked at the present time */
void ranker_instant_count(struct ranker *r, struct ranked_model *m);           /* the revision, after it */
void ranker_instant_reopen(const struct ranker *r, struct ranked_model *m);    /* before a report is absorbed: what that builds on */

/* ranker_refresh.c */
void ranker_rank_model(struct ranker *r, size_t model, usec_t at);
void ranker_set_due(struct ranker *r, struct ranked_model *m, usec_t at); /* not later than `at` */
double ranker_together(const void *arg, size_t i, size_t j); /* arg: struct ranker_pairs */
void ranker_prepare(struct ranker *r, size_t model, usec_t now); /* fills prepared_room */
struct ranker_pairs {
    const struct ranker *ranker;
    const struct ranked_model *model;
    const struct loss_input *inputs;
};
/* Losses of a model's routes under a policy from `inputs` into r->loss_room; returns the field. */
struct loss_field ranker_losses(struct ranker *r, size_t model, size_t policy, const struct loss_input *inputs);
int64_t ranker_softness(const struct ranker *r);

int64_t ranker_second_extra(const void *arg, size_t first, size_t i); /* what more it costs to fall back on i after the first; arg: struct ranker_pairs */

/* ranker_lead.c: sets s->leader and s->second, from the order and share_room */
void ranker_choose_leader(const struct ranker *r, const struct ranker_pairs *pairs, struct standing *s, int first, usec_t now);
double ranker_leader_room(const struct ranker *r, const struct ranked_model *m, const struct standing *s, int i,
                          usec_t now); /* slots of its cap that it keeps free for what failed elsewhere */

double ranker_leader_retries(const struct ranked_model *m); /* requests a second that failed elsewhere */

/* ranker_price.c: after ranker_prepare, before any policy; then for each policy, the caps in slots_room */
bool ranker_is_reported(const struct ranked_model *m, usec_t now); /* traffic, lately */
double ranker_demand(const struct ranked_model *m); /* requests a second, as it last was: silence is no small demand */
void ranker_draw_crowds(struct ranker *r, size_t model, usec_t now);
void ranker_see_shortage(const struct ranker *r, struct ranked_model *m, usec_t now);
void ranker_price_load(struct ranker *r, const struct ranked_model *m, const struct standing *s, const struct policy *policy, usec_t now);

/* ranker_share.c: slots and ranks, from s->order */
void ranker_share(struct ranker *r, const struct ranked_model *m, struct standing *s, const struct ranker_pairs *pairs,
                  const struct policy *policy, const struct rank_result *result, bool first_changed, usec_t now);

/* table.c */
void ranker_fill_row(const struct ranked_route *route, const struct loss_input *in, const struct policy *policy, const struct place *place,
                     usec_t now, usec_t wall_offset, struct table_row *ret);

/* counterfactual.c */
size_t ranker_counterfactual(struct ranker *r, const struct ranked_route *route, size_t policy, usec_t now, char ret[3][160]);

#endif
