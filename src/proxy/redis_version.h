/*
 * redis_version.h - the Redis whose commands, replies and texts we speak; clients ask
 * for it to know what they may use.
 */
#ifndef IC_PROXY_REDIS_VERSION_H
#define IC_PROXY_REDIS_VERSION_H

#define IC_REDIS_VERSION "7.2.4"

#endif
