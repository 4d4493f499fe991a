/*
 * command_config.c - CONFIG: the directives, and what Redis lets one set but is fixed here.
 */
#include "base/alloc.h"
#include "base/glob.h"
#include "base/log.h"
#include "proxy/command_handlers.h"
#include "proxy/handover.h"
#include "proxy/proxy.h"
#include "proxy/repair.h"
#include "proxy/sessions.h"

#include <stdio.h>

enum {
    DIRECTIVES_MAX = 256,
    NAMES_STEPS_MAX = 1 << 17, /* that all patterns may take with all names of settings */
    GET_UNITS = 32,            /* of work, of CONFIG GET, but for its patterns */
};

/* Settings of Redis that programs ask for and that have one value here: CONFIG GET says it, CONFIG
 * SET takes it and no other. They are no directives: there is nothing to configure. */
static const struct fact {
    const char *name;
    const char *text; /* NULL: the number */
    int number;
} facts[] = {
    {"appendonly", "yes", 0}, /* the journal is written before the reply; see appendfsync */
    {"cluster-enabled", "no", 0},
    {"databases", NULL, 1},
    {"latency-tracking", "yes", 0}, /* INFO latencystats and LATENCY HISTOGRAM */
    {"save", "", 0},                /* no snapshots: restarts are from the journal */
    {"tcp-keepalive", NULL, IC_SESSIONS_KEEPALIVE_S},
};
enum { FACTS = sizeof(facts) / sizeof(facts[0]) };

enum { FACT_TEXT_MAX = 16 };

static const char *fact_text(const struct fact *f, char number[FACT_TEXT_MAX])
{
    snprintf(number, FACT_TEXT_MAX, "%d", f->number);
    return f->text != NULL ? f->text : number;
}

static const struct fact *find_fact(struct ic_slice name)
{
    for (size_t i = 0; i < FACTS; i++) {
        if (ic_slice_equal_nocase(name, facts[i].name)) {
            return &facts[i];
        }
    }
    return NULL;
}

static bool is_secret(const struct ic_directive *d)
{
    return strstr(d->name, "pass") != NULL && strstr(d->name, "file") == NULL;
}

/* A setting called NAME is asked for; *SHOWN: as the client wrote it, or NAME where a pattern
 * matched. */
static bool is_wanted(const struct ic_call *c, const char *name, struct ic_slice *shown,
                      uint64_t *steps)
{
    *shown = ic_slice_str(name);
    for (uint32_t i = 2; i<c->argc && * steps> 0; i++) {
        if (ic_slice_equal_nocase(c->argv[i].bytes, name)) {
            *shown = c->argv[i].bytes;
            return true;
        }
        if (ic_glob_match(c->argv[i].bytes, *shown, true, steps)) {
            return true;
        }
    }
    return false;
}

static bool is_shown(const struct ic_directive *d)
{
    return (d->scope & IC_SCOPE_P) != 0 && !is_secret(d);
}

/* What the arguments ask for; with W NULL only counts it. *STEPS is 0 if that took too many. */
static size_t write_wanted(struct ic_call *c, struct ic_resp_writer *w, uint64_t *steps)
{
    size_t count, found = 0;
    const struct ic_directive *table = ic_directives(&count);
    struct ic_slice name;
    for (size_t i = 0; i < count; i++) {
        if (!is_shown(&table[i]) || !is_wanted(c, table[i].name, &name, steps)) {
            continue;
        }
        found++;
        if (w != NULL) {
            struct ic_buf value;
            ic_buf_init(&value);
            w->failed |= ic_config_get(c->proxy->config, &table[i], &value) != 0;
            ic_resp_bulk(w, name);
            ic_resp_bulk(w, ic_buf_slice(&value));
            ic_buf_deinit(&value);
        }
    }
    for (size_t i = 0; i < FACTS; i++) {
        if (is_wanted(c, facts[i].name, &name, steps)) {
            found++;
            if (w != NULL) {
                char number[FACT_TEXT_MAX];
                ic_resp_bulk(w, name);
                ic_resp_bulk_str(w, fact_text(&facts[i], number));
            }
        }
    }
    return found;
}

void ic_command_config_get(struct ic_call *c)
{
    uint64_t steps = NAMES_STEPS_MAX, again = NAMES_STEPS_MAX;
    size_t found = write_wanted(c, NULL, &steps);
    ic_call_worked(c, GET_UNITS + 2 * (NAMES_STEPS_MAX - steps) / IC_TURNS_STEPS);
    if (steps == 0) {
        ic_call_pattern_error(c, NAMES_STEPS_MAX);
        return;
    }
    ic_resp_map(c->out, found);
    write_wanted(c, c->out, &again);
}

static void config_set_error(struct ic_call *c, uint32_t index, const char *why)
{
    ic_call_errorf(c, "CONFIG SET failed (possibly related to argument '%.*s') - %s",
                   IC_CALL_TEXT(c, index), why);
}

