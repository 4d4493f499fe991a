/*
 * journal_record.h - the journal's records as bytes, each ending in a check over its id and bytes,
 * so that damage is found instead of believed. Numbers are LEB128, 7 bits a byte, the low ones
 * first; what may be negative is zigzagged.
 *
 *   object  size | version - id | unit | key_len | d | p | place * (d + p) | check 4
 *   place   function | 1: held, 2: copied, 4: instance follows, 8: second one follows |
 *           instance 16 | second instance 16
 *   entry   object id - id | expires | accessed | key | check 4
 *
 * Format 2 had them in fixed widths, little endian:
 *
 *   object  size 8 | version 8 | unit 4 | key_len 4 | d 2 | p 2 |
 *           (function 2 | marks 1 | instance 16 | second instance 16) * (d + p) | check 4
 *   entry   object id 8 | expires 8 | accessed 8 | key | check 4
 *
 * Both are read, the check tells which it is; the first is written. A record is rewritten when what
 * it says changes.
 */
#ifndef IC_PROXY_JOURNAL_RECORD_H
#define IC_PROXY_JOURNAL_RECORD_H

#include "base/buf.h"
#include "proxy/journal.h"

enum { IC_JOURNAL_PLACES_MAX = 64 };

/* Append to OUT. IC_ENOMEM. */
int ic_journal_encode_object(struct ic_buf *out, const struct ic_journal_object *o) IC_MUST_USE;
int ic_journal_encode_entry(struct ic_buf *out, const struct ic_journal_entry *e) IC_MUST_USE;

/* IC_ECORRUPT. PLACE has room for IC_JOURNAL_PLACES_MAX and becomes O->place. E->key lies in
 * RECORD. */
int ic_journal_decode_object(struct ic_slice record, uint64_t id, struct ic_journal_object *o,
                             struct ic_journal_place *place) IC_MUST_USE;
int ic_journal_decode_entry(struct ic_slice record, uint64_t id,
                            struct ic_journal_entry *e) IC_MUST_USE;

#endif
