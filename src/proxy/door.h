/*
 * door.h - where nodes dial in: accepts connections, reads one HELLO each, verifies it
 * and answers WELCOME. Whoever has not said a valid HELLO is bounded in number, bytes
 * and time.
 *
 *   accepted --HELLO, its MAC is right--> judge --ENTER---> WELCOME, handed over
 *      |                                    |----DISMISS--> WELCOME, BYE_OK, closed
 *      '-- anything else, or too late       '----REFUSE---> closed
 *          --> closed
 */
#ifndef IC_PROXY_DOOR_H
#define IC_PROXY_DOOR_H

#include "base/error.h"
#include "proto/link_auth.h"
#include "proto/link_body.h"

struct ic_door;
struct ic_loop;
struct ic_stream;

enum {
    IC_DOOR_WAITING_MAX = 512,    /* links without HELLO; the oldest gives way */
    IC_DOOR_HELLO_MS = 2000,      /* from being accepted to a whole HELLO */
    IC_DOOR_LOG_INTERVAL_MS = 50, /* between two log lines about refused links */
};

enum ic_door_verdict { IC_DOOR_REFUSE, IC_DOOR_DISMISS, IC_DOOR_ENTER };

struct ic_door_handler {
    /* The function called NAME, or -1. */
    int (*find)(void *ctx, struct ic_slice name);
    /* HELLO is genuine: what shall become of it? Called once per HELLO. */
    enum ic_door_verdict (*judge)(void *ctx, uint16_t function, const struct ic_hello *hello);
    /* WELCOME is written; STREAM is the handler's now. Follows an ENTER at once. */
    void (*enter)(void *ctx, uint16_t function, const struct ic_hello *hello,
                  struct ic_stream *stream);
    /* A link was closed without a valid HELLO. */
    void (*refused)(void *ctx);
    /* Somebody who calls himself FUNCTION has no key of ours: perhaps its node, with a key whose
     * secret was lost. Refused follows. */
    void (*stranger)(void *ctx, uint16_t function);
};

/* SECRET outlives the door. IC_EEXIST, IC_EIO, IC_EINVAL: the address cannot be had; IC_ENOMEM. */
int ic_door_new(struct ic_loop *loop, const char *host, uint16_t port, struct ic_slice secret,
                uint32_t epoch, const struct ic_door_handler *handler, void *ctx,
                struct ic_door **out) IC_MUST_USE;
void ic_door_free(struct ic_door *door);                      /* NULL is fine */
void ic_door_set_epoch(struct ic_door *door, uint32_t epoch); /* in WELCOMEs to come */
uint16_t ic_door_port(const struct ic_door *door);

#endif
