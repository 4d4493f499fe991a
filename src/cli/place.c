#include "cli/place.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef IC_LIBEXEC_DIR
#define IC_LIBEXEC_DIR "/usr/local/libexec/infinicache"
#endif

/* The length of the path, as snprintf tells it, or IC_EINVAL with WHY. */
static int default_dir(char *out, char *why)
{
    const char *state = getenv("XDG_STATE_HOME");
    if (state != NULL && state[0] == '/') { /* the XDG specification ignores relative ones */
        return snprintf(out, IC_PLACE_MAX, "%s/infinicache", state);
    }
    const char *home = getenv("HOME");
    const struct passwd *user = home == NULL ? getpwuid(getuid()) : NULL;
    if (user != NULL) {
        home = user->pw_dir;
    }
    if (home == NULL || home[0] != '/') {
        snprintf(why, IC_PLACE_WHY_MAX, "there is no home folder; name a folder with --dir");
        return IC_EINVAL;
    }
    return snprintf(out, IC_PLACE_MAX, "%s/.local/state/infinicache", home);
}

/* A path from DIR that begins with a slash and does not end with one. */
static int named_dir(const char *dir, char *out)
{
    char *real = realpath(dir, NULL);
    if (real != NULL) {
        int len = snprintf(out, IC_PLACE_MAX, "%s", real);
        free(real);
        return len;
    }
    char cwd[PATH_MAX];
    int len = IC_PLACE_MAX;
    if (dir[0] == '/') {
        len = snprintf(out, IC_PLACE_MAX, "%s", dir);
    } else if (getcwd(cwd, sizeof cwd) != NULL) {
        len = snprintf(out, IC_PLACE_MAX, "%s/%s", cwd, dir);
    }
    while (len > 1 && len < IC_PLACE_MAX && out[len - 1] == '/') {
        out[--len] = '\0';
    }
    return len;
}

int ic_place_dir(const char *dir, char *out, char *why)
{
    bool named = dir != NULL && dir[0] != '\0';
    int len = named ? named_dir(dir, out) : default_dir(out, why);
    if (len < 0) {
        return len;
    }
    if (len >= IC_PLACE_MAX) {
        snprintf(why, IC_PLACE_WHY_MAX, "the path of --dir is too long");
        return IC_EINVAL;
    }
    for (int i = 0; i < len; i++) {
        if (iscntrl((unsigned char)out[i])) { /* no line of a file of settings could hold it */
            snprintf(why, IC_PLACE_WHY_MAX, "the path of --dir has a control character in it");
            return IC_EINVAL;
        }
    }
    return 0;
}

int ic_place_make(const char *dir, char *why)
{
    char path[IC_PLACE_MAX];
    snprintf(path, sizeof path, "%s", dir);
    for (char *at = path + 1;; at++) {
        if (*at != '/' && *at != '\0') {
            continue;
        }
        bool last = *at == '\0';
        *at = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST && (last || errno != EISDIR)) {
            snprintf(why, IC_PLACE_WHY_MAX, "cannot make the folder %.300s: %s", path,
                     strerror(errno));
            return IC_EIO;
        }
        if (last) {
            break;
        }
        *at = '/';
    }
    struct stat st;
    if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
        snprintf(why, IC_PLACE_WHY_MAX, "%.300s is not a folder", dir);
        return IC_EIO;
    }
    return 0;
}

int ic_place_self(char *out, char *why)
{
    ssize_t len = readlink("/proc/self/exe", out, IC_PLACE_MAX - 1);
    if (len <= 0) {
        snprintf(why, IC_PLACE_WHY_MAX, "cannot tell this program's path: %s", strerror(errno));
        return IC_EIO;
    }
    out[len] = '\0';
    return 0;
}

int ic_place_bootstrap(char *out, char *why)
{
    char self[IC_PLACE_MAX];
    int result = ic_place_self(self, why);
    if (result < 0) {
        return result;
    }
    *strrchr(self, '/') = '\0';
    /* Beside it; in an installation that was moved; where it was built to be installed. */
    const char *const folders[][2] = {
        {self, ""}, {self, "/../libexec/infinicache"}, {IC_LIBEXEC_DIR, ""}};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        int len = snprintf(out, IC_PLACE_MAX, "%s%s/bootstrap", folders[i][0], folders[i][1]);
        if (len < IC_PLACE_MAX && access(out, R_OK) == 0) {
            return 0;
        }
    }
    snprintf(why, IC_PLACE_WHY_MAX,
             "the function's program `bootstrap` is missing: neither %.200s/bootstrap nor "
             "%s/bootstrap can be read; build it with `make`",
             self, IC_LIBEXEC_DIR);
    return IC_ENOENT;
}
