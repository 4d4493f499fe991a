/*
 * kernels.c - what the processor can do with a stripe: copying, encoding and summing, one core, for
 * bench/RESULTS.md. Prints one JSON object, GB/s (10^9 data bytes a second), the median of ROUNDS.
 *
 *   memcpy        100 MB to another 100 MB
 *   encode        10+2, units of 64 KiB: the data is read from memory, as in a benchmark of the
 * code encode_cached the same stripe again and again, as a PUT finds it after the socket was read
 *   crc32c        units of 64 KiB, read from memory
 */
#include "base/clock.h"
#include "code/rs.h"
#include "code/unit_crc.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { DATA = 10, PARITY = 2, UNIT = 64 * 1024, STRIPES = 160, ROUNDS = 9 };
#define DATA_BYTES ((size_t)STRIPES * DATA * UNIT)

static uint8_t *pages(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        perror("kernels: mmap");
        exit(2);
    }
    (void)madvise(at, bytes, MADV_HUGEPAGE);
    memset(at, 0x5a, bytes);
    return at;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct work {
    struct ic_rs *rs;
    uint8_t *data, *parity, *copy;
    uint32_t sum;
};

static void run_memcpy(struct work *w)
{
    memcpy(w->copy, w->data, DATA_BYTES);
}

static void encode(struct work *w, bool cached)
{
    for (size_t s = 0; s < STRIPES; s++) {
        uint8_t *unit[DATA + PARITY];
        uint8_t *stripe = w->data + (cached ? 0 : s * DATA * UNIT);
        for (size_t i = 0; i < DATA; i++) {
            unit[i] = stripe + i * UNIT;
        }
        for (size_t i = 0; i < PARITY; i++) {
            unit[DATA + i] = w->parity + i * UNIT;
        }
        ic_rs_encode(w->rs, UNIT, unit);
    }
}

static void run_encode(struct work *w)
{
    encode(w, false);
}

static void run_encode_cached(struct work *w)
{
    encode(w, true);
}

static void run_crc(struct work *w)
{
    for (uint32_t i = 0; i < STRIPES * DATA; i++) {
        w->sum ^= ic_unit_crc(1, 0, i, w->data + (size_t)i * UNIT, UNIT);
    }
}

static double median_gb_per_s(void (*run)(struct work *w), struct work *w)
{
    double rate[ROUNDS];
    for (int i = -1; i < ROUNDS; i++) { /* the first only warms up */
        uint64_t begun_us = ic_clock_mono_us();
        run(w);
        double us = (double)(ic_clock_mono_us() - begun_us);
        if (i >= 0) {
            rate[i] = (double)DATA_BYTES / 1e3 / (us > 0 ? us : 1);
        }
    }
    qsort(rate, ROUNDS, sizeof rate[0], by_value);
    return rate[ROUNDS / 2];
}

int main(void)
{
    struct work w = {.rs = ic_rs_new(DATA, PARITY),
                     .data = pages(DATA_BYTES),
                     .parity = pages((size_t)PARITY * UNIT),
                     .copy = pages(DATA_BYTES)};
    if (w.rs == NULL) {
        fputs("kernels: out of memory\n", stderr);
        return 2;
    }
    printf("{\"memcpy\": %.2f, ", median_gb_per_s(run_memcpy, &w));
    printf("\"encode\": %.2f, ", median_gb_per_s(run_encode, &w));
    printf("\"encode_cached\": %.2f, ", median_gb_per_s(run_encode_cached, &w));
    printf("\"crc32c\": %.2f, \"sum\": %u}\n", median_gb_per_s(run_crc, &w), w.sum);
    ic_rs_free(w.rs);
    return 0;
}
