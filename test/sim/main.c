/*
 * main.c - runs seeds, each in a process of its own, so that an assertion of the product ends one
 * seed and a killed proxy's memory goes with its process.
 *
 *   sim --seed N [--trace]      one, in this process
 *   sim --seeds N [--from M]    N of them; without --from they begin with 1
 *   sim --minutes N             from a random beginning; fails too if a kind of fault never
 * happened in a thousand seeds
 */
#include "sim/report.h"
#include "sim/world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SOAK_SEEDS_MIN = 1000, PROGRESS_S = 10, SEED_SECONDS = 20 };

struct outcome {
    uint64_t seeds, operations, faults, checks, hits, misses, excused, errors, lives, instances;
    uint64_t virtual_ms;
    uint64_t happened[SIM_FAULT_COUNT];
};

static void on_abort(int number)
{
    sim_report_last();
    signal(number, SIG_DFL);
    raise(number);
}

static void run_seed(uint64_t seed, bool traced, struct outcome *out)
{
    struct sim_world *w = sim_world();
    w->traced = traced;
    signal(SIGABRT, on_abort);
    signal(SIGSEGV, on_abort);
    signal(SIGALRM, on_abort);
    alarm(SEED_SECONDS);
    sim_world_init(w, seed);
    uint64_t begun_us = sim_now_us(w);
    sim_world_run(w);
    *out = (struct outcome){.seeds = 1,
                            .operations = w->operations_begun,
                            .faults = sim_faults_total(&w->faults),
                            .checks = w->model.checks,
                            .hits = w->model.hits,
                            .misses = w->model.misses,
                            .excused = w->model.excused,
                            .errors = w->model.errors,
                            .lives = w->host.lives,
                            .instances = w->platform.instance_count,
                            .virtual_ms = (sim_now_us(w) - begun_us) / 1000};
    memcpy(out->happened, w->faults.happened, sizeof out->happened);
}

static void add(struct outcome *sum, const struct outcome *one)
{
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)one;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++) {
        to[i] += from[i];
    }
}

static void print_outcome(const char *who, uint64_t number, const struct outcome *o)
{
    printf("%s=%llu ops=%llu faults=%llu checks=%llu virtual_ms=%llu hits=%llu misses=%llu "
           "excused=%llu errors=%llu lives=%llu instances=%llu\n",
           who, (unsigned long long)number, (unsigned long long)o->operations,
           (unsigned long long)o->faults, (unsigned long long)o->checks,
           (unsigned long long)o->virtual_ms, (unsigned long long)o->hits,
           (unsigned long long)o->misses, (unsigned long long)o->excused,
           (unsigned long long)o->errors, (unsigned long long)o->lives,
           (unsigned long long)o->instances);
    fflush(stdout);
}

/* ---- many seeds --------------------------------------------------------------------- */

struct worker {
    pid_t pid;
    int pipe;
    uint64_t seed;
};

static void start(struct worker *worker, uint64_t seed)
{
    int ends[2];
    if (pipe(ends) < 0 || (worker->pid = fork()) < 0) {
        perror("sim");
        exit(1);
    }
    worker->seed = seed;
    if (worker->pid == 0) {
        struct outcome one;
        close(ends[0]);
        run_seed(seed, false, &one);
        ssize_t written = write(ends[1], &one, sizeof one);
        _exit(written == (ssize_t)sizeof one ? 0 : 1);
    }
    close(ends[1]);
    worker->pipe = ends[0];
}

/* False: the seed failed, and has said so. */
static bool finish(struct worker *worker, struct outcome *sum)
{
    struct outcome one;
    int status;
    bool whole = read(worker->pipe, &one, sizeof one) == (ssize_t)sizeof one;
    close(worker->pipe);
    waitpid(worker->pid, &status, 0);
    worker->pid = 0;
    if (!whole || status != 0) {
        printf("seed=%llu FAILED%s\n", (unsigned long long)worker->seed,
               WIFSIGNALED(status) ? " (a signal)" : "");
        return false;
    }
    add(sum, &one);
    return true;
}

struct plan {
    uint64_t from, seeds; /* seeds 0: as many as there is time for */
    time_t until;
    uint64_t jobs;
};

static bool has_more(const struct plan *p, uint64_t begun)
{
    return p->seeds != 0 ? begun < p->seeds : time(NULL) < p->until;
}

static bool run_many(const struct plan *p, struct outcome *sum)
{
    struct worker worker[16] = {0};
    uint64_t begun = 0;
    bool fine = true;
    time_t told = time(NULL);
    for (uint64_t i = 0; fine; i = (i + 1) % p->jobs) {
        if (worker[i].pid != 0) {
            fine = finish(&worker[i], sum);
        }
        if (fine && has_more(p, begun)) {
            start(&worker[i], p->from + begun++);
        } else if (sum->seeds == begun) {
            break;
        }
        if (p->seeds == 0 && time(NULL) - told >= PROGRESS_S) {
            told = time(NULL);
            print_outcome("seeds", sum->seeds, sum);
        }
    }
    for (uint64_t i = 0; i < p->jobs; i++) {
        if (worker[i].pid != 0) {
            struct outcome ignored = {0};
            finish(&worker[i], &ignored);
        }
    }
    return fine;
}

static bool print_faults(const struct outcome *sum)
{
    bool all = true;
    for (int i = 0; i < SIM_FAULT_COUNT; i++) {
        printf("  %-22s %llu\n", sim_fault_name((enum sim_fault)i),
               (unsigned long long)sum->happened[i]);
        all = all && sum->happened[i] > 0;
    }
    return all;
}

static uint64_t random_beginning(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return ((uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000) % 1000000000 * 1000;
}

int main(int argc, char **argv)
{
    struct plan plan = {.from = 1, .jobs = 2};
    struct outcome sum = {0};
    uint64_t seed = 0, minutes = 0;
    bool traced = false;
    for (int i = 1; i < argc; i++) {
        uint64_t number = i + 1 < argc ? strtoull(argv[i + 1], NULL, 10) : 0;
        bool takes = true;
        if (strcmp(argv[i], "--seed") == 0) {
            seed = number;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            plan.seeds = number;
        } else if (strcmp(argv[i], "--from") == 0) {
            plan.from = number;
        } else if (strcmp(argv[i], "--minutes") == 0) {
            minutes = number;
        } else if (strcmp(argv[i], "--jobs") == 0) {
            plan.jobs = number >= 1 && number <= 16 ? number : 1;
        } else {
            traced = strcmp(argv[i], "--trace") == 0;
            takes = false;
        }
        i += takes;
    }
    if (seed != 0) {
        run_seed(seed, traced, &sum);
        print_outcome("seed", seed, &sum);
        return 0;
    }
    if (minutes != 0) {
        plan.from = random_beginning();
        plan.until = time(NULL) + (time_t)(60 * minutes);
        printf("seeds from %llu on\n", (unsigned long long)plan.from);
    }
    bool fine = run_many(&plan, &sum);
    print_outcome("seeds", sum.seeds, &sum);
    bool all = minutes == 0 || print_faults(&sum) || sum.seeds < SOAK_SEEDS_MIN;
    if (!all) {
        printf("a kind of fault never happened\n");
    }
    return fine && all ? 0 : 1;
}
