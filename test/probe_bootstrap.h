/*
 * probe_bootstrap.h - a function for the tests of the local platform: a small blocking client of
 * the Lambda Runtime API that does what each event, a JSON string, tells it.
 *
 *   "say TEXT"  prints TEXT       "hold MS"    answers later     "hang"      never answers
 *   "exit N"    exits             "signal N"   kills itself      "error"     posts an error
 *   "grow MB"   fills memory      "fork"       leaves a child    "large N"   answers N bytes
 *   "env NAME"  tells a variable  "leave"      answers and exits instead of asking `next`
 *   "steal"     answers under another invocation's id, twice under its own, then as it should
 *   anything else: answers at once
 *
 * The answer: {"pid": N, "count": events so far, "text": ..., "id": ..., "deadline": ...}.
 * The variable PROBE_INIT ("exit N", "hang", "error") decides what happens before the first `next`;
 * PROBE_INIT_ONCE does the same for the first process alone that finds no folder `started` in its
 * folder.
 */
#ifndef IC_TEST_PROBE_BOOTSTRAP_H
#define IC_TEST_PROBE_BOOTSTRAP_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROBE_REPLY_MAX = 64 * 1024, PROBE_TEXT_MAX = 8 * 1024 };

struct probe {
    int fd;
    int count;
    char reply[PROBE_REPLY_MAX]; /* head and body of the last reply, zero-ended */
    char *body;
    char id[64], deadline[32];
    char text[PROBE_TEXT_MAX];
};

static void probe_connect(struct probe *p)
{
    char host[32] = "";
    unsigned port = 0;
    struct sockaddr_in to = {.sin_family = AF_INET};
    if (sscanf(getenv("AWS_LAMBDA_RUNTIME_API"), "%31[^:]:%u", host, &port) != 2) {
        exit(90);
    }
    to.sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, host, &to.sin_addr);
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&to, sizeof to) != 0) {
        exit(91);
    }
    int one = 1; /* head and body are two writes */
    (void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void probe_send(struct probe *p, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = write(p->fd, bytes, len);
        if (sent <= 0) {
            exit(92);
        }
        bytes += sent;
        len -= (size_t)sent;
    }
}

/* The value of header NAME ("\r\nName: ") into OUT. */
static void probe_header(const struct probe *p, const char *name, char *out, size_t max)
{
    const char *at = strcasestr(p->reply, name);
    size_t len = 0;
    if (at != NULL) {
        at += strlen(name);
        len = strcspn(at, "\r");
        len = len < max - 1 ? len : max - 1;
        memcpy(out, at, len);
    }
    out[len] = '\0';
}

/* Sends one request and reads one reply; returns its status. */
static int probe_request(struct probe *p, const char *method, const char *path, const char *body,
                         size_t len)
{
    char head[512];
    int head_len = snprintf(head, sizeof head,
                            "%s /2018-06-01/runtime/%s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                            "Lambda-Runtime-Function-Error-Type: Probe.Error\r\n"
                            "Content-Length: %zu\r\n\r\n",
                            method, path, len);
    probe_send(p, head, (size_t)head_len);
    probe_send(p, body, len);
    size_t got = 0, want = sizeof p->reply - 1;
    p->body = NULL;
    while (got < want) {
        ssize_t more = read(p->fd, p->reply + got, want - got);
        if (more <= 0) {
            exit(93);
        }
        got += (size_t)more;
        p->reply[got] = '\0';
        if (p->body == NULL && (p->body = strstr(p->reply, "\r\n\r\n")) != NULL) {
            char length[32];
            p->body += 4;
            probe_header(p, "\r\nContent-Length: ", length, sizeof length);
            want = (size_t)(p->body - p->reply) + strtoul(length, NULL, 10);
        }
    }
    return atoi(p->reply + sizeof "HTTP/1.1");
}

static int probe_post(struct probe *p, const char *id, const char *what, const char *body,
                      size_t len)
{
    char path[128];
    snprintf(path, sizeof path, "invocation/%s/%s", id, what);
    return probe_request(p, "POST", path, body, len);
}

static void probe_end(const char *order)
{
    if (strncmp(order, "exit ", 5) == 0) {
        exit(atoi(order + 5));
    } else if (strncmp(order, "signal ", 7) == 0) {
        kill(getpid(), atoi(order + 7));
    } else if (strcmp(order, "hang") == 0) {
        for (;;) {
            pause();
        }
    }
}

static void probe_grow(size_t mb)
{
    for (size_t i = 0; i < mb; i++) {
        volatile char *block = malloc(1 << 20);
        for (size_t at = 0; block != NULL && at < 1 << 20; at += 4096) {
            block[at] = 1;
        }
    }
}

