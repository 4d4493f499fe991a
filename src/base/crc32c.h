/*
 * crc32c.h - CRC-32C (Castagnoli, reflected polynomial 0x82F63B78; RFC 3720 B.4) of short things
 * such as frame headers, which both sides of a link need: by the processor's instruction where
 * there is one, else by table. Whole units are summed by code/unit_crc.h.
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

#endif
