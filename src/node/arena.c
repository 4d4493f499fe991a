#define _GNU_SOURCE /* MAP_ANONYMOUS, MADV_* */
#include "node/arena.h"

#include "base/alloc.h"
#include "base/list.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

enum {
    WORDS_PER_PAGE = IC_ARENA_PAGE_GRANULES / 64,
    /* Lists of split pages by how much is free of them: list k has pages with 2^k..2^(k+1)-1 free.
     */
    CLASSES = 10,
    LOOKS_PER_CLASS = 4,          /* split pages looked at for room in one piece, per list */
    HUGE_BYTES = 2 * 1024 * 1024, /* the processor's large page */
};

static_assert(1 << CLASSES == IC_ARENA_PAGE_GRANULES,
              "a split page has at most 2^CLASSES - 1 free");

struct split { /* a page of which some granules are used and some are free */
    struct ic_list node;
    uint32_t page;
    uint32_t free_count;
    uint64_t used[WORDS_PER_PAGE];
};

struct ic_arena {
    uint8_t *base;
    uint32_t page_count;
    uint32_t free_pages;     /* wholly free */
    uint32_t resident_pages; /* used since the start or the last trim */
    uint32_t resident_max;   /* see ic_arena_limit */
    uint32_t split_count;
    uint32_t lowest; /* no page below is free */
    uint64_t free_granules;
    uint64_t *page_used;     /* bit: not wholly free */
    uint64_t *page_resident; /* bit: has been used */
    struct split **split_of; /* by page */
    struct ic_list splits[CLASSES];
};

static bool bit_get(const uint64_t *bits, uint32_t i)
{
    return (bits[i / 64] >> (i % 64) & 1) != 0;
}

