/*
 * alloc.h - the project's allocator: malloc, with a switch by which a test makes
 * the Nth allocation fail. Everything allocated here is released with ic_free.
 */
#ifndef IC_BASE_ALLOC_H
#define IC_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

/* NULL: out of memory. SIZE 0 gives a pointer that may be freed. */
void *ic_malloc(size_t size) __attribute__((malloc, warn_unused_result));
/* Zeroed; NULL also when COUNT * SIZE overflows. */
void *ic_calloc(size_t count, size_t size) __attribute__((malloc, warn_unused_result));
/* As realloc: on NULL the old block is untouched. */
void *ic_realloc(void *block, size_t size) __attribute__((warn_unused_result));
/* An owned copy of TEXT, or NULL. */
char *ic_strdup(const char *text) __attribute__((malloc, warn_unused_result));
void ic_free(void *block); /* NULL is fine */

/* For programs' start, where there is nothing to save: abort with a message on NULL. */
void *ic_must(void *block) __attribute__((warn_unused_result));

/* Bytes allocated and not freed yet, but for those of other threads that go on. The C library's own
 * count (mallinfo) walks all that is free. */
uint64_t ic_alloc_bytes(void);
/* A thread that has allocated here calls this last: its blocks are the others' to count. */
void ic_alloc_thread_end(void);

/*
 * For who must never pause: small blocks are given back when they are freed. The C library leaves
 * them for later, and joins all of them at some free of a large block: 870,000 in 160 ms.
 */
void ic_alloc_put_nothing_off(void);

/* Tests only: this thread's COUNT-th allocation from now on (1 = the next) fails, once; 0 switches
 * it off. */
void ic_alloc_fail_at(uint64_t count);
/* Tests only: blocks allocated and not freed yet, but for those of other threads that go on. */
uint64_t ic_alloc_live(void);

#endif
