#include "cli/resp_client.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "cli/signals.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    INPUT_BYTES = 64 * 1024,
    CONNECT_MS = 5000,
};

struct ic_resp_client {
    int fd;
    struct ic_resp_wait wait;
    struct ic_resp_traffic traffic;
    size_t at, end; /* of input: what was received and not taken */
    uint8_t input[INPUT_BYTES];
};

static int closed(char *why)
{
    snprintf(why, IC_RESP_CLIENT_WHY_MAX, "the proxy closed the connection");
    return IC_ECLOSED;
}

/* Waits for EVENTS; 0, or an error. *GOT are the events that came. */
static int wait_for(int fd, short events, const struct ic_resp_wait *wait, short *got, char *why)
{
    uint64_t end_ms = ic_clock_mono_ms() + (uint64_t)wait->stall_ms;
    while (true) {
        struct pollfd p = {.fd = fd, .events = events};
        int count = poll(&p, 1, IC_RESP_CHECK_MS);
        if (count > 0) {
            *got = p.revents;
            return 0;
        }
        if (ic_signals_arrived() || (wait->go_on != NULL && !wait->go_on(wait->ctx))) {
            snprintf(why, IC_RESP_CLIENT_WHY_MAX, "interrupted");
            return IC_ECANCELED;
        }
        if (ic_clock_mono_ms() > end_ms) {
            snprintf(why, IC_RESP_CLIENT_WHY_MAX, "nothing moved for %d s", wait->stall_ms / 1000);
            return IC_ETIMEOUT;
        }
    }
}

/* ---- connection ------------------------------------------------------------- */

static int connect_to(const struct addrinfo *a, const struct ic_resp_wait *wait, char *why)
{
    struct ic_resp_wait shorter = *wait;
    shorter.stall_ms = CONNECT_MS < wait->stall_ms ? CONNECT_MS : wait->stall_ms;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    short got;
    int error = connect(fd, a->ai_addr, a->ai_addrlen) < 0 ? errno : 0;
    if (error == EINPROGRESS) {
        socklen_t size = sizeof error;
        error = wait_for(fd, POLLOUT, &shorter, &got, why) < 0 ? ETIMEDOUT : 0;
        if (error == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) {
            error = errno;
        }
    }
    if (error != 0) {
        close(fd);
        return -error;
    }
    int yes = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return fd;
}

static int dial(const char *host, const char *port, const struct ic_resp_wait *wait, char *why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *all;
    int error = getaddrinfo(host, port, &hints, &all);
    if (error != 0) {
        snprintf(why, IC_RESP_CLIENT_WHY_MAX, "cannot find %s:%s: %s", host, port,
                 gai_strerror(error));
        return IC_EUNAVAIL;
    }
    int fd = -ECONNREFUSED;
    for (const struct addrinfo *a = all; a != NULL && fd < 0; a = a->ai_next) {
        fd = connect_to(a, wait, why);
    }
    freeaddrinfo(all);
    if (fd < 0) {
        snprintf(
            why, IC_RESP_CLIENT_WHY_MAX,
            "cannot connect to the proxy at %s:%s: %s; `infinicache up` starts one here, --host "
            "and --port name another",
            host, port, strerror(-fd));
        return IC_EUNAVAIL;
    }
    return fd;
}

static int authenticate(struct ic_resp_client *c, const char *password, char *why)
{
    char line[IC_RESP_REPLY_MAX];
    const char *words[] = {"AUTH", password};
    int result = ic_resp_client_command(c, words, 2, NULL, why);
    if (result >= 0) {
        result = ic_resp_client_line(c, line, why);
    }
    if (result == 0 && strncmp(line, "-WRONGPASS", 10) == 0) {
        snprintf(why, IC_RESP_CLIENT_WHY_MAX, "the proxy refuses the password");
        result = IC_EAUTH;
    }
    return result; /* a proxy that needs no password complains about one; that is fine */
}

