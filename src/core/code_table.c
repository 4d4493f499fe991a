#include "core/code_table.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A size with its suffix, or "*". Advances *AT. */
static int parse_below(const char **at, uint64_t *out)
{
    if (**at == '*') {
        *out = UINT64_MAX;
        (*at)++;
        return 0;
    }
    if (!isdigit((unsigned char)**at)) {
        return IC_EINVAL;
    }
    char *end;
    unsigned long long number = strtoull(*at, &end, 10);
    static const struct {
        const char *suffix;
        unsigned shift;
    } suffixes[] = {{"kb", 10}, {"mb", 20}, {"gb", 30}, {"b", 0}};
    unsigned shift = 0;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        size_t len = strlen(suffixes[i].suffix);
        if (strncasecmp(end, suffixes[i].suffix, len) == 0) {
            shift = suffixes[i].shift;
            end += len;
            break;
        }
    }
    if (number == 0 || number > (UINT64_C(1) << 50) >> shift) {
        return IC_EINVAL;
    }
    *out = (uint64_t)number << shift;
    *at = end;
    return 0;
}

static int parse_count(const char **at, uint16_t least, uint16_t most, uint16_t *out)
{
    if (!isdigit((unsigned char)**at)) {
        return IC_EINVAL;
    }
    char *end;
    unsigned long number = strtoul(*at, &end, 10);
    if (number < least || number > most) {
        return IC_EINVAL;
    }
    *out = (uint16_t)number;
    *at = end;
    return 0;
}

static const char *parse_row(const char **at, struct ic_code_row *row)
{
    if (parse_below(at, &row->below) < 0) {
        return "a size (64kb, 1mb, ...) or * is expected";
    }
    if (**at != ':') {
        return "':' is expected after the size";
    }
    (*at)++;
    if (parse_count(at, 1, IC_CODE_DATA_MAX, &row->data) < 0) {
        return "the data chunks must be 1 to 32";
    }
    if (**at != '+') {
        return "'+' is expected after the data chunks";
    }
    (*at)++;
    if (parse_count(at, 0, IC_CODE_PARITY_MAX, &row->parity) < 0) {
        return "the parity chunks must be 0 to 16";
    }
    return NULL;
}

int ic_code_table_parse(struct ic_code_table *t, const char *text, char *why, size_t why_size)
{
    *t = (struct ic_code_table){0};
    const char *at = text;
    const char *wrong = NULL;
    while (wrong == NULL) {
        if (t->count == IC_CODE_ROWS_MAX) {
            wrong = "there are more than 16 rows";
            break;
        }
        struct ic_code_row *row = &t->row[t->count++];
        wrong = parse_row(&at, row);
        if (wrong != NULL) {
            break;
        }
        if (t->count > 1 && row->below <= row[-1].below) {
            wrong = "sizes must rise";
        } else if (*at == '\0') {
            if (row->below == UINT64_MAX) {
                return 0;
            }
            wrong = "the last size must be *";
        } else if (*at++ != ',') {
            wrong = "',' is expected between rows";
        }
    }
    snprintf(why, why_size, "code-table '%s': %s (at character %zu)", text, wrong,
             (size_t)(at - text) + 1);
    return IC_EINVAL;
}

const struct ic_code_row *ic_code_table_pick(const struct ic_code_table *t, uint64_t size)
{
    size_t i = 0;
    while (i + 1 < t->count && size >= t->row[i].below) {
        i++;
    }
    return &t->row[i];
}

int ic_code_table_check(const struct ic_code_table *t, uint32_t functions, char *why,
                        size_t why_size)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct ic_code_row *row = &t->row[i];
        if ((uint32_t)row->data + row->parity > functions) {
            snprintf(why, why_size,
                     "code %u+%u of code-table needs %u functions, the pool has %u: raise "
                     "`functions` or choose a smaller code",
                     row->data, row->parity, row->data + row->parity, functions);
            return IC_ERANGE;
        }
    }
    return 0;
}
