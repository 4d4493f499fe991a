/*
 * human.h - figures as people read them, three digits and a unit: "1.21 GiB", "12.3s",
 * "$0.0042". What is not known (NAN) or makes no sense (negative, infinite) is "-".
 */
#ifndef IC_CLI_HUMAN_H
#define IC_CLI_HUMAN_H

enum { IC_HUMAN_MAX = 24 }; /* bytes of a text, its end included */

/* Each writes to OUT and returns it. */
const char *ic_human_bytes(double bytes, char out[IC_HUMAN_MAX]); /* 512 B, 1.21 GiB */
const char *ic_human_count(double count, char out[IC_HUMAN_MAX]); /* 99999, 1.23 M */
const char *ic_human_rate(double per_s, char out[IC_HUMAN_MAX]);  /* 0.4, 12, 1.23 M */
const char *ic_human_duration(double ms, char out[IC_HUMAN_MAX]); /* 850ms, 12.3s, 3h05m, 2d04h */
const char *ic_human_dollars(double dollars, char out[IC_HUMAN_MAX]); /* $0.00123, $12.3 */
const char *ic_human_percent(double share, char out[IC_HUMAN_MAX]);   /* of 1: 34.2%, 100% */

#endif
