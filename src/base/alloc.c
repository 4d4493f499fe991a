#include "base/alloc.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The only mutable file-scope state of the project: an allocator is the process's,
 * not any one owner's. Each thread has its own, so that none waits for another;
 * helper threads of libraries use malloc itself.
 */
static _Thread_local uint64_t fail_countdown; /* 0: never fail */
static _Thread_local uint64_t live_blocks;    /* less those of others that it has freed */
static _Atomic uint64_t live_elsewhere;       /* of threads that have ended */
static _Thread_local uint64_t live_bytes;     /* of these blocks */
static _Atomic uint64_t bytes_elsewhere;

static int must_fail(void)
{
    return fail_countdown != 0 && --fail_countdown == 0;
}

static void *counted(void *block)
{
    live_blocks += block != NULL;
    live_bytes += malloc_usable_size(block);
    return block;
}

void *ic_malloc(size_t size)
{
    return must_fail() ? NULL : counted(malloc(size == 0 ? 1 : size));
}

void *ic_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : counted(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size));
}

void *ic_realloc(void *block, size_t size)
{
    if (must_fail()) {
        return NULL;
    }
    size_t before = malloc_usable_size(block);
    void *moved = realloc(block, size == 0 ? 1 : size);
    live_blocks += block == NULL && moved != NULL;
    live_bytes += moved == NULL ? 0 : malloc_usable_size(moved) - before;
    return moved;
}

char *ic_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = ic_malloc(size);
    if (copy != NULL) {
        memcpy(copy, text, size);
    }
    return copy;
}

void ic_free(void *block)
{
    live_blocks -= block != NULL;
    live_bytes -= malloc_usable_size(block);
    free(block);
}

void *ic_must(void *block)
{
    if (block == NULL) {
        fputs("infinicache: out of memory at start\n", stderr);
        abort();
    }
    return block;
}

void ic_alloc_put_nothing_off(void)
{
    mallopt(M_MXFAST, 0);
}

void ic_alloc_fail_at(uint64_t count)
{
    fail_countdown = count;
}

uint64_t ic_alloc_live(void)
{
    return live_blocks + live_elsewhere;
}

uint64_t ic_alloc_bytes(void)
{
    return live_bytes + bytes_elsewhere;
}

void ic_alloc_thread_end(void)
{
    live_elsewhere += live_blocks;
    bytes_elsewhere += live_bytes;
    live_blocks = live_bytes = 0;
}
