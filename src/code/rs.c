#include "code/rs.h"

#include "base/alloc.h"
#include "base/list.h"

#include <assert.h>
#include <isa-l/erasure_code.h>
#include <limits.h>
#include <string.h>

enum { IC_GF_TABLE_BYTES = 32 }; /* ISA-L expands each coefficient to so many */

/* Coefficients that make the units of WANTED from the d lowest of HELD, expanded. */
struct rebuild_table {
    struct ic_list node; /* in ic_rs.tables, most recently used first */
    uint64_t used;       /* exactly d bits */
    uint64_t wanted;
    uint8_t expanded[]; /* count(wanted) * d * IC_GF_TABLE_BYTES */
};

struct ic_rs {
    struct ic_list node; /* in a set */
    uint16_t data, parity;
    uint32_t table_count;
    struct ic_list tables;
    uint8_t *matrix;   /* (d + p) rows of d */
    uint8_t *expanded; /* the parity rows */
};

struct ic_rs *ic_rs_new(uint16_t data, uint16_t parity)
{
    assert(data > 0 && data <= IC_RS_CHUNKS_MAX && parity <= IC_RS_CHUNKS_MAX - data);
    size_t matrix_bytes = (size_t)(data + parity) * data;
    size_t expanded_bytes = (size_t)parity * data * IC_GF_TABLE_BYTES;
    struct ic_rs *rs = ic_calloc(1, sizeof *rs + matrix_bytes + expanded_bytes);
    if (rs == NULL) {
        return NULL;
    }
    ic_list_init(&rs->node);
    ic_list_init(&rs->tables);
    rs->data = data;
    rs->parity = parity;
    rs->matrix = (uint8_t *)(rs + 1);
    rs->expanded = rs->matrix + matrix_bytes;
    if (data == 1) {
        memset(rs->matrix, 1, matrix_bytes); /* copies */
    } else {
        gf_gen_cauchy1_matrix(rs->matrix, data + parity, data);
    }
    if (parity > 0) {
        ec_init_tables(data, parity, rs->matrix + (size_t)data * data, rs->expanded);
    }
    return rs;
}

void ic_rs_free(struct ic_rs *rs)
{
    if (rs == NULL) {
        return;
    }
    struct ic_list *node;
    while ((node = ic_list_pop_front(&rs->tables)) != NULL) {
        ic_free(IC_CONTAINER(node, struct rebuild_table, node));
    }
    ic_list_remove(&rs->node);
    ic_free(rs);
}

static void copy_unit(uint8_t *to, const uint8_t *from, size_t len)
{
    if (to != from) {
        memcpy(to, from, len);
    }
}

/* ISA-L takes lengths as int. */
static void multiply(size_t len, uint16_t data, uint32_t rows, uint8_t *expanded, uint8_t **from,
                     uint8_t **to)
{
    assert(len <= INT_MAX);
    ec_encode_data((int)len, data, (int)rows, expanded, from, to);
}

void ic_rs_encode(struct ic_rs *rs, size_t len, uint8_t *const unit[])
{
    uint8_t *from[IC_RS_CHUNKS_MAX], *to[IC_RS_CHUNKS_MAX];
    if (rs->parity == 0 || len == 0) {
        return;
    }
    if (rs->data == 1) {
        for (uint16_t i = 0; i < rs->parity; i++) {
            copy_unit(unit[1 + i], unit[0], len);
        }
        return;
    }
    memcpy(from, unit, rs->data * sizeof *from);
    memcpy(to, unit + rs->data, rs->parity * sizeof *to);
    multiply(len, rs->data, rs->parity, rs->expanded, from, to);
}

/* The d lowest bits of HELD; requires that there are as many. */
static uint64_t lowest_bits(uint64_t held, uint16_t count)
{
    uint64_t used = 0;
    for (uint16_t i = 0; i < count; i++) {
        used |= held & -held;
        held &= held - 1;
    }
    return used;
}

/* Row CHUNK of the matrix times the inverse of the rows USED: how CHUNK is made from those units.
 */
static void make_row(const struct ic_rs *rs, uint32_t chunk, const uint8_t *inverse, uint8_t *row)
{
    const uint16_t d = rs->data;
    const uint8_t *code = rs->matrix + (size_t)chunk * d;
    for (uint16_t column = 0; column < d; column++) {
        uint8_t sum = 0;
        for (uint16_t k = 0; k < d; k++) {
            sum ^= gf_mul(code[k], inverse[(size_t)k * d + column]);
        }
        row[column] = sum;
    }
}

