#include "cli/plan_space.h"

#include "base/alloc.h"
#include "core/code_table.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static const double gib = 1 << 30, capacity_step = 1.1;

struct dimension {
    const char *name;         /* of the directive; that of the capacity is `functions` */
    const char *const *value; /* texts, in order if it has one */
    unsigned count;
    bool ordered;
    uint8_t start;
};

static const char *const memories[] = {"128mb", "192mb", "256mb",  "384mb",  "512mb",
                                       "768mb", "1gb",   "1536mb", "2gb",    "3gb",
                                       "4gb",   "6gb",   "8gb",    "10240mb"};
/* From few functions per object to many, with little parity and with much: parity costs memory of
 * functions that sleep, which is nearly free, while copies and repairs cost time of those awake. */
static const char *const codes[] = {
    "*:1+1",
    "*:1+2",
    "*:1+3",
    "*:1+4",
    "1mb:1+1,*:2+1",
    "1mb:1+2,*:2+2",
    "1mb:1+3,*:2+3",
    "1mb:1+4,*:2+4",
    "1mb:1+5,*:2+5",
    "1mb:1+6,*:2+6",
    "1mb:1+7,*:2+7",
    "20mb:1+2,100mb:2+3,*:4+4",
    "1mb:1+1,*:4+1",
    "1mb:1+2,*:4+2",
    "1mb:1+2,*:4+3",
    "1mb:1+3,*:4+4",
    "1mb:1+5,*:4+6",
    "1mb:1+2,*:6+3",
    "1mb:1+3,*:6+4",
    "1mb:1+3,100mb:4+4,*:10+5",
    "64kb:1+1,1mb:2+1,*:10+1",
    "64kb:1+2,1mb:4+2,*:10+2",
    "256kb:1+2,4mb:4+2,*:10+2",
    "64kb:1+3,1mb:4+3,*:10+4",
};
static const char *const evictions[] = {"gdsf", "sieve", "s3fifo", "lru", "clock"};
static const char *const warms[] = {"0",  "30s", "1m",  "2m",  "3m",  "4m",  "5m", "7m",
                                    "9m", "12m", "14m", "20m", "26m", "40m", "60m"};
static const char *const backups[] = {"0", "1m", "2m", "5m", "10m", "20m", "60m"};
static const char *const repairs[] = {"off", "lazy", "eager"};
static const char *const latencies[] = {"0", "0.000003", "0.00003", "0.0003", "0.003"};
static const char *const hedges[] = {"off", "adaptive", "always"};
static const char *const architectures[] = {"x86_64", "arm64"};

#define VALUES(texts) .value = (texts), .count = sizeof(texts) / sizeof((texts)[0])

static const struct dimension dimensions[] = {
    [IC_PLAN_CAPACITY] = {.name = "functions", .count = IC_PLAN_CAPACITIES, .ordered = true},
    [IC_PLAN_MEMORY] = {.name = "memory", VALUES(memories), .ordered = true, .start = 6},
    [IC_PLAN_CODE] = {.name = "code-table", VALUES(codes), .ordered = true, .start = 13},
    [IC_PLAN_EVICTION] = {.name = "eviction", VALUES(evictions)},
    [IC_PLAN_WARM] = {.name = "warm-interval", VALUES(warms), .ordered = true, .start = 2},
    [IC_PLAN_BACKUP] = {.name = "backup-interval", VALUES(backups), .ordered = true},
    [IC_PLAN_REPAIR] = {.name = "repair", VALUES(repairs), .ordered = true, .start = 2},
    [IC_PLAN_LATENCY] = {.name = "latency-value", VALUES(latencies), .ordered = true},
    [IC_PLAN_HEDGE] = {.name = "hedge", VALUES(hedges)},
    [IC_PLAN_ARCHITECTURE] = {.name = "architecture", VALUES(architectures), .start = 1},
};

void ic_plan_space_init(struct ic_plan_space *s, const struct ic_config *base,
                        bool (*said)(void *ctx, const char *name), void *ctx)
{
    s->base = base;
    for (int d = 0; d < IC_PLAN_DIMENSIONS; d++) {
        s->fixed[d] = said(ctx, dimensions[d].name);
    }
}

unsigned ic_plan_space_count(const struct ic_plan_space *s, enum ic_plan_dimension d)
{
    return s->fixed[d] ? 1 : dimensions[d].count;
}

bool ic_plan_space_ordered(enum ic_plan_dimension d)
{
    return dimensions[d].ordered;
}

