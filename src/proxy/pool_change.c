#include "proxy/pool_change.h"

#include "base/config.h"
#include "base/log.h"
#include "proxy/journal.h"
#include "proxy/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* "14 functions of 'infinicache', 256 MiB each" */
static void describe(char *out, size_t size, const char *prefix, uint64_t functions,
                     uint64_t memory)
{
    snprintf(out, size, "%" PRIu64 " functions '%.60s-N' of %" PRIu64 " MiB", functions, prefix,
             memory >> 20);
}

static void say_outcome(const struct ic_journal_meta *meta, const struct ic_store_shape *shape,
                        char *out, size_t size)
{
    if (meta->rebuild) {
        snprintf(out, size, "the catalog is rebuilt from what these hold");
    } else if (meta->emptied == IC_JOURNAL_OTHER_NAMES) {
        snprintf(out, size,
                 "none of the %" PRIu64 " objects of before is in these, the cache is empty",
                 meta->emptied_objects);
    } else if (meta->emptied == IC_JOURNAL_OTHER_RUN) {
        snprintf(out, size,
                 "the platform was started anew, what its functions held is gone (%" PRIu64
                 " objects)",
                 meta->emptied_objects);
    } else {
        snprintf(out, size,
                 "%" PRIu64 " objects are whole, %" PRIu64 " lack chunks, %" PRIu64 " are lost",
                 shape->whole, shape->degraded, shape->lost);
    }
}

/* "the pool was A and is B: ", or "" if it has the same shape. */
static void say_shape(const struct ic_journal_pool *before, const struct ic_config *config,
                      char *out, size_t size)
{
    char was[128], is[128];
    out[0] = '\0';
    if (before->functions == (uint64_t)config->functions &&
        before->memory == (uint64_t)config->memory &&
        strcmp(before->prefix, config->function_prefix) == 0) {
        return;
    }
    describe(was, sizeof was, before->prefix, before->functions, before->memory);
    describe(is, sizeof is, config->function_prefix, (uint64_t)config->functions,
             (uint64_t)config->memory);
    snprintf(out, size, "the pool was %s and is %s: ", was, is);
}

void ic_pool_change_tell(const struct ic_journal_meta *meta, const struct ic_config *config,
                         const struct ic_store *store, char text[IC_POOL_CHANGE_MAX])
{
    const struct ic_journal_pool *before = &meta->pool;
    char other[320], outcome[160];
    struct ic_store_shape shape = {0};
    text[0] = '\0';
    say_shape(before, config, other, sizeof other);
    if (other[0] == '\0' && meta->emptied_objects == 0) {
        return;
    }
    if (!meta->rebuild) {
        shape = ic_store_shape(store);
    }
    say_outcome(meta, &shape, outcome, sizeof outcome);
    snprintf(text, IC_POOL_CHANGE_MAX, "%s%s", other, outcome);
    ic_log(IC_LOG_WARNING, "pool-changed",
           "functions_before=%u functions=%u whole=%" PRIu64 " degraded=%" PRIu64 " lost=%" PRIu64
           " note=\"%s\"",
           before->functions, (unsigned)config->functions, shape.whole, shape.degraded,
           shape.lost + meta->emptied_objects, text);
}