/* The setting named by argument INDEX is there, and may be changed or has that value already. */
static bool check_setting(struct ic_call *c, uint32_t index)
{
    char number[FACT_TEXT_MAX];
    const struct fact *f = find_fact(c->argv[index].bytes);
    const struct ic_directive *d = ic_directive_find(c->argv[index].bytes);
    if (f == NULL && (d == NULL || (d->scope & IC_SCOPE_P) == 0)) {
        ic_call_errorf(c, "Unknown option or number of arguments for CONFIG SET - '%.*s'",
                       IC_CALL_TEXT(c, index));
        return false;
    }
    bool fixed = f != NULL ? !ic_slice_equal_nocase(c->argv[index + 1].bytes, fact_text(f, number))
                           : !d->runtime;
    if (fixed) {
        config_set_error(c, index, "can't set immutable config");
    }
    return !fixed;
}

static bool is_same(struct ic_slice a, struct ic_slice b)
{
    return ic_directive_find(a) == ic_directive_find(b) && find_fact(a) == find_fact(b);
}

/* Every setting is there, may be changed and is named once. */
static bool check_settings(struct ic_call *c)
{
    for (uint32_t i = 2; i < c->argc; i += 2) {
        if (!check_setting(c, i)) {
            return false;
        }
        for (uint32_t j = 2; j < i; j += 2) {
            if (is_same(c->argv[i].bytes, c->argv[j].bytes)) {
                config_set_error(c, i, "duplicate parameter");
                return false;
            }
        }
    }
    return true;
}

/* What the directives from argument 2 on showed before; nothing of what is fixed. */
struct backup {
    struct ic_buf old[DIRECTIVES_MAX / 2];
};

static void restore(struct ic_call *c, struct backup *b, uint32_t count)
{
    char why[IC_WHY_MAX];
    for (uint32_t i = 0; i < count; i++) {
        struct ic_slice name = c->argv[2 + 2 * i].bytes;
        if (find_fact(name) == NULL &&
            ic_config_set(c->proxy->config, name, ic_buf_slice(&b->old[i]), why) != 0) {
            ic_log(IC_LOG_ERROR, "config-not-restored", "why=\"%s\"", why);
        }
    }
}

/* Sets the setting named by argument INDEX, and keeps in OLD what it was. */
static int set_one(struct ic_call *c, uint32_t index, struct ic_buf *old, char *why)
{
    struct ic_slice name = c->argv[index].bytes;
    if (find_fact(name) != NULL) {
        return 0; /* it has that value: it was checked */
    }
    int result = ic_config_get(c->proxy->config, ic_directive_find(name), old);
    return result != 0 ? result
                       : ic_config_set(c->proxy->config, name, c->argv[index + 1].bytes, why);
}

void ic_command_config_set(struct ic_call *c)
{
    char why[IC_WHY_MAX] = "";
    if (c->argc % 2 != 0) {
        ic_call_syntax_error(c);
        return;
    }
    struct backup *b = c->argc > DIRECTIVES_MAX ? NULL : ic_calloc(1, sizeof(*b));
    if (b == NULL || !check_settings(c)) {
        if (b == NULL) {
            ic_call_error(c, "too many directives at once");
        }
        ic_free(b);
        return;
    }
    uint32_t done = 0, count = (c->argc - 2) / 2;
    int result = 0;
    for (; done < count && result == 0; done += result == 0) {
        result = set_one(c, 2 + 2 * done, &b->old[done], why);
    }
    if (result != 0) {
        restore(c, b, done);
        config_set_error(c, 2 + 2 * done, why[0] != '\0' ? why : ic_error_text(result));
    } else {
        /* What is not read from the config each time is told now, or is seen at the store's tick.
         */
        const struct ic_config *config = c->proxy->config;
        ic_log_set_level((enum ic_log_level)config->loglevel);
        if (ic_store_set_appendfsync(c->proxy->store)) {
            ic_call_worked(c, (uint64_t)config->turn_work); /* an fsync is enough for a turn */
        }
        ic_call_ok(c);
    }
    for (uint32_t i = 0; i < count; i++) {
        ic_buf_deinit(&b->old[i]);
    }
    ic_free(b);
}

void ic_command_config_resetstat(struct ic_call *c)
{
    ic_stats_reset(&c->session->sessions->stats);
    ic_turns_reset_figures(&c->session->sessions->turns);
    ic_loop_figures_reset(c->proxy->loop);
    ic_store_stats_reset(c->proxy->store);
    ic_repair_stats_reset(c->proxy->repair);
    ic_handover_stats_reset(c->proxy->handover);
    ic_call_ok(c);
}

void ic_command_config_rewrite(struct ic_call *c)
{
    int result = ic_config_rewrite(c->proxy->config);
    if (result == IC_EINVAL) {
        ic_call_error(c, "The server is running without a config file");
    } else if (result != 0) {
        ic_call_errorf(c, "Rewriting config file: %s", ic_error_text(result));
    } else {
        ic_call_ok(c);
    }
}

void ic_command_config_help(struct ic_call *c)
{
    static const char *const lines[] = {
        "GET <pattern>",
        "    Return parameters matching the glob-like <pattern> and their values.",
        "SET <directive> <value>",
        "    Set the configuration <directive> to <value>.",
        "RESETSTAT",
        "    Reset statistics reported by the INFO command.",
        "REWRITE",
        "    Rewrite the configuration file.",
        NULL};
    ic_call_help(c, lines);
}
