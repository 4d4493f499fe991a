/*
 * crc32c.h - CRC-32C (Castagnoli, reflected polynomial 0x82F63B78; RFC 3720 B.4), by the
 * processor's instruction in three interleaved streams where there is one, else by table.
 */
#ifndef IC_BASE_CRC32C_H
#define IC_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * The CRC register after LEN bytes, started from SEED, without inversion before or after (as
 * ISA-L's crc32_iscsi): a result is the seed that continues it. The checksum other programs print
 * is ~ic_crc32c(0xFFFFFFFF, data, len).
 */
uint32_t ic_crc32c(uint32_t seed, const void *data, size_t len);

/* The same, always by table: the reference for tests and for machines without the instruction. */
uint32_t ic_crc32c_table(uint32_t seed, const void *data, size_t len);

/*
 * The checksum of one unit of a chunk. Its seed comes from where the unit belongs, so that a right
 * unit in a wrong place is a wrong unit. (CHUNK, UNIT_INDEX) of one object never share a seed while
 * UNIT_INDEX < 2^26 and CHUNK < 2^6; the object id is folded in by a CRC of its own.
 */
uint32_t ic_unit_crc(uint64_t object_id, uint16_t chunk, uint32_t unit_index, const void *data,
                     size_t len);

#endif
