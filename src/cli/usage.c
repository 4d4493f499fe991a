#include "cli/usage.h"

#include "base/slice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *open_of(pid_t pid, const char *name, const char *mode)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return fopen(path, mode);
}

/* User and system time of all its threads, in seconds; < 0: no such process. proc(5), stat. */
static double cpu_of(pid_t pid)
{
    char text[1024] = "";
    FILE *f = open_of(pid, "stat", "re");
    if (f == NULL) {
        return -1;
    }
    size_t len = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[len] = '\0';
    const char *after = strrchr(text, ')'); /* of the name, which may have blanks */
    uint64_t user, system;
    if (after == NULL ||
        sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
               &user, &system) != 2) {
        return -1;
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* The most it had resident since its start, or since the peak was reset. */
static uint64_t peak_of(pid_t pid)
{
    char line[128];
    uint64_t kib = 0;
    FILE *f = open_of(pid, "status", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL &&
           sscanf(line, "VmHWM: %" SCNu64, &kib) != 1) {
    }
    if (f != NULL) {
        fclose(f);
    }
    return kib * 1024;
}

static void reset_peak(pid_t pid)
{
    FILE *f = open_of(pid, "clear_refs", "we");
    if (f != NULL) {
        fputs("5", f);
        fclose(f);
    }
}

int ic_usage_parse(struct ic_usage *u, const char *text, char *why)
{
    u->count = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        int64_t pid;
        if (u->count == IC_USAGE_PIDS_MAX || ic_slice_to_i64(ic_slice(text, len), &pid) < 0 ||
            pid < 1 || pid > INT32_MAX || cpu_of((pid_t)pid) < 0) {
            snprintf(why, IC_USAGE_WHY_MAX, "bad pids: '%.40s' is no process here (at most %d)",
                     text, IC_USAGE_PIDS_MAX);
            return IC_EINVAL;
        }
        u->pid[u->count++] = (pid_t)pid;
        text += len + (text[len] == ',');
    }
    return 0;
}

void ic_usage_begin(struct ic_usage *u)
{
    for (uint32_t i = 0; i < u->count; i++) {
        reset_peak(u->pid[i]);
        u->cpu_s[i] = cpu_of(u->pid[i]);
    }
}

void ic_usage_end(struct ic_usage *u)
{
    for (uint32_t i = 0; i < u->count; i++) {
        double now_s = cpu_of(u->pid[i]);
        u->cpu_s[i] = now_s < 0 || u->cpu_s[i] < 0 ? 0 : now_s - u->cpu_s[i];
        u->peak_bytes[i] = peak_of(u->pid[i]);
    }
}
