/*
 * glob.c - see glob.h. A star is matched by trying: only the last one seen needs to
 * be remembered, since an earlier one can gain nothing that the last cannot.
 */
#include "base/glob.h"

#include <ctype.h>

struct side { /* what is left of a pattern or a text */
    const uint8_t *at, *end;
};

/* False: there are no more. */
static bool take_step(uint64_t *steps)
{
    *steps -= *steps > 0;
    return *steps > 0;
}

static int fold(int byte, bool ignore_case)
{
    return ignore_case ? tolower(byte) : byte;
}

/*
 * BYTE is in the class at p->at, which is behind its '['; moves behind its ']'. A class that the
 * pattern's end cuts off counts as closed there.
 */
static bool match_class(struct side *p, int byte, bool ignore_case, uint64_t *steps)
{
    bool negated = p->at < p->end && *p->at == '^';
    bool found = false;
    p->at += negated;
    for (; p->at < p->end && *p->at != ']' && take_step(steps); p->at++) {
        if (*p->at == '\\' && p->end - p->at >= 2) {
            p->at++;
            found = found || *p->at == byte; /* an escaped byte is itself, case and all */
        } else if (p->end - p->at >= 3 && p->at[1] == '-') {
            int low = fold(p->at[0], ignore_case), high = fold(p->at[2], ignore_case);
            int folded = fold(byte, ignore_case);
            found = found || (low <= high ? low <= folded && folded <= high
                                          : high <= folded && folded <= low);
            p->at += 2;
        } else {
            found = found || fold(*p->at, ignore_case) == fold(byte, ignore_case);
        }
    }
    p->at += p->at < p->end;
    return found != negated;
}

/* The pattern's next item, which is no star, matches BYTE; moves behind the item. */
static bool match_item(struct side *p, int byte, bool ignore_case, uint64_t *steps)
{
    int item = *p->at++;
    if (item == '?') {
        return true;
    }
    if (item == '[') {
        return match_class(p, byte, ignore_case, steps);
    }
    if (item == '\\' && p->at < p->end) {
        item = *p->at++;
    }
    return fold(item, ignore_case) == fold(byte, ignore_case);
}

bool ic_glob_match(struct ic_slice pattern, struct ic_slice text, bool ignore_case, uint64_t *steps)
{
    struct side p = {pattern.data, pattern.data + pattern.len};
    struct side t = {text.data, text.data + text.len};
    struct side star_p = {NULL, NULL}, star_t = {NULL, NULL}; /* behind the last star; its match */
    while (t.at < t.end && take_step(steps)) {
        if (p.at < p.end && *p.at == '*') {
            p.at++;
            star_p = p;
            star_t = t;
            continue;
        }
        if (p.at < p.end && match_item(&p, *t.at, ignore_case, steps)) {
            t.at++;
            continue;
        }
        if (star_p.at == NULL) {
            return false;
        }
        star_t.at++; /* the star takes one byte more */
        p = star_p;
        t = star_t;
    }
    while (p.at < p.end && *p.at == '*' && take_step(steps)) {
        p.at++;
    }
    return *steps > 0 && p.at == p.end;
}
