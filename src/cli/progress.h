/*
 * progress.h - one line on a terminal that shows how far a transfer is:
 *
 *     video.mp4  [=========>          ]  46 %   472.0 of 1024.0 MiB   118.3 MiB/s
 */
#ifndef IC_CLI_PROGRESS_H
#define IC_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct ic_progress {
    const char *label;
    uint64_t total, done; /* bytes; total 0: not known */
    uint64_t begun_ms, drawn_ms;
    double share; /* done, where there are no bytes; < 0: there are */
    bool shown;
};

/* Shown only if standard error is a terminal and WANTED. LABEL stays the caller's. */
void ic_progress_init(struct ic_progress *p, const char *label, uint64_t total, bool wanted);
void ic_progress_add(struct ic_progress *p, uint64_t bytes);
/* Instead of bytes: SHARE (0 to 1) of the step LABEL, which stays the caller's, is done. */
void ic_progress_share(struct ic_progress *p, const char *label, double share);
void ic_progress_end(struct ic_progress *p); /* the last state stays, the cursor goes on */

#endif
