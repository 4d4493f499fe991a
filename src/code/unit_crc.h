/*
 * unit_crc.h - the checksum of one unit of a chunk: CRC-32C by Intel ISA-L, which is twice as fast
 * as the plain instruction where the processor has carry-less products of 512 bits. Only who makes
 * and checks units needs it: the proxy. A function just keeps the sums.
 */
#ifndef IC_CODE_UNIT_CRC_H
#define IC_CODE_UNIT_CRC_H

#include <stddef.h>
#include <stdint.h>

/*
 * Its seed comes from where the unit belongs, so that a right unit in a wrong place is a wrong
 * unit. (CHUNK, UNIT_INDEX) of one object never share a seed while UNIT_INDEX < 2^26 and CHUNK <
 * 2^6; the object id is folded in by a CRC of its own. LEN < 2^31.
 */
uint32_t ic_unit_crc(uint64_t object_id, uint16_t chunk, uint32_t unit_index, const void *data,
                     size_t len);

#endif