int ic_resp_client_open(const char *host, const char *port, const char *password,
                        const struct ic_resp_wait *wait, struct ic_resp_client **out, char *why)
{
    static const struct ic_resp_wait ordinary = {.stall_ms = IC_RESP_STALL_MS};
    struct ic_resp_client *c = ic_calloc(1, sizeof *c);
    if (c == NULL) {
        snprintf(why, IC_RESP_CLIENT_WHY_MAX, "%s", ic_error_text(IC_ENOMEM));
        return IC_ENOMEM;
    }
    c->wait = wait == NULL ? ordinary : *wait;
    int result = dial(host, port, &c->wait, why);
    c->fd = result;
    if (result >= 0) {
        result = password[0] == '\0' ? 0 : authenticate(c, password, why);
    }
    if (result < 0) {
        ic_resp_client_close(c);
        return result;
    }
    *out = c;
    return 0;
}

void ic_resp_client_close(struct ic_resp_client *c)
{
    if (c != NULL && c->fd >= 0) {
        close(c->fd);
    }
    ic_free(c);
}

struct ic_resp_traffic ic_resp_client_traffic(const struct ic_resp_client *c)
{
    return c->traffic;
}

/* ---- sending ---------------------------------------------------------------- */

int ic_resp_client_send(struct ic_resp_client *c, struct ic_slice bytes, char *why)
{
    size_t sent = 0;
    while (sent < bytes.len) {
        short got = 0;
        int result = wait_for(c->fd, POLLOUT | POLLIN, &c->wait, &got, why);
        if (result < 0) {
            return result;
        }
        if ((got & POLLIN) != 0 || c->at < c->end) {
            return 1;
        }
        ssize_t len = send(c->fd, bytes.data + sent, bytes.len - sent, MSG_NOSIGNAL);
        if (len < 0 && errno != EAGAIN && errno != EINTR) {
            return closed(why);
        }
        sent += len > 0 ? (size_t)len : 0;
        c->traffic.sent += len > 0 ? (size_t)len : 0;
    }
    return 0;
}

