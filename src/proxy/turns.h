/*
 * turns.h - how much of the clients' work, and of what functions list, is done in one turn of the
 * loop, so that a turn ends soon whatever they ask for, and whose turn it is.
 *
 *   worker --its share of the turn is used up--> in line --a later turn--> go(): on from there
 *      ^                                                                    |
 *      '--------------------------------------------------------------------'
 *
 * A worker is a session: with a pipeline of many commands, or a command of many steps, which keeps
 * its place between two turns (ic_call_goes_on); or a function that lists its chunks
 * (function_list.c).
 *
 * A command that must see, or change, all its keys at one moment goes alone if it takes many turns:
 * until it is over whoever needs keys waits, and all others (PING, INFO ...) go on. It is the first
 * of the line, and where many begin such commands at once most of them wait for a later turn. Those
 * that wait enter in the order in which they came, and nobody who comes later goes before them: of
 * those that go alone there may be always more.
 *
 * Work is counted in units, not measured: one is a command, a key looked at, or a chunk that is
 * listed, and takes less than a microsecond or two; `turn-work` of them are a turn's.
 */
#ifndef IC_PROXY_TURNS_H
#define IC_PROXY_TURNS_H

#include "net/net.h"

enum {
    IC_TURNS_SHARES = 5,    /* a worker gets a fifth of a turn, while there is something left; */
    IC_TURNS_LEAST = 1000,  /* and a thousandth in any case, a half of it in a turn that has had two
                               turns' work, and so on: whoever asks little waits not, and 5,000 who
                               ask much have three turns' work done in one */
    IC_TURNS_ALONE = 2,     /* half of a turn is the share of who goes alone, */
    IC_TURNS_FRONT = 2,     /* a half is for those in front of the line, */
    IC_TURNS_UNDER_WAY = 2, /* a half for commands that have begun, one of which may be alone, */
    IC_TURNS_WAITING = 4,   /* a quarter for those that have waited for the keys, */
    IC_TURNS_LINE = 2,      /* and a half is the line's, whatever else a turn is used for */
    IC_TURNS_EXEC = 25, /* turns' work of a transaction, after which it may look at nothing more */
    IC_TURNS_EXEC_LEAST = 25000, /* units of it */
    IC_TURNS_TEXT = 512,         /* bytes of a reply that are a unit to write */
    IC_TURNS_BODY = 2048,        /* bytes of a value that are a unit to encode */
    IC_TURNS_STEPS = 512,        /* of a pattern (glob.h) that are a unit to match */
    IC_TURNS_PARSED = 64,        /* of a request that are a unit to parse */
    IC_TURNS_ARGUMENTS = 32,     /* of a request that are a unit to take */
};

struct ic_worker {
    struct ic_list node; /* in line, or waiting */
    void (*go)(void *ctx);
    void *ctx;
    uint64_t turn; /* in which `used` units were its share */
    uint64_t used;
};

struct ic_turns {
    struct ic_loop *loop;
    const int64_t *budget; /* units of a turn: `turn-work` */
    uint64_t turn;         /* of the loop, when anybody worked last */
    uint64_t used;         /* units of that one */
    uint64_t served_most;  /* while the line is served: so many of them may be used; 0: it is not */
    struct ic_list front;  /* of struct ic_worker, served before the line */
    struct ic_list under_way; /* the same, before the line, too: of commands of many steps */
    struct ic_list line;      /* of struct ic_worker, first come first served */
    struct ic_timer next;
    struct ic_worker *alone;    /* or NULL */
    struct ic_list waiting;     /* of struct ic_worker, for the keys, first come first served */
    struct ic_worker *entering; /* of those, the one that is being served */
    uint64_t most_used;         /* units of the turn that had most */
    uint64_t lined_up;          /* times a worker went on in a later turn */
};

/* LOOP and BUDGET outlive it. */
void ic_turns_init(struct ic_turns *t, struct ic_loop *loop, const int64_t *budget);
void ic_turns_deinit(struct ic_turns *t); /* nobody is in line */

void ic_worker_init(struct ic_worker *w, void (*go)(void *ctx), void *ctx);
void ic_worker_leave(struct ic_worker *w); /* the line, if it is there */

/* Units of a transaction's work: IC_TURNS_EXEC. */
uint64_t ic_turns_exec_units(const struct ic_turns *t);
/* W has not used up its share of this turn; what takes many turns has a whole one whenever it is
 * served, and who goes alone, or is about to, a larger one. */
bool ic_turns_may_work(struct ic_turns *t, struct ic_worker *w);
bool ic_turns_may_go_on(struct ic_turns *t, struct ic_worker *w);
bool ic_turns_may_work_alone(struct ic_turns *t, struct ic_worker *w);
/* W may begin what takes UNITS: little, or this turn is not used up yet, or it has been in line. */
bool ic_turns_may_begin(struct ic_turns *t, struct ic_worker *w, uint64_t units);
void ic_turns_worked(struct ic_turns *t, struct ic_worker *w, uint64_t units);
/* No more is to be begun in this turn that can wait. */
bool ic_turns_used_up(struct ic_turns *t);
/* Units that are left of TURNS turns' work for this one. */
uint64_t ic_turns_left(struct ic_turns *t, uint64_t turns);
/* How many turns' work this one has had. */
uint64_t ic_turns_used_times(struct ic_turns *t);
/* W's `go` is called in a later turn, the next if it can be. Again before that: nothing. */
void ic_turns_line_up(struct ic_turns *t, struct ic_worker *w);
/* The same, for a command that has begun: it goes on in each turn, however long the line is. */
void ic_turns_line_up_under_way(struct ic_turns *t, struct ic_worker *w);
/* The same, in front of the line: for what others wait for. */
void ic_turns_line_up_in_front(struct ic_turns *t, struct ic_worker *w);
/* The same, before all others: for what they leave behind, or it would be ever more. */
void ic_turns_line_up_first(struct ic_turns *t, struct ic_worker *w);

/* W is in the middle of something that nobody may look at, or change, the keys in; nobody else is.
 * Again: nothing. */
void ic_turns_go_alone(struct ic_turns *t, struct ic_worker *w);
/* W, if it is alone, is so no more: those that wait go on, before whoever comes later. */
void ic_turns_end_alone(struct ic_turns *t, struct ic_worker *w);
bool ic_turns_is_alone(const struct ic_turns *t, const struct ic_worker *w);
/* W may look at keys. */
bool ic_turns_may_enter(const struct ic_turns *t, const struct ic_worker *w);
/* W's `go` is called when it may. */
void ic_turns_wait(struct ic_turns *t, struct ic_worker *w);
void ic_turns_reset_figures(struct ic_turns *t);

#endif
