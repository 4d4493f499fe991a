/*
 * lease.h - how long a node stays awake after its last request. Pure: time and prices are
 * arguments. One struct per function measures how its node is used.
 *
 *   visit: requests without a pause     gap     visit
 *   [=== arrival ... quiet ===]...................[=== ...
 *                             '-- lease --'  the node leaves; the next visit costs an invocation
 *
 * Billed by the millisecond, that is ski rental: staying costs `stay` per ms, leaving costs B =
 * `leave` + the visit's share of `wait` at the next visit. Staying until it has cost as much as
 * leaving, t* = B / stay, never costs more than twice what a clairvoyant would pay (Karlin,
 * Manasse, Rudolph, Sleator: Competitive snoopy caching, 1988), and no deterministic rule is better
 * without knowledge. With knowledge of the gaps the best threshold t <= t* is the one with the
 * least
 *
 *   stay * E[min(gap, t)] + B * P(gap > t)        (Karlin, Manasse, McGeoch, Owicki: Competitive
 *                                                  randomized algorithms for nonuniform problems,
 * 1994)
 *
 * measured as Keshav, Lund, Phillips, Reingold and Saran do for connections that idle (An empirical
 * evaluation of virtual circuit holding time policies in IP-over-ATM networks, 1995): a histogram
 * of the gaps, older ones fading. Three guards keep a wrong guess cheap:
 *
 * - The histogram begins with IC_LEASE_PRIOR gaps spread evenly below t*, for which t* is best: so
 *   without history, t* it is.
 * - A lease is never below t* / IC_LEASE_FLOOR. That is the trust parameter of ski rental with
 * advice (Purohit, Svitkina, Kumar: Improving online algorithms via ML predictions, 2018): if
 * leaving at once is right it costs an eighth of B more, and no gap costs more than 1 +
 * IC_LEASE_FLOOR times the best.
 * - What the guesses have cost beyond what t* would have is counted, fading over IC_LEASE_GRUDGE
 *   gaps. While that is more than IC_LEASE_LOSSES times B, t* is used. So against whatever arrivals
 *   the cost stays within twice the clairvoyant's and about IC_LEASE_LOSSES / IC_LEASE_GRUDGE of B
 * per gap.
 *
 * Billed in cycles of 100 ms, it is the rule of the FAST 2020 paper (section 3.3): stay to just
 * before the end of the current cycle, which is paid for in any case, and for another cycle if more
 * than one visit came in this one.
 */
#ifndef IC_CORE_LEASE_H
#define IC_CORE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

struct ic_config; /* base/config.h */
struct ic_rate;   /* core/price.h */

enum {
    /*
     * A cycle's end is left early by this, so that the goodbye falls into it: the node's timer 1
     * ms, BYE and BYE_OK 2, the response on its way out of the function 2, HELLO's flight and
     * rounding in what is known of the begin 2, a small function's share of the processor 3.
     */
    IC_LEASE_MARGIN_MS = 10,
    IC_LEASE_PRIOR = 2,   /* gaps; about as many real ones outweigh them */
    IC_LEASE_MEMORY = 16, /* gaps: one so old counts 1/e of the newest */
    IC_LEASE_FLOOR = 8,   /* the shortest lease is t* / 8 */
    IC_LEASE_LOSSES = 4,
    IC_LEASE_GRUDGE = 256,
    IC_LEASE_BUCKETS = 40, /* two per octave: 1 ms to 2^20 ms, above any lease */
};

/* What staying and leaving cost at present, in dollars. */
struct ic_lease_settings {
    uint32_t cycle_ms; /* billed time is a multiple: 1 is ski rental, else the paper's rule */
    double stay;       /* a billed ms; any of these may be 0 */
    double leave;      /* the next invocation: its fee, and the billed ms before it can serve */
    double wait;       /* its client's wait for it; shared by the nodes it waits for */
    uint64_t most_ms;  /* no lease is longer */
};

/* What was measured of invocations. */
struct ic_lease_measures {
    double wake_ms;    /* from Invoke to HELLO, */
    double startup_ms; /* and of that, billed */
};
enum { IC_LEASE_WAKE_GUESS_MS = 30, IC_LEASE_STARTUP_GUESS_MS = 3 }; /* until then */

/* The settings that the directives and prices make of that; MOST_MS as above. */
struct ic_lease_settings ic_lease_settings_of(const struct ic_config *config,
                                              const struct ic_rate *rate,
                                              const struct ic_lease_measures *measures,
                                              uint64_t most_ms);
/* An invocation's HELLO came WAKE_MS after its Invoke, STARTUP_MS of them billed. */
void ic_lease_measure(struct ic_lease_measures *m, double wake_ms, double startup_ms);

/* Fields are for reading. All zero: nothing is known. */
struct ic_lease {
    uint64_t begun_ms; /* the invocation's begin, from which its cycles count */
    uint64_t cycle;    /* the last in which a visit began */
    uint32_t visits;   /* in that cycle */
    uint64_t quiet_ms; /* end of the last visit; 0: there was none */
    double share;      /* smoothed: of a wait that is this node's, 1 / nodes waited for */
    double gap_ms;     /* smoothed, of visits; 0: not known */
    uint64_t gaps;     /* seen */
    double regret;     /* paid beyond what t* would have cost, in multiples of B, fading */
    double weight[IC_LEASE_BUCKETS];
    double sum_ms[IC_LEASE_BUCKETS]; /* weight x gap */
};

/* An invocation began at BEGUN_MS; what is known of the gaps stays. */
void ic_lease_begin(struct ic_lease *l, uint64_t begun_ms);
/* A request comes and none is under way. NODES >= 1 serve the same wait. */
void ic_lease_arrival(struct ic_lease *l, uint32_t nodes, const struct ic_lease_settings *s,
                      uint64_t now_ms);
/* The last request under way has ended. */
void ic_lease_quiet(struct ic_lease *l, uint64_t now_ms);

/* What leaving costs at the next visit, B. */
double ic_lease_leaving(const struct ic_lease *l, const struct ic_lease_settings *s);
/* How long a node stays from NOW_MS on if no visit comes: up to most_ms, but at least 1. */
uint64_t ic_lease_ms(const struct ic_lease *l, const struct ic_lease_settings *s, uint64_t now_ms);
/* The same of a node that was woken because a visit is known to follow: whatever the gaps were, t*.
 */
uint64_t ic_lease_promised_ms(const struct ic_lease *l, const struct ic_lease_settings *s,
                              uint64_t now_ms);
/* What the node is told: FIXED_MS (the directive `lease`) if that is not 0, else one of these two.
 * At least 1. */
uint32_t ic_lease_told_ms(const struct ic_lease *l, const struct ic_lease_settings *s,
                          uint64_t fixed_ms, bool promised, uint64_t now_ms);

#endif