static void probe_fork(struct probe *p)
{
    pid_t child = fork();
    if (child == 0) {
        close(p->fd);
        for (;;) {
            pause();
        }
    }
    snprintf(p->text, sizeof p->text, "%d", (int)child);
}

static void probe_large(struct probe *p, size_t len)
{
    char *body = malloc(len);
    memset(body, 'x', len);
    body[0] = body[len - 1] = '"';
    probe_post(p, p->id, "response", body, len);
    free(body);
}

/* Notes the statuses that wrong answers get. */
static void probe_steal(struct probe *p)
{
    int foreign = probe_post(p, "01234567-89ab-cdef-0123-456789abcdef", "response", "{}", 2);
    int next = probe_request(p, "GET", "invocation/next", "", 0);
    int init = probe_request(p, "POST", "init/error", "{}", 2);
    int method = probe_request(p, "POST", "invocation/next", "", 0);
    int path = probe_request(p, "GET", "invocation/nothing", "", 0);
    snprintf(p->text, sizeof p->text, "%d %d %d %d %d", foreign, next, init, method, path);
}

/* Carries ORDER out; false: it was answered already. */
static bool probe_obey(struct probe *p, const char *order)
{
    probe_end(order);
    p->text[0] = '\0';
    if (strncmp(order, "say ", 4) == 0) {
        printf("%s\n", order + 4);
        fflush(stdout);
    } else if (strncmp(order, "hold ", 5) == 0) {
        usleep((useconds_t)atoi(order + 5) * 1000);
    } else if (strcmp(order, "error") == 0) {
        static const char words[] = "{\"errorMessage\":\"as told\",\"errorType\":\"Probe.Error\"}";
        probe_post(p, p->id, "error", words, sizeof words - 1);
        return false;
    } else if (strncmp(order, "grow ", 5) == 0) {
        probe_grow(strtoul(order + 5, NULL, 10));
    } else if (strcmp(order, "fork") == 0) {
        probe_fork(p);
    } else if (strncmp(order, "large ", 6) == 0) {
        probe_large(p, strtoul(order + 6, NULL, 10));
        return false;
    } else if (strncmp(order, "env ", 4) == 0) {
        const char *value = getenv(order + 4);
        snprintf(p->text, sizeof p->text, "%s", value == NULL ? "(unset)" : value);
    } else if (strcmp(order, "cwd") == 0) {
        p->text[0] = '\0';
        if (getcwd(p->text, sizeof p->text) == NULL) {
            exit(94);
        }
    } else if (strncmp(order, "header ", 7) == 0) {
        char name[128];
        snprintf(name, sizeof name, "\r\n%.100s: ", order + 7);
        char value[1024];
        probe_header(p, name, value, sizeof value);
        snprintf(p->text, sizeof p->text, "%s", value);
    } else if (strcmp(order, "steal") == 0) {
        probe_steal(p);
    }
    return true;
}

static void probe_answer(struct probe *p)
{
    static char body[PROBE_TEXT_MAX + 512];
    int len = snprintf(body, sizeof body,
                       "{\"pid\": %d, \"count\": %d, \"text\": \"%s\", \"id\": \"%s\", "
                       "\"deadline\": %s}",
                       (int)getpid(), p->count, p->text, p->id, p->deadline);
    if (probe_post(p, p->id, "response", body, (size_t)len) != 202) {
        exit(95);
    }
}

static int probe_bootstrap(void)
{
    static struct probe p;
    const char *init = getenv("PROBE_INIT"), *once = getenv("PROBE_INIT_ONCE");
    if (once != NULL && mkdir("started", 0700) == 0) {
        init = once;
    }
    probe_end(init == NULL ? "" : init);
    probe_connect(&p);
    if (init != NULL && strcmp(init, "error") == 0) {
        static const char words[] = "{\"errorMessage\":\"no\",\"errorType\":\"Probe.Init\"}";
        probe_request(&p, "POST", "init/error", words, sizeof words - 1);
        return 1;
    }
    for (;;) {
        char order[PROBE_TEXT_MAX];
        if (probe_request(&p, "GET", "invocation/next", "", 0) != 200) {
            return 96;
        }
        p.count++;
        probe_header(&p, "\r\nLambda-Runtime-Aws-Request-Id: ", p.id, sizeof p.id);
        probe_header(&p, "\r\nLambda-Runtime-Deadline-Ms: ", p.deadline, sizeof p.deadline);
        snprintf(order, sizeof order, "%s", p.body[0] == '"' ? p.body + 1 : "");
        order[strcspn(order, "\"")] = '\0';
        if (probe_obey(&p, order)) {
            probe_answer(&p);
        }
        if (strcmp(order, "leave") == 0) {
            return 0;
        }
    }
}

#endif
