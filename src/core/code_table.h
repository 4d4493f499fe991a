/*
 * code_table.h - the erasure code of an object by its size, from the directive
 * `code-table`: "256kb:1+2,4mb:4+2,*:10+2" = below 256 KiB 1 data and 2 parity chunks,
 * below 4 MiB 4+2, else 10+2.
 */
#ifndef IC_CORE_CODE_TABLE_H
#define IC_CORE_CODE_TABLE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    IC_CODE_ROWS_MAX = 16,
    IC_CODE_DATA_MAX = 32,   /* d */
    IC_CODE_PARITY_MAX = 16, /* p */
};

struct ic_code_row {
    uint64_t below; /* sizes less than this; UINT64_MAX in the last row */
    uint16_t data, parity;
};

struct ic_code_table {
    struct ic_code_row row[IC_CODE_ROWS_MAX];
    size_t count;
};

/* On an error WHY (WHY_SIZE bytes) says what is wrong with TEXT. IC_EINVAL. */
int ic_code_table_parse(struct ic_code_table *t, const char *text, char *why,
                        size_t why_size) IC_MUST_USE;
const struct ic_code_row *ic_code_table_pick(const struct ic_code_table *t, uint64_t size);
/* IC_ERANGE and WHY, naming the code, if a row needs more than FUNCTIONS functions. */
int ic_code_table_check(const struct ic_code_table *t, uint32_t functions, char *why,
                        size_t why_size) IC_MUST_USE;

#endif
