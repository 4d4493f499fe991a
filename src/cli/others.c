/*
 * others.c - a daemon of `up` writes to DIR/NAME.log and is named by DIR/NAME.pid:
 *
 *   /proc/PID/fd/1 --> DIR/NAME.log --> DIR/NAME.pid says PID --> it runs in DIR
 */
#include "cli/others.h"

#include "cli/daemons.h"
#include "cli/place.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OTHERS_MAX = 64, LINK_BYTES = 64 };

/* The folder in which process PID is a daemon, into DIR (IC_PLACE_MAX bytes). */
static bool find_folder(pid_t pid, char *dir)
{
    char link[LINK_BYTES];
    snprintf(link, sizeof link, "/proc/%d/fd/1", (int)pid);
    ssize_t len = readlink(link, dir, IC_PLACE_MAX - 1);
    dir[len < 0 ? 0 : len] = '\0';
    char *name = strrchr(dir, '/');
    char *dot = name == NULL ? NULL : strrchr(name, '.');
    if (dot == NULL || name == dir || strcmp(dot, ".log") != 0) {
        return false;
    }
    *name++ = *dot = '\0';
    return ic_process_of_file(dir, name).pid == pid;
}

static bool is_known(char *const *known, int count, const char *dir)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(known[i], dir) == 0) {
            return true;
        }
    }
    return false;
}

int ic_others_print(const char *dir, const char *command)
{
    char *known[OTHERS_MAX], found[IC_PLACE_MAX];
    int count = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc != NULL && count < OTHERS_MAX && (e = readdir(proc)) != NULL;) {
        pid_t pid = (pid_t)atoi(e->d_name);
        if (pid <= 0 || !find_folder(pid, found) || strcmp(found, dir) == 0 ||
            is_known(known, count, found) || (known[count] = strdup(found)) == NULL) {
            continue;
        }
        printf("InfiniCache runs in %s: `infinicache %s --dir %s`\n", found, command, found);
        count++;
    }
    for (int i = 0; i < count; i++) {
        free(known[i]);
    }
    if (proc != NULL) {
        closedir(proc);
    }
    return count;
}
