/*
 * others.c - every process that is a daemon of some folder, see ic_process_folder.
 */
#include "cli/others.h"

#include "cli/daemons.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OTHERS_MAX = 64 };

static bool find_folder(pid_t pid, char *dir)
{
    bool found = false;
    for (int i = 0; i < IC_DAEMONS && !found; i++) {
        found = ic_process_folder(pid, ic_daemon_name[i], dir);
    }
    return found;
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
    char *known[OTHERS_MAX], found[IC_PROCESS_FOLDER_MAX];
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
