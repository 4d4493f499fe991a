/*
 * faults.h - failures of Invoke that were ordered: the next COUNT Invokes of one function, or of
 * any, are answered with a status instead of being run. For tests of those who call. No I/O.
 *
 *   set(NULL, 429, 5)  --> take("a") = 429 ... five times, whatever the function --> take("a") = 0
 *   An order for one function comes before one for all.
 */
#ifndef IC_PLATFORM_LOCAL_FAULTS_H
#define IC_PLATFORM_LOCAL_FAULTS_H

#include "base/error.h"

#include <stdint.h>

enum {
    IC_FAULTS_MAX = 1024,         /* functions with an order at a time */
    IC_FAULT_COUNT_MAX = 1000000, /* Invokes of one order */
    IC_FAULT_FUNCTION_MAX = 140,  /* bytes of a name: IC_NAME_MAX of AWS, and more */
};

struct ic_faults;

struct ic_faults *ic_faults_new(void);    /* NULL: out of memory */
void ic_faults_free(struct ic_faults *f); /* NULL is fine */

/*
 * Replaces the order for FUNCTION (NULL: all of them); COUNT 0 takes it back. IC_ERANGE: COUNT or
 * the name is too large. IC_ENOSPC: too many orders. IC_ENOMEM.
 */
int ic_faults_set(struct ic_faults *f, const char *function, unsigned status,
                  uint64_t count) IC_MUST_USE;
/* The status to answer this Invoke of FUNCTION with, which is one less then; 0: run it. */
unsigned ic_faults_take(struct ic_faults *f, const char *function);
/* How many Invokes all orders together will still fail. */
uint64_t ic_faults_left(const struct ic_faults *f);

#endif
