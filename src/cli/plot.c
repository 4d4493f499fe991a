#define _GNU_SOURCE /* posix_spawn_file_actions_addchdir_np */
#include "cli/plot.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define LOG "gnuplot.log" /* in the plots' folder: warnings and complaints */

enum { CDF_STEPS = 400 };

/* ---- scripts ---------------------------------------------------------------- */

/*
 * A colour is one thing, in whichever figure. Keys stand at the right, in a margin that is wide
 * enough for them, so that they overlap nothing. `hours`, `least_ms` and `most_ms` are set before.
 */
static const char head[] =
    "reset\n"
    "set datafile separator comma\n"
    "set key autotitle columnhead\n"
    "set key at graph 1.02, graph 0.5 left center Left reverse samplen 2\n"
    "set lmargin 12\n"
    "set rmargin 34\n"
    "set grid\n"
    "set style fill solid 0.8\n"
    "set linetype 1 lc rgb '#0072b2' lw 2 # InfiniCache: its functions, all GETs\n"
    "set linetype 2 lc rgb '#000000' lw 2 # with the proxy\n"
    "set linetype 3 lc rgb '#d55e00' lw 2 # ElastiCache\n"
    "set linetype 4 lc rgb '#882255' lw 2 # ElastiCache r5.24xlarge\n"
    "set linetype 5 lc rgb '#009e73' lw 2 # S3\n"
    "set linetype 6 lc rgb '#66ddaa' lw 2 # S3 Express\n"
    "set linetype 7 lc rgb '#56b4e9' lw 2 # hits\n"
    "set linetype 8 lc rgb '#e69f00' # serve\n"
    "set linetype 9 lc rgb '#f0e442' # warm\n"
    "set linetype 10 lc rgb '#cc79a7' # backup\n"
    "set linetype 11 lc rgb '#7b4b2a' # repair\n"
    "set linetype 12 lc rgb '#aaaaaa' # transfer\n"
    "set linetype 13 lc rgb '#dd0000' # RESETs\n"
    "set linetype 14 lc rgb '#5a3fa0' # objects lost\n"
    "set linetype 15 lc rgb '#44aa99' # chunks handed over\n"
    "set linetype 16 lc rgb '#555555' # instances reclaimed\n";

