/*
 * top_world.h - replies as a proxy gives them, for the tests of what `top` makes of them.
 */
#ifndef IC_TEST_TOP_WORLD_H
#define IC_TEST_TOP_WORLD_H

#include "cli/top_data.h"
#include "unit.h"

#include <stdio.h>

enum { TOP_REPLY = 64 * 1024 };

/* TEXT as the reply to INFO. */
static inline int top_info(struct ic_top_sample *s, const char *text)
{
    static char reply[TOP_REPLY];
    snprintf(reply, sizeof reply, "$%zu\r\n%s\r\n", strlen(text), text);
    return ic_top_sample_info(s, ic_slice_str(reply));
}

static inline int top_pool(struct ic_top_sample *s, const char *reply)
{
    return ic_top_sample_pool(s, ic_slice_str(reply));
}

/* Functions "f-0" .. with f-I asleep or (the odd ones) active, LIVE of 1000 bytes being 10 * I. */
static inline void top_functions(struct ic_top_sample *s, int count)
{
    static char reply[TOP_REPLY];
    size_t used = (size_t)snprintf(reply, sizeof reply, "*%d\r\n", count);
    for (int i = 0; i < count; i++) {
        char name[32];
        int len = snprintf(name, sizeof name, "f-%d", i);
        used += (size_t)snprintf(
            reply + used, sizeof reply - used,
            "*10\r\n$8\r\nfunction\r\n$%d\r\n%s\r\n$5\r\nstate\r\n$6\r\n%s\r\n$8\r\ncapacity\r\n"
            ":1000\r\n$4\r\nlive\r\n:%d\r\n$8\r\nfailures\r\n:%d\r\n",
            len, name, i % 2 == 0 ? "asleep" : "active", 10 * i, i == 2);
    }
    assert_true(used < sizeof reply);
    assert_int_equal(top_pool(s, reply), 0);
}

#endif
