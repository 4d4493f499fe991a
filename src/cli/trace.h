/*
 * trace.h - a request trace as a file: plain, gzip, xz, zstd or bzip2, also inside a tar or zip
 * (its files one after another), or standard input. libarchive unpacks, proto/trace_line.h reads.
 */
#ifndef IC_CLI_TRACE_H
#define IC_CLI_TRACE_H

#include "proto/trace_line.h"

enum { IC_TRACE_WHY_MAX = 512, IC_TRACE_LINE_MAX = 64 * 1024 };

struct ic_trace;

/* PATH "-": standard input. IC_ENOENT, IC_EIO, IC_ENOMEM with WHY (IC_TRACE_WHY_MAX bytes). */
int ic_trace_open(const char *path, struct ic_trace **out, char *why) IC_MUST_USE;
void ic_trace_close(struct ic_trace *t); /* NULL is fine */
/* 1: *OUT is the next request, its key valid until the next call; 0: the end. IC_EPROTO, IC_EIO,
 * IC_ETOOBIG (a line) with WHY, which names file and line. */
int ic_trace_next(struct ic_trace *t, struct ic_trace_request *out, char *why) IC_MUST_USE;
/* KEY as --key-field sees it: all of it, or what follows its last / (a registry's digest). */
struct ic_slice ic_trace_key(struct ic_slice key, bool by_digest);
/* From 0 to 1: how much of the file has been read; 0 where that cannot be known. */
double ic_trace_share(const struct ic_trace *t);

#endif
