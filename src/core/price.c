#include "core/price.h"

#include "base/config.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct ic_price table[] = {
#define ROW(id, name_, unit_, dollars_, source_, seen_)                                            \
    {.name = name_, .unit = unit_, .dollars = dollars_, .source = source_, .seen = seen_},
    IC_PRICES(ROW)
#undef ROW
/* Prices: the AWS Price List; memory: `maxmemory` in ElastiCache's list of node types. */
#define ROW(id, name_, memory_, dollars_)                                                          \
    {.name = name_,                                                                                \
     .unit = "$ per node and hour",                                                                \
     .dollars = dollars_,                                                                          \
     .memory_gib = memory_,                                                                        \
     .source = "https://aws.amazon.com/elasticache/pricing/",                                      \
     .seen = "2026-10-02"},
        IC_PRICE_NODES(ROW)
#undef ROW
};
static_assert(sizeof table / sizeof table[0] == IC_PRICE_COUNT, "a row per id");

const struct ic_price *ic_price(enum ic_price_id id)
{
    assert(id < IC_PRICE_COUNT);
    return &table[id];
}

void ic_prices_init(struct ic_prices *p)
{
    for (size_t i = 0; i < IC_PRICE_COUNT; i++) {
        p->dollars[i] = table[i].dollars;
    }
}

static int find(const char *name, size_t len)
{
    for (int i = 0; i < IC_PRICE_COUNT; i++) {
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0) {
            return i;
        }
    }
    return IC_ENOENT;
}

static int unknown(const char *name, size_t len, char *why, size_t why_size)
{
    int shown = len > 100 ? 100 : (int)len;
    int at = snprintf(why, why_size, "prices: unknown name '%.*s'; known are", shown, name);
    for (size_t i = 0; i < IC_PRICE_COUNT && at >= 0 && (size_t)at < why_size; i++) {
        at += snprintf(why + at, why_size - (size_t)at, " %s", table[i].name);
    }
    return IC_EINVAL;
}

/* One "name=value" of LEN bytes. */
static int take(struct ic_prices *p, const char *text, size_t len, char *why, size_t why_size)
{
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals == NULL ? len : (size_t)(equals - text);
    int id = find(text, name_len);
    if (id < 0) {
        return unknown(text, name_len, why, why_size);
    }
    char number[64] = "";
    size_t number_len = equals == NULL ? 0 : len - name_len - 1;
    if (number_len > 0 && number_len < sizeof number) {
        memcpy(number, equals + 1, number_len);
        number[number_len] = '\0';
    }
    char *end;
    double value = strtod(number, &end);
    if (end == number || *end != '\0' || !isfinite(value) || value < 0) {
        snprintf(why, why_size, "prices: '%.*s' must be %s=NUMBER, %s, of at least 0",
                 len > 100 ? 100 : (int)len, text, table[id].name, table[id].unit);
        return IC_EINVAL;
    }
    p->dollars[id] = value;
    return 0;
}

int ic_prices_parse(struct ic_prices *p, const char *text, char *why, size_t why_size)
{
    ic_prices_init(p);
    if (*text == '\0') {
        return 0;
    }
    int result;
    do {
        size_t len = strcspn(text, ",");
        result = take(p, text, len, why, why_size);
        text += len;
    } while (result == 0 && *text++ == ',');
    return result;
}

struct ic_rate ic_prices_rate(const struct ic_prices *p, int billing, int architecture,
                              uint64_t memory_bytes)
{
    enum ic_price_id id = billing == IC_BILLING_100MS             ? IC_PRICE_LAMBDA_2020_GB_SECOND
                          : architecture == IC_ARCHITECTURE_ARM64 ? IC_PRICE_LAMBDA_ARM_GB_SECOND
                                                                  : IC_PRICE_LAMBDA_X86_GB_SECOND;
    double gib = (double)memory_bytes / (1 << 30);
    return (struct ic_rate){
        .per_ms = p->dollars[id] * gib / 1000,
        .per_invocation = p->dollars[IC_PRICE_LAMBDA_MILLION] / 1e6,
        .granularity = billing == IC_BILLING_100MS ? 100 : 1,
    };
}

enum ic_price_id ic_prices_node(const struct ic_prices *p, uint64_t bytes)
{
    int best = IC_PRICE_COUNT;
    for (int i = IC_PRICE_NODE_FIRST; i < IC_PRICE_COUNT; i++) {
        bool fits = (double)bytes <= table[i].memory_gib * (1 << 30);
        if (fits && (best == IC_PRICE_COUNT || p->dollars[i] < p->dollars[best])) {
            best = i;
        }
    }
    return (enum ic_price_id)best;
}