static void bit_set(uint64_t *bits, uint32_t i)
{
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static void bit_clear(uint64_t *bits, uint32_t i)
{
    bits[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

/* The first bit at or after FROM that is VALUE; END if there is none before. */
static uint32_t bit_next(const uint64_t *bits, uint32_t from, uint32_t end, bool value)
{
    while (from < end) {
        uint64_t word = value ? bits[from / 64] : ~bits[from / 64];
        word >>= from % 64;
        if (word != 0) {
            from += (uint32_t)__builtin_ctzll(word);
            return from < end ? from : end;
        }
        from = (from / 64 + 1) * 64;
    }
    return end;
}

struct ic_arena *ic_arena_new(uint64_t bytes)
{
    uint64_t pages = (bytes + IC_ARENA_PAGE_BYTES - 1) / IC_ARENA_PAGE_BYTES;
    if (pages == 0 || pages > UINT32_MAX / IC_ARENA_PAGE_GRANULES) {
        return NULL;
    }
    struct ic_arena *a = ic_calloc(1, sizeof(*a));
    if (a == NULL) {
        return NULL;
    }
    a->base = mmap(NULL, pages * IC_ARENA_PAGE_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    a->page_count = a->free_pages = a->resident_max = (uint32_t)pages;
    a->free_granules = pages * IC_ARENA_PAGE_GRANULES;
    for (size_t i = 0; i < CLASSES; i++) {
        ic_list_init(&a->splits[i]);
    }
    a->page_used = ic_calloc(pages / 64 + 1, sizeof(uint64_t));
    a->page_resident = ic_calloc(pages / 64 + 1, sizeof(uint64_t));
    a->split_of = ic_calloc(pages, sizeof(a->split_of[0]));
    if (a->base == MAP_FAILED || a->page_used == NULL || a->page_resident == NULL ||
        a->split_of == NULL) {
        ic_arena_free(a);
        return NULL;
    }
    /* A system that gives large pages unasked would make 2 MiB resident for a chunk of 1 KiB. */
    (void)madvise(a->base, pages * IC_ARENA_PAGE_BYTES, MADV_NOHUGEPAGE);
    return a;
}

void ic_arena_free(struct ic_arena *a)
{
    if (a == NULL) {
        return;
    }
    for (size_t i = 0; i < CLASSES; i++) {
        IC_LIST_EACH (node, &a->splits[i]) {
            ic_free(IC_CONTAINER(node, struct split, node));
        }
    }
    if (a->split_of != NULL) { /* full split pages are in no list */
        for (uint32_t i = 0; i < a->page_count; i++) {
            if (a->split_of[i] != NULL && a->split_of[i]->free_count == 0) {
                ic_free(a->split_of[i]);
            }
        }
    }
    if (a->base != MAP_FAILED) {
        munmap(a->base, (size_t)a->page_count * IC_ARENA_PAGE_BYTES);
    }
    ic_free(a->page_used);
    ic_free(a->page_resident);
    ic_free(a->split_of);
    ic_free(a);
}

/* ---- extents ---------------------------------------------------------------------- */

static uint32_t extents_room(const struct ic_extents *e)
{
    return e->capacity == 0 ? IC_EXTENTS_INSIDE : e->capacity;
}

/* Room for MORE; in all at least doubled. */
static int extents_grow(struct ic_extents *e, uint32_t more)
{
    uint32_t capacity = more > e->count ? e->count + more : 2 * e->count;
    struct ic_extent *list = ic_malloc(capacity * sizeof(*list));
    if (list == NULL) {
        return IC_ENOMEM;
    }
    memcpy(list, ic_extents_list(e), e->count * sizeof(*list));
    if (e->capacity > 0) {
        ic_free(e->list);
    }
    e->list = list;
    e->capacity = capacity;
    return 0;
}

static struct ic_extent *extents_own(struct ic_extents *e)
{
    return e->capacity == 0 ? e->inside : e->list;
}

static int extents_add(struct ic_extents *e, uint32_t start, uint32_t count)
{
    struct ic_extent *last = e->count == 0 ? NULL : &extents_own(e)[e->count - 1];
    if (last != NULL && last->start + last->count == start) {
        last->count += count;
        return 0;
    }
    if (e->count == extents_room(e) && extents_grow(e, 1) < 0) {
        return IC_ENOMEM;
    }
    extents_own(e)[e->count++] = (struct ic_extent){start, count};
    return 0;
}

/* ---- whole pages ------------------------------------------------------------------ */

/* Asks for large pages where the run covers them whole: fewer faults, and nothing more resident
 * than is used. Advice only. */
static void advise_huge(struct ic_arena *a, uint32_t page, uint32_t count)
{
    uintptr_t start = (uintptr_t)(a->base + (size_t)page * IC_ARENA_PAGE_BYTES);
    uintptr_t end = start + (size_t)count * IC_ARENA_PAGE_BYTES;
    start = (start + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
    end = end / HUGE_BYTES * HUGE_BYTES;
    if (start < end) {
        (void)madvise((void *)start, end - start, MADV_HUGEPAGE);
    }
}

static void take_pages(struct ic_arena *a, uint32_t page, uint32_t count)
{
    bool is_fresh = false;
    for (uint32_t i = page; i < page + count; i++) {
        bit_set(a->page_used, i);
        if (!bit_get(a->page_resident, i)) {
            bit_set(a->page_resident, i);
            a->resident_pages++;
            is_fresh = true;
        }
    }
    a->free_pages -= count;
    if (a->lowest == page) {
        a->lowest = page + count;
    }
    if (is_fresh) {
        advise_huge(a, page, count);
    }
}

/* The lowest run of COUNT free pages, or 0 pages. */
static uint32_t find_run(const struct ic_arena *a, uint32_t count, uint32_t *start)
{
    for (uint32_t at = a->lowest; at < a->page_count;) {
        at = bit_next(a->page_used, at, a->page_count, false);
        uint32_t most = a->page_count - at < count ? a->page_count : at + count;
        uint32_t end = bit_next(a->page_used, at, most, true);
        if (end - at == count) {
            *start = at;
            return count;
        }
        at = end;
    }
    return 0;
}

/* How many pages may become resident. */
static uint32_t fresh_pages(const struct ic_arena *a)
{
    return a->resident_max > a->resident_pages ? a->resident_max - a->resident_pages : 0;
}

/* The first page at or after FROM that is free and may be used; the number of pages if there is
 * none. */
static uint32_t next_page(const struct ic_arena *a, uint32_t from)
{
    uint32_t page = bit_next(a->page_used, from, a->page_count, false);
    while (page < a->page_count && fresh_pages(a) == 0 && !bit_get(a->page_resident, page)) {
        page = bit_next(a->page_used, page + 1, a->page_count, false);
    }
    return page;
}

static int add_pages(struct ic_arena *a, uint32_t start, uint32_t count, struct ic_extents *out)
{
    int result = extents_add(out, start * IC_ARENA_PAGE_GRANULES, count * IC_ARENA_PAGE_GRANULES);
    if (result == 0) {
        take_pages(a, start, count);
        a->free_granules -= (uint64_t)count * IC_ARENA_PAGE_GRANULES;
    }
    return result;
}

/* Up to COUNT pages: in one run if there is one, else the lowest ones. *GOT counts them. */
static int get_pages(struct ic_arena *a, uint32_t count, struct ic_extents *out, uint32_t *got)
{
    uint32_t page;
    *got = 0;
    if (count > 0 && count <= fresh_pages(a) && find_run(a, count, &page) == count) {
        *got = count;
        return add_pages(a, page, count, out);
    }
    for (page = a->lowest; *got < count; page++, (*got)++) {
        page = next_page(a, page);
        if (page == a->page_count) {
            break;
        }
        int result = add_pages(a, page, 1, out);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static void put_page(struct ic_arena *a, uint32_t page)
{
    bit_clear(a->page_used, page);
    a->free_pages++;
    if (page < a->lowest) {
        a->lowest = page;
    }
}

/* ---- split pages ------------------------------------------------------------------ */

/* Puts S into the list for its free granules; into none if it is full, or wholly free and about to
 * be used or released. */
static void file_split(struct ic_arena *a, struct split *s)
{
    ic_list_remove(&s->node);
    if (s->free_count > 0 && s->free_count < IC_ARENA_PAGE_GRANULES) {
        size_t class = 31U - (size_t)__builtin_clz(s->free_count);
        ic_list_push_front(&a->splits[class], &s->node);
    }
}

/* The lowest free page, split; NULL: no page or no memory. */
static struct split *new_split(struct ic_arena *a)
{
    uint32_t page = next_page(a, a->lowest);
    if (page == a->page_count) {
        return NULL;
    }
    struct split *s = ic_calloc(1, sizeof(*s));
    if (s == NULL) {
        return NULL;
    }
    ic_list_init(&s->node);
    s->page = page;
    s->free_count = IC_ARENA_PAGE_GRANULES;
    take_pages(a, s->page, 1);
    a->split_of[s->page] = s;
    a->split_count++;
    return s;
}

static void free_split(struct ic_arena *a, struct split *s)
{
    assert(s->free_count == IC_ARENA_PAGE_GRANULES);
    ic_list_remove(&s->node);
    a->split_of[s->page] = NULL;
    a->split_count--;
    put_page(a, s->page);
    ic_free(s);
}

/* The length of the free run at or after *AT in S, up to WANT; 0: none is left. */
static uint32_t free_run(const struct split *s, uint32_t *at, uint32_t want)
{
    *at = bit_next(s->used, *at, IC_ARENA_PAGE_GRANULES, false);
    uint32_t most = IC_ARENA_PAGE_GRANULES - *at < want ? IC_ARENA_PAGE_GRANULES : *at + want;
    return bit_next(s->used, *at, most, true) - *at;
}

static bool has_run(const struct split *s, uint32_t want)
{
    uint32_t at = 0, run;
    while ((run = free_run(s, &at, want)) > 0) {
        if (run == want) {
            return true;
        }
        at += run;
    }
    return false;
}

/* Takes up to WANT granules of S: in one piece if IN_ONE, else in as many as it takes. *GOT counts
 * them. */
static int take_granules(struct ic_arena *a, struct split *s, uint32_t want, bool in_one,
                         struct ic_extents *out, uint32_t *got)
{
    uint32_t at = 0, run;
    *got = 0;
    while (*got < want && (run = free_run(s, &at, want - *got)) > 0) {
        if (in_one && run < want) {
            at += run;
            continue;
        }
        if (extents_add(out, s->page * IC_ARENA_PAGE_GRANULES + at, run) < 0) {
            file_split(a, s);
            return IC_ENOMEM;
        }
        for (uint32_t i = at; i < at + run; i++) {
            bit_set(s->used, i);
        }
        s->free_count -= run;
        a->free_granules -= run;
        *got += run;
        at += run;
    }
    file_split(a, s);
    return 0;
}

/* A split page with WANT free granules in a row, old or new; NULL: none found. */
static struct split *find_split(struct ic_arena *a, uint32_t want)
{
    for (size_t class = 31U - (size_t)__builtin_clz(want); class < CLASSES; class ++) {
        int looks = LOOKS_PER_CLASS;
        IC_LIST_EACH (node, &a->splits[class]) {
            struct split *s = IC_CONTAINER(node, struct split, node);
            if (has_run(s, want)) {
                return s;
            }
            if (--looks == 0) {
                break;
            }
        }
    }
    return new_split(a);
}

/* WANT granules from whatever is free, the emptiest split pages first. */
static int get_fragments(struct ic_arena *a, uint64_t want, struct ic_extents *out)
{
    for (size_t class = CLASSES; want > 0 && class > 0; class --) {
        while (want > 0 && !ic_list_empty(&a->splits[class - 1])) {
            struct split *s = IC_CONTAINER(a->splits[class - 1].next, struct split, node);
            uint32_t most = want < s->free_count ? (uint32_t)want : s->free_count, got;
            int result = take_granules(a, s, most, false, out, &got);
            if (result < 0) {
                return result;
            }
            want -= got;
        }
    }
    return want == 0 ? 0 : IC_ENOSPC; /* the rest is in pages that may not be used, or not split */
}

static int get_tail(struct ic_arena *a, uint32_t want, struct ic_extents *out)
{
    struct split *s = find_split(a, want);
    if (s == NULL) {
        return get_fragments(a, want, out);
    }
    uint32_t got;
    int result = take_granules(a, s, want, true, out, &got);
    if (result < 0 && s->free_count == IC_ARENA_PAGE_GRANULES) {
        free_split(a, s);
    }
    return result;
}

int ic_arena_get(struct ic_arena *a, uint64_t len, struct ic_extents *out)
{
    uint64_t want = (len + IC_GRANULE_BYTES - 1) / IC_GRANULE_BYTES;
    *out = (struct ic_extents){0};
    if (len > ic_arena_bytes(a) || want > a->free_granules) {
        return IC_ENOSPC;
    }
    uint32_t pages = (uint32_t)(want / IC_ARENA_PAGE_GRANULES);
    uint32_t tail = (uint32_t)(want % IC_ARENA_PAGE_GRANULES);
    uint32_t got;
    int result = get_pages(a, pages, out, &got);
    if (result == 0 && tail > 0) {
        result = get_tail(a, tail, out);
    }
    if (result == 0 && got < pages) {
        result = get_fragments(a, (uint64_t)(pages - got) * IC_ARENA_PAGE_GRANULES, out);
    }
    if (result < 0) {
        ic_arena_put(a, out);
    }
    return result;
}

int ic_arena_extend(struct ic_arena *a, uint64_t len, struct ic_extents *extents)
{
    struct ic_extents more;
    int result = ic_arena_get(a, len, &more);
    if (result < 0) {
        return result;
    }
    uint32_t room = extents_room(extents) - extents->count;
    if (more.count > room && extents_grow(extents, more.count) < 0) {
        ic_arena_put(a, &more);
        return IC_ENOMEM;
    }
    const struct ic_extent *list = ic_extents_list(&more);
    for (uint32_t i = 0; i < more.count; i++) {
        result = extents_add(extents, list[i].start, list[i].count);
        assert(result == 0); /* there is room */
    }
    if (more.capacity > 0) {
        ic_free(more.list);
    }
    return 0;
}

/* Frees COUNT granules of one page from AT. */
static void put_granules(struct ic_arena *a, uint32_t page, uint32_t at, uint32_t count)
{
    struct split *s = a->split_of[page];
    if (s == NULL) {
        assert(at == 0 && count == IC_ARENA_PAGE_GRANULES);
        put_page(a, page);
        return;
    }
    for (uint32_t i = at; i < at + count; i++) {
        assert(bit_get(s->used, i));
        bit_clear(s->used, i);
    }
    s->free_count += count;
    if (s->free_count == IC_ARENA_PAGE_GRANULES) {
        free_split(a, s);
    } else {
        file_split(a, s);
    }
}

void ic_arena_put(struct ic_arena *a, struct ic_extents *extents)
{
    const struct ic_extent *list = ic_extents_list(extents);
    for (uint32_t i = 0; i < extents->count; i++) {
        uint32_t at = list[i].start, end = at + list[i].count;
        a->free_granules += list[i].count;
        while (at < end) {
            uint32_t page = at / IC_ARENA_PAGE_GRANULES;
            uint32_t next = (page + 1) * IC_ARENA_PAGE_GRANULES;
            next = next < end ? next : end;
            put_granules(a, page, at % IC_ARENA_PAGE_GRANULES, next - at);
            at = next;
        }
    }
    if (extents->capacity > 0) {
        ic_free(extents->list);
    }
    *extents = (struct ic_extents){0};
}

uint8_t *ic_arena_at(const struct ic_arena *a, uint32_t granule)
{
    return a->base + (size_t)granule * IC_GRANULE_BYTES;
}

uint64_t ic_arena_bytes(const struct ic_arena *a)
{
    return (uint64_t)a->page_count * IC_ARENA_PAGE_BYTES;
}

uint64_t ic_arena_free_bytes(const struct ic_arena *a)
{
    return a->free_granules * IC_GRANULE_BYTES;
}

uint64_t ic_arena_resident_bytes(const struct ic_arena *a)
{
    return (uint64_t)a->resident_pages * IC_ARENA_PAGE_BYTES;
}

uint64_t ic_arena_table_bytes(const struct ic_arena *a)
{
    return a->split_count * (sizeof(struct split) + 16);
}

void ic_arena_limit(struct ic_arena *a, uint64_t bytes)
{
    uint64_t pages = bytes / IC_ARENA_PAGE_BYTES;
    a->resident_max = pages < a->page_count ? (uint32_t)pages : a->page_count;
}

void ic_arena_trim(struct ic_arena *a, uint64_t keep)
{
    uint32_t page = a->page_count;
    while (page > 0 && ic_arena_resident_bytes(a) > keep) {
        page--; /* from the top: low pages are the first to be used again */
        if (bit_get(a->page_used, page) || !bit_get(a->page_resident, page)) {
            continue;
        }
        (void)madvise(a->base + (size_t)page * IC_ARENA_PAGE_BYTES, IC_ARENA_PAGE_BYTES,
                      MADV_DONTNEED);
        bit_clear(a->page_resident, page);
        a->resident_pages--;
    }
}
