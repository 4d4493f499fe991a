/*
 * call_units.h - how much work a command is, as far as its arguments tell, in units of a turn
 * (turns.h); and whether it looks at keys.
 */
#ifndef IC_PROXY_CALL_UNITS_H
#define IC_PROXY_CALL_UNITS_H

#include "proxy/command.h"

/* Its reply rests on what the keys show. */
bool ic_call_tells_of_keys(const struct ic_call *c);
/* That, or it looks at keys all the same. */
bool ic_call_needs_keys(const struct ic_call *c);
/* Of C itself if it tells about the server or its functions, or changes something about them, which
 * takes up to half a millisecond; else 0. */
uint64_t ic_call_report_units(const struct ic_call *c);
/*
 * All of C, of which nothing is done, about. What looks at keys one by one stops when it has used
 * up its share, so a key is a unit. Of a transaction the commands are one each: if the first of
 * them turns out to be much it goes on alone, and no other is begun.
 */
uint64_t ic_call_expected_units(const struct ic_call *c);

#endif
