#include "cli/top_data.h"

#include "base/alloc.h"
#include "cli/info.h"

#include <math.h>
#include <stdio.h>

/* ---- a reply, piece by piece ------------------------------------------------ */

struct piece {
    char type;            /* its first byte */
    bool is_container;    /* `count` pieces follow */
    uint64_t count;       /* of a map: keys and values */
    struct ic_slice text; /* of everything else */
};

/* Takes LENGTH bytes and the end of their line. */
static int take_bulk(struct ic_slice *in, uint64_t length, struct ic_slice *out)
{
    enum { TAIL = 2 };
    if (in->len < TAIL || length > in->len - TAIL) {
        return IC_EPROTO;
    }
    *out = ic_slice(in->data, (size_t)length);
    in->data += length + TAIL;
    in->len -= length + TAIL;
    return 0;
}

static int take(struct ic_slice *in, struct piece *p)
{
    struct ic_slice line;
    int64_t number = 0;
    if (!ic_slice_next_line(in, &line) || line.len == 0) {
        return IC_EPROTO;
    }
    *p = (struct piece){.type = (char)line.data[0], .text = ic_slice(line.data + 1, line.len - 1)};
    bool is_bulk = p->type == '$' || p->type == '=' || p->type == '!';
    p->is_container = p->type == '*' || p->type == '~' || p->type == '%' || p->type == '>';
    if (!is_bulk && !p->is_container) {
        return 0;
    }
    if (ic_slice_to_i64(p->text, &number) < 0 || number < -1) {
        return IC_EPROTO;
    }
    uint64_t length = number < 0 ? 0 : (uint64_t)number;
    if (is_bulk) {
        p->text = ic_slice(NULL, 0);
        return number < 0 ? 0 : take_bulk(in, length, &p->text);
    }
    p->count = p->type == '%' ? 2 * length : length;
    return p->count > in->len ? IC_EPROTO : 0; /* each piece has a byte at least */
}

/* Takes a whole value, containers with what they hold, of which P was the beginning. */
static int skip_rest(struct ic_slice *in, const struct piece *p)
{
    struct piece inner;
    for (uint64_t pending = p->count; pending > 0; pending--) {
        if (take(in, &inner) < 0) {
            return IC_EPROTO;
        }
        pending += inner.count;
    }
    return 0;
}

/* TEXT as a number; NAN if it is none. */
static double number_of(struct ic_slice text)
{
    double value;
    return ic_slice_to_real(text, &value) < 0 ? NAN : value;
}

static bool is_text(struct ic_slice a, const char *text)
{
    return ic_slice_equal(a, ic_slice_str(text));
}

static void copy_text(struct ic_slice from, char *to, size_t size)
{
    snprintf(to, size, "%.*s", (int)(from.len < size ? from.len : size - 1),
             from.len == 0 ? "" : (const char *)from.data);
}

/* ---- INFO ------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum ic_top_figure figure;
} figures[] = {
    {"uptime_in_seconds", IC_TOP_UPTIME_S},
    {"connected_clients", IC_TOP_CLIENTS},
    {"total_net_input_bytes", IC_TOP_BYTES_IN},
    {"total_net_output_bytes", IC_TOP_BYTES_OUT},
    {"keyspace_hits", IC_TOP_HITS},
    {"keyspace_misses", IC_TOP_MISSES},
    {"pool_objects", IC_TOP_OBJECTS},
    {"pool_object_bytes", IC_TOP_OBJECT_BYTES},
    {"pool_live_bytes", IC_TOP_LIVE_BYTES},
    {"pool_capacity_bytes", IC_TOP_CAPACITY_BYTES},
    {"dollars_total", IC_TOP_DOLLARS},
    {"dollars_serve", IC_TOP_DOLLARS_SERVE},
    {"dollars_warm", IC_TOP_DOLLARS_WARM},
    {"dollars_backup", IC_TOP_DOLLARS_BACKUP},
    {"dollars_repair", IC_TOP_DOLLARS_REPAIR},
    {"dollars_transfer", IC_TOP_DOLLARS_TRANSFER},
    {"dollars_unreported_max", IC_TOP_DOLLARS_UNREPORTED},
    {"dollars_outstanding", IC_TOP_DOLLARS_OUTSTANDING},
    {"dollars_per_hour", IC_TOP_DOLLARS_LAST_HOUR},
    {"dollars_per_get", IC_TOP_DOLLARS_PER_GET},
    {"dollars_per_gb", IC_TOP_DOLLARS_PER_GB},
    {"elasticache_dollars", IC_TOP_DOLLARS_ELASTICACHE},
    {"serverless_redis_dollars", IC_TOP_DOLLARS_SERVERLESS},
    {"s3_express_dollars", IC_TOP_DOLLARS_S3_EXPRESS},
    {"s3_dollars", IC_TOP_DOLLARS_S3},
    {"cost_hours", IC_TOP_HOURS},
    {"budget_per_hour", IC_TOP_BUDGET},
    {"budget_spent", IC_TOP_BUDGET_SPENT},
};

/* Commands that read or write values, in section commandstats. */
static const struct {
    const char *name;
    enum ic_top_figure figure;
} calls[] = {
    {"cmdstat_get", IC_TOP_GETS},    {"cmdstat_getex", IC_TOP_GETS},
    {"cmdstat_getdel", IC_TOP_GETS}, {"cmdstat_getrange", IC_TOP_GETS},
    {"cmdstat_substr", IC_TOP_GETS}, {"cmdstat_mget", IC_TOP_GETS},
    {"cmdstat_set", IC_TOP_SETS},    {"cmdstat_setnx", IC_TOP_SETS},
    {"cmdstat_setex", IC_TOP_SETS},  {"cmdstat_psetex", IC_TOP_SETS},
    {"cmdstat_getset", IC_TOP_SETS}, {"cmdstat_mset", IC_TOP_SETS},
    {"cmdstat_msetnx", IC_TOP_SETS},
};