static const struct {
    const char *name, *text;
} figures[] = {
    {"cost",
     "set multiplot layout 2,1\n"
     "set xrange [0:hours]\n"
     "set title 'Cost so far'\n"
     "set xlabel 'hour'\n"
     "set ylabel 'dollars'\n"
     "set logscale y\n"
     "plot 'cost.csv' using 1:5 with linespoints pt 7 ps 0.3 lt 4 title 'ElastiCache r5.24xlarge', "
     "\\\n"
     " '' using 1:4 with linespoints pt 7 ps 0.3 lt 3 title 'ElastiCache, same hit ratio', \\\n"
     " '' using 1:7 with linespoints pt 7 ps 0.3 lt 6 title 'S3 Express', \\\n"
     " '' using 1:6 with linespoints pt 7 ps 0.3 lt 5 title 'S3', \\\n"
     " '' using 1:3 with linespoints pt 7 ps 0.3 lt 2 title 'InfiniCache with the proxy', \\\n"
     " '' using 1:2 with linespoints pt 7 ps 0.3 lt 1 title 'its functions'\n"
     "unset logscale y\n"
     "set title 'Cost of each hour, by cause'\n"
     "set yrange [0:*]\n"
     "set boxwidth 0.8\n"
     "plot 'cost.csv' using ($0+0.5):($8+$9+$10+$11+$12) with boxes lt 12 title "
     "'transfer', \\\n"
     " '' using ($0+0.5):($8+$9+$10+$11) with boxes lt 11 title 'repair', \\\n"
     " '' using ($0+0.5):($8+$9+$10) with boxes lt 10 title 'backup', \\\n"
     " '' using ($0+0.5):($8+$9) with boxes lt 9 title 'warm', \\\n"
     " '' using ($0+0.5):8 with boxes lt 8 title 'serve'\n"
     "unset multiplot\n"},
    {"faults", "set multiplot layout 2,1\n"
               "set xrange [0:hours]\n"
               "set yrange [0:*]\n"
               "set title 'Lost and repaired'\n"
               "set xlabel 'hour'\n"
               "set ylabel 'in the hour'\n"
               "plot 'hours.csv' using ($1+0.5):12 with linespoints lt 11 title 'chunks "
               "repaired', \\\n"
               " '' using ($1+0.5):13 with linespoints lt 15 title 'chunks handed over', \\\n"
               " '' using ($1+0.5):11 with linespoints lt 14 title 'objects lost', \\\n"
               " '' using ($1+0.5):4 with linespoints lt 13 title 'RESETs'\n"
               "set title 'Instances reclaimed'\n"
               "set boxwidth 0.8\n"
               "plot 'hours.csv' using ($1+0.5):9 with boxes lt 16 title 'reclaimed'\n"
               "unset multiplot\n"},
    {"latency", "set multiplot layout 2,1\n"
                "set logscale x\n"
                "set xlabel 'milliseconds'\n"
                "set ylabel 'part of the GETs'\n"
                "set xrange [least_ms:most_ms]\n"
                "set yrange [0:1]\n"
                "set title 'All objects'\n"
                "plot 'latency.csv' using 2:1 with lines lt 1 title 'InfiniCache', \\\n"
                " '' using 3:1 with lines lt 7 title 'of these, hits', \\\n"
                " '' using 4:1 with lines lt 3 title 'ElastiCache', \\\n"
                " '' using 5:1 with lines lt 5 title 'S3'\n"
                "set title 'Objects of 10 MB and more'\n"
                "plot 'latency.csv' using 6:1 with lines lt 1 title 'InfiniCache', \\\n"
                " '' using 7:1 with lines lt 7 title 'of these, hits', \\\n"
                " '' using 8:1 with lines lt 3 title 'ElastiCache', \\\n"
                " '' using 9:1 with lines lt 5 title 'S3'\n"
                "unset multiplot\n"},
    {"classes", "set title 'Mean latency, as a multiple of that of ElastiCache'\n"
                "set logscale y\n"
                "set style data histograms\n"
                "set style histogram clustered\n"
                "set ylabel 'times ElastiCache'\n"
                "set xrange [-0.5:3.5]\n"
                "set yrange [0.1:1000]\n"
                "plot 'classes.csv' using 2:xtic(1) lt 7 title 'InfiniCache, hits', \\\n"
                " '' using 3 lt 1 title 'InfiniCache, all', '' using 4 lt 5 title 'S3'\n"},
};

enum { FIGURES = sizeof figures / sizeof figures[0] };

/* ---- files ------------------------------------------------------------------ */

static FILE *create(const char *dir, const char *name, const char *ending, char *why)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s%s", dir, name, ending);
    FILE *out = fopen(path, "we");
    if (out == NULL) {
        snprintf(why, IC_PLOT_WHY_MAX, "cannot write %.300s: %s", path, strerror(errno));
    }
    return out;
}

static int finish(FILE *out, const char *dir, char *why)
{
    bool failed = ferror(out) != 0;
    failed |= fclose(out) != 0;
    if (failed) {
        snprintf(why, IC_PLOT_WHY_MAX, "cannot write to %.300s: %s", dir, strerror(errno));
    }
    return failed ? IC_EIO : 0;
}

