#include "cli/workload.h"

#include "base/alloc.h"
#include "base/quantity.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIZES_MAX = 64 };

enum shape { LIST, UNIFORM, LOG_UNIFORM };

struct ic_workload {
    uint64_t keys, position;
    enum ic_workload_order order;
    double get_share;
    struct ic_rng rng;
    double *popularity; /* of a Zipf order: cumulative, keys of them */
    enum shape shape;
    size_t sizes;
    uint64_t size[SIZES_MAX]; /* of a list; least and most of a range */
    double upto[SIZES_MAX];   /* of a list: cumulative share of the keys */
};

static int complain(char *why, const char *sizes)
{
    snprintf(why, IC_WORKLOAD_WHY_MAX,
             "bad sizes '%.80s': write 1mb, or 1kb,10mb, or 1kb:9,10mb:1 (weights), or "
             "uniform:1kb-1mb, or loguniform:1kb-1gb",
             sizes);
    return IC_EINVAL;
}

/* "10mb" or "10mb:3". */
static int parse_size(struct ic_slice text, uint64_t *size, double *weight)
{
    const uint8_t *colon = text.len == 0 ? NULL : memchr(text.data, ':', text.len);
    struct ic_slice number = text;
    int64_t bytes, parts = 1;
    if (colon != NULL) {
        number.len = (size_t)(colon - text.data);
        struct ic_slice rest = ic_slice(colon + 1, text.len - number.len - 1);
        if (ic_slice_to_i64(rest, &parts) < 0 || parts < 1) {
            return IC_EINVAL;
        }
    }
    if (ic_quantity_bytes(number, &bytes) < 0 || bytes < 0) {
        return IC_EINVAL;
    }
    *size = (uint64_t)bytes;
    *weight = (double)parts;
    return 0;
}

static int parse_list(struct ic_workload *w, const char *text)
{
    double sum = 0;
    while (true) {
        size_t len = strcspn(text, ",");
        double weight;
        if (w->sizes == SIZES_MAX ||
            parse_size(ic_slice(text, len), &w->size[w->sizes], &weight) < 0) {
            return IC_EINVAL;
        }
        sum += weight;
        w->upto[w->sizes++] = sum;
        if (text[len] == '\0') {
            break;
        }
        text += len + 1;
    }
    for (size_t i = 0; i < w->sizes; i++) {
        w->upto[i] /= sum;
    }
    return 0;
}

static int parse_range(struct ic_workload *w, const char *text)
{
    double weight;
    size_t len = strcspn(text, "-");
    if (text[len] == '\0' || parse_size(ic_slice(text, len), &w->size[0], &weight) < 0 ||
        parse_size(ic_slice_str(text + len + 1), &w->size[1], &weight) < 0 ||
        w->size[0] > w->size[1] || (w->shape == LOG_UNIFORM && w->size[0] == 0)) {
        return IC_EINVAL;
    }
    return 0;
}

static int parse_sizes(struct ic_workload *w, const char *text, char *why)
{
    static const char uniform[] = "uniform:", log_uniform[] = "loguniform:";
    int result;
    if (strncmp(text, uniform, sizeof uniform - 1) == 0) {
        w->shape = UNIFORM;
        result = parse_range(w, text + sizeof uniform - 1);
    } else if (strncmp(text, log_uniform, sizeof log_uniform - 1) == 0) {
        w->shape = LOG_UNIFORM;
        result = parse_range(w, text + sizeof log_uniform - 1);
    } else {
        result = parse_list(w, text);
    }
    return result < 0 ? complain(why, text) : 0;
}

static int rank_keys(struct ic_workload *w, double exponent)
{
    w->popularity = ic_calloc(w->keys, sizeof *w->popularity);
    if (w->popularity == NULL) {
        return IC_ENOMEM;
    }
    double sum = 0;
    for (uint64_t i = 0; i < w->keys; i++) {
        sum += pow((double)(i + 1), -exponent);
        w->popularity[i] = sum;
    }
    return 0;
}

int ic_workload_new(const struct ic_workload_settings *settings, struct ic_workload **out,
                    char *why)
{
    if (settings->keys < 1 || settings->keys > IC_WORKLOAD_KEYS_MAX) {
        snprintf(why, IC_WORKLOAD_WHY_MAX, "keys must be from 1 to %d", IC_WORKLOAD_KEYS_MAX);
        return IC_EINVAL;
    }
    struct ic_workload *w = ic_calloc(1, sizeof *w);
    int result = w == NULL ? IC_ENOMEM : 0;
    if (result == 0) {
        w->keys = settings->keys;
        w->order = settings->order;
        w->get_share = settings->get_percent / 100;
        ic_rng_init(&w->rng, settings->seed + 1);
        result = parse_sizes(w, settings->sizes, why);
    }
    if (result == 0 && w->order == IC_ORDER_ZIPF) {
        result = rank_keys(w, settings->zipf);
    }
    if (result < 0) {
        if (result == IC_ENOMEM) {
            snprintf(why, IC_WORKLOAD_WHY_MAX, "%s", ic_error_text(result));
        }
        ic_workload_free(w);
        return result;
    }
    *out = w;
    return 0;
}

void ic_workload_free(struct ic_workload *w)
{
    if (w != NULL) {
        ic_free(w->popularity);
        ic_free(w);
    }
}

uint64_t ic_workload_keys(const struct ic_workload *w)
{
    return w->keys;
}

/* ---- sizes ------------------------------------------------------------------ */

/*
 * Key k has the place frac((k + 1/2) * golden ratio) in the distribution: any number of keys in a
 * row then has the sizes in nearly the right proportions (a Weyl sequence), without a draw.
 */
uint64_t ic_workload_size(const struct ic_workload *w, uint64_t key)
{
    double place = ((double)key + 0.5) * 0.61803398874989485;
    place -= floor(place);
    double least = (double)w->size[0], most = (double)w->size[1];
    switch (w->shape) {
    case UNIFORM:
        return w->size[0] + (uint64_t)(place * (most - least + 1));
    case LOG_UNIFORM:
        return (uint64_t)(least * pow(most / least, place) + 0.5);
    case LIST:
        break;
    }
    size_t i = 0;
    while (i + 1 < w->sizes && place >= w->upto[i]) {
        i++;
    }
    return w->size[i];
}

/* ---- operations ------------------------------------------------------------- */

/* Uniform in [0, 1). */
static double chance(struct ic_workload *w)
{
    return (double)(ic_rng_next(&w->rng) >> 11) * 0x1p-53;
}

static uint64_t popular_key(struct ic_workload *w)
{
    double wanted = chance(w) * w->popularity[w->keys - 1];
    uint64_t low = 0, high = w->keys - 1;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (w->popularity[middle] > wanted) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

uint64_t ic_workload_next(struct ic_workload *w, bool *get)
{
    *get = w->get_share >= 1 || chance(w) < w->get_share;
    switch (w->order) {
    case IC_ORDER_UNIFORM:
        return ic_rng_below(&w->rng, w->keys);
    case IC_ORDER_ZIPF:
        return popular_key(w);
    case IC_ORDER_SEQUENCE:
        break;
    }
    return w->position++ % w->keys;
}