static void read_calls(struct ic_top_sample *s, struct ic_slice name, struct ic_slice value)
{
    static const char prefix[] = "calls=";
    enum { PREFIX = sizeof prefix - 1 };
    if (value.len < PREFIX || memcmp(value.data, prefix, PREFIX) != 0) {
        return;
    }
    const uint8_t *comma = memchr(value.data, ',', value.len);
    size_t end = comma == NULL ? value.len : (size_t)(comma - value.data);
    double count = number_of(ic_slice(value.data + PREFIX, end - PREFIX));
    for (size_t i = 0; i < sizeof calls / sizeof calls[0] && !isnan(count); i++) {
        if (is_text(name, calls[i].name)) {
            s->figure[calls[i].figure] += count;
        }
    }
}

static void read_field(struct ic_top_sample *s, struct ic_slice name, struct ic_slice value)
{
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        if (is_text(name, figures[i].name)) {
            s->figure[figures[i].figure] = number_of(value);
            return;
        }
    }
    if (is_text(name, "budget_level")) {
        copy_text(value, s->budget_level, sizeof s->budget_level);
        return;
    }
    read_calls(s, name, value);
}

int ic_top_sample_info(struct ic_top_sample *s, struct ic_slice reply)
{
    struct piece p;
    struct ic_slice name, value;
    int result = take(&reply, &p);
    if (result < 0 || (p.type != '$' && p.type != '=') || p.text.len == 0) {
        return IC_EPROTO;
    }
    while (ic_info_next(&p.text, &name, &value)) {
        if (is_text(name, "# Commandstats")) {
            s->figure[IC_TOP_GETS] = s->figure[IC_TOP_SETS] =
                0; /* what is not there is not called */
        }
        read_field(s, name, value);
    }
    return 0;
}

void ic_top_sample_leave_out(struct ic_top_sample *s, uint64_t sent, uint64_t received)
{
    s->figure[IC_TOP_BYTES_IN] -= (double)sent;
    s->figure[IC_TOP_BYTES_OUT] -= (double)received;
}

/* ---- IC.POOL ---------------------------------------------------------------- */

static const struct {
    const char *name;
    enum ic_top_field field;
} fields[] = {
    {"capacity", IC_TOP_CAPACITY},   {"live", IC_TOP_LIVE},
    {"chunks", IC_TOP_CHUNKS},       {"age_ms", IC_TOP_AGE_MS},
    {"idle_ms", IC_TOP_IDLE_MS},     {"invocations", IC_TOP_INVOCATIONS},
    {"billed_ms", IC_TOP_BILLED_MS}, {"lease_ms", IC_TOP_LEASE_MS},
    {"failures", IC_TOP_FAILURES},
};

static void set_field(struct ic_top_function *f, struct ic_slice name, struct ic_slice value)
{
    if (is_text(name, "function")) {
        copy_text(value, f->name, sizeof f->name);
    } else if (is_text(name, "state")) {
        copy_text(value, f->state, sizeof f->state);
    }
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        double number = is_text(name, fields[i].name) ? number_of(value) : NAN;
        if (!isnan(number) && number >= 0) { /* below 0: the proxy does not know */
            f->field[fields[i].field] = number;
        }
    }
}