/* SCRATCH: 2 * d * d bytes and IC_RS_CHUNKS_MAX * d behind them. */
static void fill_table(const struct ic_rs *rs, struct rebuild_table *t, uint8_t *scratch)
{
    const uint16_t d = rs->data;
    uint8_t *rows = scratch, *inverse = rows + (size_t)d * d,
            *coefficients = inverse + (size_t)d * d;
    uint16_t row = 0;
    for (uint64_t left = t->used; left != 0; left &= left - 1, row++) {
        memcpy(rows + (size_t)row * d, rs->matrix + (size_t)__builtin_ctzll(left) * d, d);
    }
    int singular = gf_invert_matrix(rows, inverse, d);
    assert(singular == 0); /* any d rows of a systematic Cauchy matrix are independent */
    (void)singular;
    uint32_t count = 0;
    for (uint64_t left = t->wanted; left != 0; left &= left - 1, count++) {
        make_row(rs, (uint32_t)__builtin_ctzll(left), inverse, coefficients + (size_t)count * d);
    }
    ec_init_tables(d, (int)count, coefficients, t->expanded);
}

static struct rebuild_table *find_table(struct ic_rs *rs, uint64_t used, uint64_t wanted)
{
    IC_LIST_EACH (node, &rs->tables) {
        struct rebuild_table *t = IC_CONTAINER(node, struct rebuild_table, node);
        if (t->used == used && t->wanted == wanted) {
            ic_list_remove(&t->node);
            ic_list_push_front(&rs->tables, &t->node);
            return t;
        }
    }
    return NULL;
}

static struct rebuild_table *make_table(struct ic_rs *rs, uint64_t used, uint64_t wanted)
{
    const size_t d = rs->data, count = (size_t)__builtin_popcountll(wanted);
    uint8_t *scratch = ic_malloc(2 * d * d + IC_RS_CHUNKS_MAX * d);
    struct rebuild_table *t = ic_malloc(sizeof *t + count * d * IC_GF_TABLE_BYTES);
    if (scratch == NULL || t == NULL) {
        ic_free(scratch);
        ic_free(t);
        return NULL;
    }
    t->used = used;
    t->wanted = wanted;
    fill_table(rs, t, scratch);
    ic_free(scratch);
    if (rs->table_count == IC_RS_CACHE_TABLES) {
        struct rebuild_table *oldest = IC_CONTAINER(rs->tables.prev, struct rebuild_table, node);
        ic_list_remove(&oldest->node);
        ic_free(oldest);
        rs->table_count--;
    }
    ic_list_push_front(&rs->tables, &t->node);
    rs->table_count++;
    return t;
}

int ic_rs_rebuild(struct ic_rs *rs, size_t len, uint64_t held, uint64_t wanted,
                  uint8_t *const unit[])
{
    assert((held & wanted) == 0);
    uint8_t *from[IC_RS_CHUNKS_MAX], *to[IC_RS_CHUNKS_MAX];
    uint32_t count = 0;
    if (__builtin_popcountll(held) < rs->data) {
        return IC_ERANGE;
    }
    if (wanted == 0 || len == 0) {
        return 0;
    }
    uint64_t used = lowest_bits(held, rs->data);
    for (uint64_t left = wanted; left != 0; left &= left - 1) {
        to[count++] = unit[__builtin_ctzll(left)];
    }
    if (rs->data == 1) {
        for (uint32_t i = 0; i < count; i++) {
            copy_unit(to[i], unit[__builtin_ctzll(used)], len);
        }
        return 0;
    }
    struct rebuild_table *t = find_table(rs, used, wanted);
    if (t == NULL && (t = make_table(rs, used, wanted)) == NULL) {
        return IC_ENOMEM;
    }
    uint32_t i = 0;
    for (uint64_t left = used; left != 0; left &= left - 1) {
        from[i++] = unit[__builtin_ctzll(left)];
    }
    multiply(len, rs->data, count, t->expanded, from, to);
    return 0;
}

struct ic_rs_set {
    struct ic_list codes;
};

struct ic_rs_set *ic_rs_set_new(void)
{
    struct ic_rs_set *set = ic_malloc(sizeof *set);
    if (set != NULL) {
        ic_list_init(&set->codes);
    }
    return set;
}

void ic_rs_set_free(struct ic_rs_set *set)
{
    if (set == NULL) {
        return;
    }
    IC_LIST_EACH (node, &set->codes) {
        ic_rs_free(IC_CONTAINER(node, struct ic_rs, node));
    }
    ic_free(set);
}

struct ic_rs *ic_rs_set_get(struct ic_rs_set *set, uint16_t data, uint16_t parity)
{
    IC_LIST_EACH (node, &set->codes) {
        struct ic_rs *rs = IC_CONTAINER(node, struct ic_rs, node);
        if (rs->data == data && rs->parity == parity) {
            return rs;
        }
    }
    struct ic_rs *rs = ic_rs_new(data, parity);
    if (rs != NULL) {
        ic_list_push_back(&set->codes, &rs->node);
    }
    return rs;
}
