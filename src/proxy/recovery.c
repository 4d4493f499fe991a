#include "proxy/recovery.h"

#include "base/config.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

static struct ic_journal_setup setup_of(const struct ic_config *c)
{
    return (struct ic_journal_setup){
        .dir = c->dir,
        .appendfsync = c->appendfsync,
        .prefix = c->function_prefix,
        .functions = (uint32_t)c->functions,
        .memory = (uint64_t)c->memory,
        .run = c->platform_run,
        .rebuild = c->rebuild != IC_REBUILD_NO,
    };
}

static void tell_aside(const char *reason, const char *path)
{
    char text[IC_JOURNAL_WHY_MAX];
    ic_log(IC_LOG_WARNING, "journal-set-aside",
           "reason=%s file=%s way_back=\"stop the proxy, rename that file to journal.lmdb\"",
           ic_log_quote(text, sizeof text, ic_slice_str(reason)), path);
}

/* The closed journal goes out of the way; one that goes on where META left off (NULL: one of its
 * own) takes its place. */
static int replace(struct ic_recovery *r, const struct ic_config *c,
                   const struct ic_journal_meta *meta, const char *reason, char *why)
{
    char path[IC_JOURNAL_WHY_MAX];
    struct ic_journal_setup setup = setup_of(c);
    setup.heir_of = meta;
    int result = ic_journal_set_aside(c->dir, path, why);
    if (result < 0) {
        return result;
    }
    tell_aside(why[0] == '\0' ? reason : why, path);
    r->reason = reason;
    r->replaced = true;
    result = ic_journal_open(&setup, &r->journal, &r->meta, why);
    if (meta != NULL) {
        r->meta.pool = meta->pool;
        r->meta.crashed = meta->crashed;
    }
    return result;
}

/* RESULT says that the journal cannot be used, however often it is opened. */
static bool is_unusable(int result)
{
    return result == IC_ECORRUPT || result == IC_ENOSYS;
}

static int refuse(int result, char *why)
{
    size_t used = strlen(why);
    snprintf(why + used, IC_JOURNAL_WHY_MAX - used,
             "; with `rebuild auto` it is set aside and the functions are asked what they hold");
    return result;
}

int ic_recovery_open(struct ic_recovery *r, const struct ic_config *c, char *why)
{
    struct ic_journal_setup setup = setup_of(c);
    why[0] = '\0';
    r->reason = "journal-missing";
    int result = ic_journal_verify(&setup, why);
    if (result == 0) {
        result = ic_journal_open(&setup, &r->journal, &r->meta, why);
    }
    if (is_unusable(result) && c->rebuild == IC_REBUILD_NO) {
        return refuse(result, why);
    }
    if (is_unusable(result)) {
        return replace(r, c, NULL, result == IC_ENOSYS ? "journal-format" : "journal-damaged", why);
    }
    if (result < 0) {
        return result;
    }
    if (r->meta.aside[0] != '\0') {
        tell_aside("other-pool", r->meta.aside);
    }
    if (!r->meta.fresh && r->meta.rebuild) {
        r->reason = "rebuild-unfinished";
    } else if (!r->meta.fresh && c->rebuild == IC_REBUILD_YES) {
        struct ic_journal_meta before = r->meta;
        ic_journal_close(r->journal);
        r->journal = NULL;
        why[0] = '\0';
        result = replace(r, c, &before, "asked-for", why);
    }
    return result;
}

int ic_recovery_replace(struct ic_recovery *r, const struct ic_config *c, char *why)
{
    if (c->rebuild == IC_REBUILD_NO) {
        return refuse(IC_ECORRUPT, why);
    }
    struct ic_journal_meta before = r->meta;
    ic_journal_close(r->journal);
    r->journal = NULL;
    return replace(r, c, &before, "journal-damaged", why);
}