static int read_function(struct ic_top_function *f, struct ic_slice *in)
{
    struct piece row, name, value;
    f->name[0] = f->state[0] = '\0';
    for (size_t i = 0; i < IC_TOP_FIELDS; i++) {
        f->field[i] = NAN;
    }
    if (take(in, &row) < 0 || !row.is_container || row.count % 2 != 0) {
        return IC_EPROTO;
    }
    for (uint64_t i = 0; i < row.count; i += 2) {
        if (take(in, &name) < 0 || name.is_container || take(in, &value) < 0) {
            return IC_EPROTO;
        }
        if (value.is_container) {
            if (skip_rest(in, &value) < 0) {
                return IC_EPROTO;
            }
        } else {
            set_field(f, name.text, value.text);
        }
    }
    return 0;
}

int ic_top_sample_pool(struct ic_top_sample *s, struct ic_slice reply)
{
    struct piece p;
    if (take(&reply, &p) < 0 || !p.is_container || p.type == '%' ||
        p.count > IC_TOP_FUNCTIONS_MAX) {
        return IC_EPROTO;
    }
    struct ic_top_function *function = ic_calloc((size_t)p.count + 1, sizeof *function);
    if (function == NULL) {
        return IC_ENOMEM;
    }
    for (uint64_t i = 0; i < p.count; i++) {
        if (read_function(&function[i], &reply) < 0) {
            ic_free(function);
            return IC_EPROTO;
        }
    }
    ic_free(s->function);
    s->function = function;
    s->functions = (size_t)p.count;
    return 0;
}

double ic_top_fill(const struct ic_top_function *f)
{
    double capacity = f->field[IC_TOP_CAPACITY];
    return capacity > 0 ? f->field[IC_TOP_LIVE] / capacity : NAN;
}

/* ---- samples ---------------------------------------------------------------- */

void ic_top_sample_init(struct ic_top_sample *s, uint64_t taken_ms)
{
    *s = (struct ic_top_sample){.taken_ms = taken_ms};
    for (size_t i = 0; i < IC_TOP_FIGURES; i++) {
        s->figure[i] = NAN;
    }
}

void ic_top_sample_deinit(struct ic_top_sample *s)
{
    ic_free(s->function);
    s->function = NULL;
    s->functions = 0;
}

static void forget_rates(struct ic_top_data *d)
{
    d->gets_per_s = d->sets_per_s = d->in_per_s = d->out_per_s = d->hit_ratio = NAN;
}

void ic_top_data_init(struct ic_top_data *d)
{
    *d = (struct ic_top_data){.known = false, .hit_ratio_ever = NAN};
    forget_rates(d);
    ic_top_sample_init(&d->now, 0);
}

void ic_top_data_deinit(struct ic_top_data *d)
{
    ic_top_sample_deinit(&d->now);
}

/* How much FIGURE has grown; NAN if it is not known, or has shrunk: it was counted anew. */
static double growth(const struct ic_top_sample *before, const struct ic_top_sample *now,
                     enum ic_top_figure figure)
{
    double more = now->figure[figure] - before->figure[figure];
    return more >= 0 ? more : NAN;
}

static double ratio(double hits, double misses)
{
    return hits + misses > 0 ? hits / (hits + misses) : NAN;
}

static void compare(struct ic_top_data *d, const struct ic_top_sample *before,
                    const struct ic_top_sample *now)
{
    double s = (double)(now->taken_ms - before->taken_ms) / 1000;
    if (now->taken_ms <= before->taken_ms ||
        now->figure[IC_TOP_UPTIME_S] < before->figure[IC_TOP_UPTIME_S]) {
        forget_rates(d); /* another process: its counters began at 0 */
        return;
    }
    d->gets_per_s = growth(before, now, IC_TOP_GETS) / s;
    d->sets_per_s = growth(before, now, IC_TOP_SETS) / s;
    d->in_per_s = growth(before, now, IC_TOP_BYTES_IN) / s;
    d->out_per_s = growth(before, now, IC_TOP_BYTES_OUT) / s;
    d->hit_ratio = ratio(growth(before, now, IC_TOP_HITS), growth(before, now, IC_TOP_MISSES));
}

static void remember_traffic(struct ic_top_data *d)
{
    if (d->traffic_count == IC_TOP_TRAFFIC) {
        memmove(d->traffic, d->traffic + 1, sizeof d->traffic - sizeof d->traffic[0]);
        d->traffic_count--;
    }
    d->traffic[d->traffic_count++] = d->in_per_s + d->out_per_s;
}

void ic_top_data_take(struct ic_top_data *d, struct ic_top_sample *sample)
{
    if (d->known) {
        compare(d, &d->now, sample);
        remember_traffic(d);
    }
    d->hit_ratio_ever = ratio(sample->figure[IC_TOP_HITS], sample->figure[IC_TOP_MISSES]);
    ic_top_sample_deinit(&d->now);
    d->now = *sample;
    d->known = true;
    sample->function = NULL;
    sample->functions = 0;
}
