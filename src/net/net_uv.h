/*
 * net_uv.h - what only the libuv backend has: the uv loop, for the libraries that
 * bring sockets of their own (libcurl, libmicrohttpd), processes and signals.
 */
#ifndef IC_NET_NET_UV_H
#define IC_NET_NET_UV_H

#include "net/net.h"

#include <uv.h>

uv_loop_t *ic_loop_uv(struct ic_loop *loop);

#endif
