/*
 * disk.h - the model of proxy/journal.h and the disk below it: two images of the journal, what a
 * killed process leaves (every commit) and what a power failure leaves (what was forced to the
 * disk). Records are the product's own bytes (proxy/journal_record.h).
 *
 *   commit --> current --always: at once; everysec, no: pinned by a tick, later--> durable
 *   crash: current stays           power failure: durable becomes current
 */
#ifndef IC_SIM_DISK_H
#define IC_SIM_DISK_H

#include "net/virtual_time.h"
#include "proxy/journal.h"

struct sim_record {
    uint64_t id;
    uint32_t refs;
    size_t len;
    uint8_t bytes[];
};

struct sim_table { /* by id */
    struct sim_record **at;
    size_t count, capacity;
};

struct sim_image {
    struct sim_table objects, entries, ledger;
    bool exists, open; /* open: it was not closed by its process */
    bool rebuilding;   /* what is in it is not all that the functions have */
    uint32_t epoch;
    struct ic_journal_pool pool;
    uint8_t secret[32];
    uint64_t mark; /* the model's count of events when the newest commit was made */
};

struct sim_disk {
    struct sim_image current, durable, pinned;
    struct ic_event sync; /* pinned becomes durable */
    bool synced;          /* it has, and nobody has asked yet */
    uint64_t commits;
};

void sim_disk_init(struct sim_disk *d);
/* The process that had the journal open is gone. */
void sim_disk_crash(struct sim_disk *d);
/* The machine was without power. Returns the mark of what is left. */
uint64_t sim_disk_power_failure(struct sim_disk *d);

/* All of it is gone. */
void sim_disk_lose(struct sim_disk *d);

#endif