int ic_resp_client_command(struct ic_resp_client *c, const char *const *words, size_t count,
                           const uint64_t *last, char *why)
{
    struct ic_buf text;
    ic_buf_init(&text);
    int result = ic_buf_printf(&text, "*%zu\r\n", count + (last != NULL));
    for (size_t i = 0; i < count && result == 0; i++) {
        result = ic_buf_printf(&text, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
    }
    if (result == 0 && last != NULL) {
        result = ic_buf_printf(&text, "$%" PRIu64 "\r\n", *last);
    }
    if (result < 0) {
        snprintf(why, IC_RESP_CLIENT_WHY_MAX, "%s", ic_error_text(result));
    } else {
        result = ic_resp_client_send(c, ic_buf_slice(&text), why);
    }
    ic_buf_deinit(&text);
    return result;
}

/* ---- receiving -------------------------------------------------------------- */

static int receive(struct ic_resp_client *c, void *out, size_t size, size_t *len, char *why)
{
    while (true) {
        ssize_t got = recv(c->fd, out, size, 0);
        if (got > 0) {
            *len = (size_t)got;
            c->traffic.received += (size_t)got;
            return 0;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            return closed(why);
        }
        short events;
        int result = wait_for(c->fd, POLLIN, &c->wait, &events, why);
        if (result < 0) {
            return result;
        }
    }
}

int ic_resp_client_read(struct ic_resp_client *c, void *out, size_t size, size_t *len, char *why)
{
    if (c->at == c->end) {
        return receive(c, out, size, len, why); /* past our buffer, straight to its place */
    }
    *len = c->end - c->at < size ? c->end - c->at : size;
    memcpy(out, c->input + c->at, *len);
    c->at += *len;
    return 0;
}

int ic_resp_client_line(struct ic_resp_client *c, char line[IC_RESP_REPLY_MAX], char *why)
{
    size_t len = 0;
    while (true) {
        if (c->at == c->end) {
            c->at = c->end = 0;
            int result = receive(c, c->input, sizeof c->input, &c->end, why);
            if (result < 0) {
                return result;
            }
        }
        uint8_t byte = c->input[c->at++];
        if (byte == '\n') {
            break;
        }
        if (byte != '\r' && len < IC_RESP_REPLY_MAX - 1) {
            line[len++] = (char)byte;
        }
    }
    line[len] = '\0';
    return 0;
}

/* Appends LEN bytes as they come. */
static int append_bulk(struct ic_resp_client *c, struct ic_buf *out, size_t len, char *why)
{
    int result = ic_buf_reserve(out, len);
    if (result < 0) {
        snprintf(why, IC_RESP_CLIENT_WHY_MAX, "%s", ic_error_text(result));
    }
    while (len > 0 && result == 0) {
        size_t got = 0;
        result = ic_resp_client_read(c, out->data + out->len, len, &got, why);
        out->len += got;
        len -= got;
    }
    return result;
}

/* One line and, of a bulk, what it announces. *MORE: how many replies a container announces. */
static int append_piece(struct ic_resp_client *c, struct ic_buf *out, size_t max, size_t *more,
                        char *why)
{
    enum { TAIL = 2 };
    char line[IC_RESP_REPLY_MAX];
    int64_t number = 0;
    int result = ic_resp_client_line(c, line, why);
    *more = 0;
    if (result < 0) {
        return result;
    }
    bool bulk = line[0] == '$' || line[0] == '=';
    bool container = line[0] == '*' || line[0] == '~' || line[0] == '%' || line[0] == '>';
    if (line[0] == '-' || line[0] == '\0' ||
        ((bulk || container) && ic_slice_to_i64(ic_slice_str(line + 1), &number) < 0)) {
        return ic_resp_client_refusal(line, why);
    }
    if (out->len > max || number > (int64_t)(max - out->len)) {
        snprintf(why, IC_RESP_CLIENT_WHY_MAX, "the answer has more than %zu bytes", max);
        return IC_ETOOBIG;
    }
    if (container && number > 0) {
        *more = (size_t)number * (line[0] == '%' ? 2 : 1);
    }
    result = ic_buf_printf(out, "%s\r\n", line);
    if (result < 0) {
        snprintf(why, IC_RESP_CLIENT_WHY_MAX, "%s", ic_error_text(result));
    }
    return result == 0 && bulk && number >= 0 ? append_bulk(c, out, (size_t)number + TAIL, why)
                                              : result;
}

int ic_resp_client_reply(struct ic_resp_client *c, struct ic_buf *out, size_t max, char *why)
{
    int result = 0;
    for (size_t pending = 1, more; pending > 0 && result == 0; pending--) {
        result = append_piece(c, out, max, &more, why);
        pending += more; /* at most MAX each, and each piece takes bytes of MAX */
    }
    return result;
}

int ic_resp_client_refusal(const char *line, char *why)
{
    if (strncmp(line, "-NOAUTH", 7) == 0) {
        snprintf(why, IC_RESP_CLIENT_WHY_MAX,
                 "the proxy wants a password: set INFINICACHE_PASSWORD or give --password-file");
        return IC_EAUTH;
    }
    if (line[0] == '-') {
        snprintf(why, IC_RESP_CLIENT_WHY_MAX, "the proxy answers: %.400s", line + 1);
        return IC_EIO;
    }
    snprintf(why, IC_RESP_CLIENT_WHY_MAX, "this does not look like a proxy's answer: %.100s", line);
    return IC_EPROTO;
}

/* ---- what the proxy takes --------------------------------------------------- */

int ic_resp_client_limit(struct ic_resp_client *c, uint64_t *out, char *why)
{
    /* *2 $15 max-object-size $N BYTES, a line each */
    enum { LINES = 5 };
    char line[IC_RESP_REPLY_MAX];
    const char *words[] = {"CONFIG", "GET", "max-object-size"};
    *out = UINT64_MAX;
    int result = ic_resp_client_command(c, words, 3, NULL, why);
    if (result < 0) {
        return result;
    }
    for (int i = 0; i < LINES; i++) {
        result = ic_resp_client_line(c, line, why);
        if (result < 0 || (i == 0 && strcmp(line, "*2") != 0)) {
            return result; /* an error or nothing: it does not say */
        }
    }
    int64_t limit;
    if (ic_slice_to_i64(ic_slice_str(line), &limit) == 0 && limit > 0) {
        *out = (uint64_t)limit;
    }
    return 0;
}
