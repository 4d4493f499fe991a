/*
 * condemned.h - the chunks of an instance that wait for their DELETE: a queue of maybe a million,
 * in blocks, so that each takes 16 bytes and all can be let go at once.
 */
#ifndef IC_CORE_CONDEMNED_H
#define IC_CORE_CONDEMNED_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct ic_condemned {
    uint64_t object_id;
    uint64_t cost; /* bytes that are free when it is deleted: fewer than 2^48 */
    uint16_t chunk;
};

struct ic_condemned_queue {
    struct ic_list blocks; /* none of them empty */
};

void ic_condemned_init(struct ic_condemned_queue *q);
void ic_condemned_clear(struct ic_condemned_queue *q);
bool ic_condemned_empty(const struct ic_condemned_queue *q);
/* The newest, or the oldest again. False: out of memory. */
bool ic_condemned_push_back(struct ic_condemned_queue *q, const struct ic_condemned *c);
bool ic_condemned_push_front(struct ic_condemned_queue *q, const struct ic_condemned *c);
/* The oldest. False: there is none. */
bool ic_condemned_pop(struct ic_condemned_queue *q, struct ic_condemned *out);

#endif