static void write_cost(const struct ic_simulate_report *r, FILE *out)
{
    double functions = 0, hours = ic_simulate_hours(r);
    fputs("hour,functions,total,elasticache_same,elasticache_paper,s3,s3_express", out);
    for (int c = 0; c < IC_COST_CAUSES; c++) {
        fprintf(out, ",%s", ic_cost_cause_name((enum ic_cost_cause)c));
    }
    fputs("\n", out);
    for (uint32_t i = 0; i < r->result->hours; i++) {
        const struct ic_sim_hour *h = &r->result->hour[i];
        double upto = i + 1 < hours ? i + 1 : hours;
        for (int c = 0; c < IC_COST_CAUSES; c++) {
            functions += h->dollars[c];
        }
        struct ic_elsewhere_stores stores =
            ic_elsewhere_stores(r->result, r->work->curve, r->settings->prices, i);
        fprintf(out, "%.3f,%.9f,%.9f,%.9f,%.9f,%.9f,%.9f", upto, functions,
                functions + r->proxy_per_hour * r->proxies * upto,
                r->elsewhere.same.dollars * upto / hours, r->elsewhere.paper.dollars * upto / hours,
                stores.s3, stores.s3_express);
        for (int c = 0; c < IC_COST_CAUSES; c++) {
            fprintf(out, ",%.9f", h->dollars[c]);
        }
        fputs("\n", out);
    }
}

/* All classes from FIRST on together. */
static void sum_classes(const struct ic_sim_result *s, int latency, int first,
                        struct ic_histogram *out)
{
    memset(out, 0, sizeof *out);
    for (int c = first; c < IC_SIM_CLASSES; c++) {
        ic_histogram_merge(out, &s->latency[latency][c]);
    }
}

static void write_latency(const struct ic_simulate_report *r, FILE *out)
{
    static const int shown[] = {IC_SIM_ALL, IC_SIM_HIT, IC_SIM_ELASTICACHE, IC_SIM_S3};
    enum { SHOWN = 4, COLUMNS = 2 * SHOWN };
    struct ic_histogram *h = ic_must(ic_calloc(COLUMNS, sizeof *h));
    for (int i = 0; i < COLUMNS; i++) {
        int first = i < SHOWN ? IC_SIM_BELOW_1MB : IC_SIM_BELOW_100MB;
        sum_classes(r->result, shown[i % SHOWN], first, &h[i]);
    }
    fputs("share,all,all_hits,all_elasticache,all_s3,large,large_hits,large_elasticache,large_s3\n",
          out);
    for (int step = 0; step <= CDF_STEPS; step++) {
        double share = (double)step / CDF_STEPS;
        fprintf(out, "%.4f", share);
        for (int i = 0; i < COLUMNS; i++) {
            if (h[i].count == 0) {
                fputs(",", out);
            } else {
                fprintf(out, ",%.3f", (double)ic_histogram_quantile(&h[i], share) / 1000);
            }
        }
        fputs("\n", out);
    }
    ic_free(h);
}

static void write_multiple(const struct ic_histogram *h, double of, FILE *out)
{
    if (h->count == 0 || of <= 0) {
        fputs(",", out);
    } else {
        fprintf(out, ",%.4f", ic_histogram_mean(h) / of);
    }
}

static void write_classes(const struct ic_simulate_report *r, FILE *out)
{
    const struct ic_sim_result *s = r->result;
    fputs("objects,infinicache_hits,infinicache_all,s3\n", out);
    for (int c = 0; c < IC_SIM_CLASSES; c++) {
        double of = ic_histogram_mean(&s->latency[IC_SIM_ELASTICACHE][c]);
        fputs(ic_sim_class_name((enum ic_sim_class)c), out);
        write_multiple(&s->latency[IC_SIM_HIT][c], of, out);
        write_multiple(&s->latency[IC_SIM_ALL][c], of, out);
        write_multiple(&s->latency[IC_SIM_S3][c], of, out);
        fputs("\n", out);
    }
}

static int write_data(const struct ic_simulate_report *r, const char *dir, char *why)
{
    static const struct {
        const char *name;
        void (*write)(const struct ic_simulate_report *r, FILE *out);
    } files[] = {{"hours", ic_simulate_report_hours},
                 {"cost", write_cost},
                 {"latency", write_latency},
                 {"classes", write_classes}};
    int result = 0;
    for (size_t i = 0; i < sizeof files / sizeof files[0] && result == 0; i++) {
        FILE *out = create(dir, files[i].name, ".csv", why);
        if (out == NULL) {
            return IC_EIO;
        }
        files[i].write(r, out);
        result = finish(out, dir, why);
    }
    return result;
}