const char *ic_plan_space_name(enum ic_plan_dimension d)
{
    return dimensions[d].name;
}

/* ---- points ----------------------------------------------------------------- */

static uint8_t nearest_capacity(double bytes)
{
    double step = log(bytes > gib ? bytes / gib : 1) / log(capacity_step);
    return step < IC_PLAN_CAPACITIES - 1 ? (uint8_t)(step + 0.5) : IC_PLAN_CAPACITIES - 1;
}

struct ic_plan_point ic_plan_space_start(const struct ic_plan_space *s, double bytes)
{
    struct ic_plan_point p;
    for (int d = 0; d < IC_PLAN_DIMENSIONS; d++) {
        p.at[d] = s->fixed[d] ? 0 : dimensions[d].start;
    }
    if (!s->fixed[IC_PLAN_CAPACITY]) {
        p.at[IC_PLAN_CAPACITY] = nearest_capacity(bytes);
    }
    return p;
}

/* Sets the directive of D to TEXT, which is of our own table. */
static void set(struct ic_config *c, const char *name, const char *text)
{
    char why[IC_WHY_MAX];
    int result = ic_config_set(c, ic_slice_str(name), ic_slice_str(text), why);
    if (result == IC_ENOMEM) {
        abort(); /* there is nothing to save */
    }
    assert(result == 0);
}

struct ic_plan_point ic_plan_space_with_memory(const struct ic_plan_space *s,
                                               struct ic_plan_point p, uint64_t memory)
{
    struct ic_config *c = ic_config_new();
    for (uint8_t i = 0; i < ic_plan_space_count(s, IC_PLAN_MEMORY); i++) {
        set(c, "memory", memories[i]);
        p.at[IC_PLAN_MEMORY] = i;
        if ((uint64_t)c->memory >= memory) {
            break;
        }
    }
    p.at[IC_PLAN_MEMORY] = s->fixed[IC_PLAN_MEMORY] ? 0 : p.at[IC_PLAN_MEMORY];
    ic_config_free(c);
    return p;
}

/* ---- configurations --------------------------------------------------------- */

/* The functions that an object needs at most. */
static uint64_t widest_code(const char *text)
{
    struct ic_code_table t;
    char why[256];
    uint64_t most = 1;
    if (ic_code_table_parse(&t, text, why, sizeof why) < 0) {
        return most; /* the user's own, and wrong: the simulation will say so */
    }
    for (size_t i = 0; i < t.count; i++) {
        uint64_t need = (uint64_t)t.row[i].data + t.row[i].parity;
        most = need > most ? need : most;
    }
    return most;
}

static int64_t functions_of(const struct ic_config *c, uint8_t capacity)
{
    double bytes = gib * pow(capacity_step, capacity);
    uint64_t least = widest_code(c->code_table);
    uint64_t functions = (uint64_t)(bytes / (double)c->memory + 0.5);
    functions = functions < least ? least : functions;
    return (int64_t)(functions < IC_PLAN_FUNCTIONS_MAX ? functions : IC_PLAN_FUNCTIONS_MAX);
}

struct ic_config *ic_plan_space_config(const struct ic_plan_space *s, struct ic_plan_point p)
{
    struct ic_config *c = ic_config_copy(s->base);
    for (int d = IC_PLAN_CAPACITY + 1; d < IC_PLAN_DIMENSIONS; d++) {
        if (!s->fixed[d]) {
            set(c, dimensions[d].name, dimensions[d].value[p.at[d]]);
        }
    }
    if (!s->fixed[IC_PLAN_CAPACITY]) {
        c->functions = functions_of(c, p.at[IC_PLAN_CAPACITY]);
    }
    return c;
}

int ic_plan_space_difference(const struct ic_plan_space *s, struct ic_plan_point from,
                             struct ic_plan_point p, struct ic_buf *out)
{
    int result = 0;
    size_t before = out->len;
    struct ic_config *a = ic_plan_space_config(s, from), *b = ic_plan_space_config(s, p);
    if (a->functions != b->functions) {
        result = ic_buf_printf(out, "functions %" PRId64, b->functions);
    }
    for (int d = IC_PLAN_CAPACITY + 1; d < IC_PLAN_DIMENSIONS && result == 0; d++) {
        if (from.at[d] != p.at[d]) {
            result = ic_buf_printf(out, "%s%s %s", out->len > before ? ", " : "",
                                   dimensions[d].name, dimensions[d].value[p.at[d]]);
        }
    }
    ic_config_free(a);
    ic_config_free(b);
    return result;
}
