#define _GNU_SOURCE /* O_CLOEXEC */
#include "platform/local/process_memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PATH_MAX_BYTES = 64,
    TEXT_MAX_BYTES = 4096, /* /proc/PID/status has about 1.5 KiB */
    THREADS_MAX = 1024,    /* of a process whose children are looked for */
};

/* The beginning of a file as text; false: it is not there. */
static bool read_text(const char *path, char *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t len = read(fd, text, TEXT_MAX_BYTES - 1);
    close(fd);
    text[len < 0 ? 0 : len] = '\0';
    return len >= 0;
}

/* The value of a "Name:   123 kB" line, in bytes. */
static uint64_t field_bytes(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10) * 1024;
}

static uint64_t resident_bytes(pid_t pid, uint64_t *peak)
{
    char path[PATH_MAX_BYTES], text[TEXT_MAX_BYTES];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (!read_text(path, text)) {
        return 0;
    }
    *peak = field_bytes(text, "\nVmHWM:");
    return field_bytes(text, "\nVmRSS:");
}

static size_t add_listed(const char *text, pid_t *list, size_t count)
{
    char *end;
    for (long pid; count < IC_PROCESSES_MAX && (pid = strtol(text, &end, 10)) > 0; text = end) {
        list[count++] = (pid_t)pid;
    }
    return count;
}

/* Adds the children that any thread of PID has forked to LIST; returns its new length. */
static size_t add_children(pid_t pid, pid_t *list, size_t count)
{
    char path[PATH_MAX_BYTES], text[TEXT_MAX_BYTES];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *threads = opendir(path);
    if (threads == NULL) {
        return count;
    }
    struct dirent *entry;
    for (int seen = 0; seen < THREADS_MAX && (entry = readdir(threads)) != NULL; seen++) {
        long tid = strtol(entry->d_name, NULL, 10);
        snprintf(path, sizeof path, "/proc/%d/task/%ld/children", (int)pid, tid);
        if (tid > 0 && read_text(path, text)) {
            count = add_listed(text, list, count);
        }
    }
    closedir(threads);
    return count;
}

uint64_t ic_process_memory(pid_t leader)
{
    pid_t list[IC_PROCESSES_MAX];
    size_t count = 1;
    uint64_t leader_peak = 0, sum = 0, peak;
    list[0] = leader;
    for (size_t i = 0; i < count; i++) {
        peak = 0;
        sum += resident_bytes(list[i], &peak);
        if (i == 0) {
            leader_peak = peak;
        }
        count = add_children(list[i], list, count);
    }
    return sum > leader_peak ? sum : leader_peak;
}