/* The ranges of the axes: gnuplot refuses to choose one where there is no value, and leaves room
 * for hours that never were. */
static void write_ranges(const struct ic_simulate_report *r, FILE *out)
{
    static const int shown[] = {IC_SIM_ALL, IC_SIM_HIT, IC_SIM_ELASTICACHE, IC_SIM_S3};
    struct ic_histogram *all = ic_must(ic_calloc(2, sizeof *all)), *one = all + 1;
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        sum_classes(r->result, shown[i], IC_SIM_BELOW_1MB, one);
        ic_histogram_merge(all, one);
    }
    double least_ms = (double)ic_histogram_quantile(all, 0) / 1000;
    double most_ms = (double)ic_histogram_quantile(all, 1) / 1000;
    least_ms = least_ms > 0.001 ? least_ms : 0.001;
    fprintf(out, "least_ms = %.3f\nmost_ms = %.3f\nhours = %" PRIu32 "\n", least_ms,
            most_ms > 2 * least_ms ? most_ms : 2 * least_ms,
            r->result->hours > 0 ? r->result->hours : 1);
    ic_free(all);
}

static int write_script(const struct ic_simulate_report *r, const char *dir, int figure, char *why)
{
    const char *name = figures[figure].name;
    FILE *out = create(dir, name, ".gp", why);
    if (out == NULL) {
        return IC_EIO;
    }
    fprintf(out, "# gnuplot %s.gp\n", name);
    write_ranges(r, out);
    for (int i = 0; i < 2; i++) {
        fprintf(out, "%sset terminal %s size 1100,900\nset output '%s.%s'\n%s", head,
                i == 0 ? "svg" : "pngcairo", name, i == 0 ? "svg" : "png", figures[figure].text);
    }
    return finish(out, dir, why);
}

/* ---- gnuplot ---------------------------------------------------------------- */

static int no_gnuplot(char *why)
{
    snprintf(why, IC_PLOT_WHY_MAX,
             "drawing needs gnuplot, and there is none: install it (on Debian the package "
             "gnuplot-nox)");
    return IC_ENOENT;
}

/* Runs gnuplot with WORD in DIR, where what it says goes to a file; its exit status, or < 0. */
static int run_gnuplot(const char *dir, const char *word, char *why)
{
    char program[] = "gnuplot";
    char *argv[] = {program, ic_must(ic_strdup(word)), NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status = 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (dir != NULL) {
        posix_spawn_file_actions_addchdir_np(&actions, dir);
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, LOG,
                                         O_WRONLY | O_CREAT | O_APPEND, 0666);
    }
    int failed = posix_spawnp(&pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    ic_free(argv[1]);
    if (failed != 0) {
        return no_gnuplot(why);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : IC_EIO;
}

int ic_plot_check(const char *dir, char *why)
{
    int status = run_gnuplot(NULL, "--version", why);
    if (status < 0) {
        return status;
    }
    if (status == 127) { /* what a libc says that finds out only in the child */
        return no_gnuplot(why);
    }
    char inside[4096]; /* "DIR/." is there if DIR is a folder */
    snprintf(inside, sizeof inside, "%s/.", dir);
    if ((mkdir(dir, 0777) < 0 && errno != EEXIST) || access(inside, W_OK | X_OK) < 0) {
        snprintf(why, IC_PLOT_WHY_MAX, "cannot write into %.300s: %s", dir, strerror(errno));
        return ic_error_from_errno(errno);
    }
    return 0;
}

int ic_plot_draw(const struct ic_simulate_report *r, const char *dir, char *why)
{
    int result = write_data(r, dir, why);
    for (int i = 0; i < FIGURES && result == 0; i++) {
        char script[64];
        snprintf(script, sizeof script, "%s.gp", figures[i].name);
        result = write_script(r, dir, i, why);
        if (result == 0) {
            result = run_gnuplot(dir, script, why);
        }
        if (result > 0) {
            snprintf(why, IC_PLOT_WHY_MAX, "gnuplot failed on %.300s/%s; see " LOG " there", dir,
                     script);
            result = IC_EPROTO;
        }
    }
    return result;
}
