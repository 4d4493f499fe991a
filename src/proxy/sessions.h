/*
 * sessions.h - what all client connections share; the commands read and count here.
 */
#ifndef IC_PROXY_SESSIONS_H
#define IC_PROXY_SESSIONS_H

#include "proxy/session.h"
#include "proxy/stats.h"
#include "proxy/turns.h"

enum { IC_SESSIONS_KEEPALIVE_S = 300 }; /* a client that has vanished is found so late */

struct ic_sessions {
    struct ic_proxy *proxy;
    struct ic_listener *listener; /* NULL: not listening */
    struct ic_list list;          /* of struct ic_session, oldest first */
    struct ic_map by_id;
    struct ic_list leaving;                 /* of struct ic_session that are gone but not freed */
    struct ic_list old_queued, old_watches; /* of transactions that are over: not freed yet */
    size_t count;   /* of open connections: of clients, and of some that are gone */
    size_t ahead;   /* objects that are on their way to replies before their turn */
    size_t sealing; /* values of all of them, or that were and wait for their requests */
    uint64_t last_id;
    struct ic_client_memory memory;
    struct ic_stats stats;
    struct ic_turns turns;
    struct ic_worker chores;
    uint64_t attack_logged_ms;  /* when a client that speaks HTTP was logged; 0: never */
    struct ic_pool_use no_room; /* of the smallest value that found none in the pool, and has none
                                   yet, as far as has been looked; no chunks: all did */
    struct ic_timer tick, relieve;
    uint64_t reader_cut_ms;  /* when a slow reader was last cut for others; 0: never */
    struct ic_buf password;  /* len 0: none is needed */
    char run_id[41];         /* INFO's run_id */
    struct ic_reap shutdown; /* SHUTDOWN was called: at the end of the turn */
    uint8_t read_buffer[IC_SESSION_READ_SIZE]; /* used within one read, by one session */
};

/* Some of what transactions have left is freed now, the rest in turns to come. */
void ic_sessions_chores(struct ic_sessions *all);
/* More clients have to be closed for maxmemory-clients, in turns to come. */
void ic_sessions_evict_on(struct ic_sessions *all);
/* A value that would take USE of the pool found no room there: who keeps much of it is looked for.
 */
void ic_sessions_note_no_room(struct ic_sessions *all, struct ic_pool_use use);
/* The time for what expires by itself: now, or that of the command that goes alone (turns.h). */
int64_t ic_sessions_wall_ms(const struct ic_sessions *all);
/* NULL: there is none (any more). */
struct ic_session *ic_sessions_find(const struct ic_sessions *all, uint64_t id);
/* The client that has the lowest id above ID; NULL: there is none. */
struct ic_session *ic_sessions_after(const struct ic_sessions *all, uint64_t id);

#endif
