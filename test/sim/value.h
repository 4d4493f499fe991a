/*
 * value.h - the bytes of values: a function of (key, version, offset), so that every byte of every
 * reply can be checked and no value need be kept.
 */
#ifndef IC_SIM_VALUE_H
#define IC_SIM_VALUE_H

#include "base/slice.h"

void sim_value_fill(uint32_t key, uint32_t version, uint64_t offset, uint8_t *out, size_t len);
/* BYTES are those of that version from OFFSET on. */
bool sim_value_equal(uint32_t key, uint32_t version, uint64_t offset, struct ic_slice bytes);

#endif
