/*
 * cache.h - a cache that never loses anything: an eviction policy (core/eviction.h) and a limit, no
 * functions and no time. What a managed cache of that size would hit.
 */
#ifndef IC_SIMULATE_CACHE_H
#define IC_SIMULATE_CACHE_H

#include "simulate/request.h"

struct ic_sim_cache;

/* EVICTION: IC_EVICTION_... of base/config.h; MOST: bytes of objects, 0: no limit. NULL: out of
 * memory. */
struct ic_sim_cache *ic_sim_cache_new(int eviction, uint64_t most);
void ic_sim_cache_free(struct ic_sim_cache *c); /* NULL is fine */
/* 1: a hit; 0: not, and a GET's or PUT's object is there from now on unless it is larger than all
 * of the cache; IC_ENOMEM. */
int ic_sim_cache_request(struct ic_sim_cache *c, const struct ic_sim_request *r) IC_MUST_USE;
uint64_t ic_sim_cache_bytes(const struct ic_sim_cache *c);

#endif
