/*
 * ports.c - who listens is found as ss(8) does it: the port's inode in /proc/net/tcp,
 * then the process that has a descriptor of it in /proc/PID/fd.
 */
#include "cli/ports.h"

#include "cli/process.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTEN_STATE = 0x0a, LINE_BYTES = 512 };

/* The inode of a socket that listens on PORT according to FILE; 0: none. */
static uint64_t listening_inode(const char *file, uint16_t port)
{
    FILE *in = fopen(file, "re");
    if (in == NULL) {
        return 0;
    }
    char line[LINE_BYTES];
    uint64_t found = 0;
    while (found == 0 && fgets(line, sizeof line, in) != NULL) {
        unsigned local_port, state;
        uint64_t inode;
        if (sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s %*s %*s %" SCNu64,
                   &local_port, &state, &inode) == 3 &&
            local_port == port && state == LISTEN_STATE) {
            found = inode;
        }
    }
    fclose(in);
    return found;
}

static bool has_socket(pid_t pid, uint64_t inode)
{
    char path[64], want[64], have[64];
    snprintf(want, sizeof want, "socket:[%" PRIu64 "]", inode);
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *fds = opendir(path);
    if (fds == NULL) {
        return false;
    }
    bool found = false;
    for (struct dirent *e = readdir(fds); e != NULL && !found; e = readdir(fds)) {
        ssize_t len = readlinkat(dirfd(fds), e->d_name, have, sizeof have - 1);
        have[len < 0 ? 0 : len] = '\0';
        found = strcmp(have, want) == 0;
    }
    closedir(fds);
    return found;
}

static pid_t owner_of(uint16_t port)
{
    uint64_t inode = listening_inode("/proc/net/tcp", port);
    if (inode == 0) {
        inode = listening_inode("/proc/net/tcp6", port);
    }
    DIR *proc = inode == 0 ? NULL : opendir("/proc");
    if (proc == NULL) {
        return 0;
    }
    pid_t found = 0;
    for (struct dirent *e = readdir(proc); e != NULL && found == 0; e = readdir(proc)) {
        pid_t pid = (pid_t)atoi(e->d_name);
        if (pid > 0 && has_socket(pid, inode)) {
            found = pid;
        }
    }
    closedir(proc);
    return found;
}

static void explain_busy(const char *host, uint16_t port, char *why)
{
    pid_t pid = owner_of(port);
    char name[64];
    ic_process_name(pid, name, sizeof name);
    if (pid > 0) {
        snprintf(why, IC_PORTS_WHY_MAX, "%s:%u is in use by %s (pid %d)", host, port, name,
                 (int)pid);
    } else {
        snprintf(why, IC_PORTS_WHY_MAX, "%s:%u is in use by another process", host, port);
    }
}

static int try_bind(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    int yes = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    int error =
        bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, 1) < 0 ? errno : 0;
    close(fd);
    return error;
}

int ic_ports_check(const char *host, uint16_t port, char *why)
{
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_PASSIVE};
    struct addrinfo *address;
    if (getaddrinfo(host, service, &hints, &address) != 0) {
        snprintf(why, IC_PORTS_WHY_MAX, "%.100s is not a numeric address", host);
        return IC_EINVAL;
    }
    int error = try_bind(address);
    freeaddrinfo(address);
    if (error == EADDRINUSE) {
        explain_busy(host, port, why);
        return IC_EBUSY;
    }
    if (error != 0) {
        snprintf(why, IC_PORTS_WHY_MAX, "cannot listen on %.100s:%u: %s", host, port,
                 strerror(error));
        return IC_EINVAL;
    }
    return 0;
}
