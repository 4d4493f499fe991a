/*
 * warden.h - a small process that outlives the platform by a moment: when the platform is gone,
 * however it ended, the warden kills the process groups of its instances. The instances'
 * leaders die by themselves then (spawn.h); what they have forked, frozen or not, does not.
 *
 *   platform --socket: +pgid, -pgid--> warden       platform killed: the socket ends,
 *      +--fork at the start----------> warden       warden: kill -9 of each pgid left, exit
 */
#ifndef IC_PLATFORM_LOCAL_WARDEN_H
#define IC_PLATFORM_LOCAL_WARDEN_H

#include "base/error.h"

#include <sys/types.h>

struct ic_warden;

/* To be called while the process has one thread. IC_ENOMEM, IC_EUNAVAIL. */
int ic_warden_new(struct ic_warden **out) IC_MUST_USE;
/* Ends it and waits for that; the groups still watched are killed. NULL is fine. */
void ic_warden_free(struct ic_warden *w);
/* LEADER's group is, is no longer, to be killed. Forget before the leader is reaped. */
void ic_warden_watch(struct ic_warden *w, pid_t leader);
void ic_warden_forget(struct ic_warden *w, pid_t leader);

#endif
