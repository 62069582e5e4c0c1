// SPDX-License-Identifier: Apache-2.0
//
// The narrow types on what every CPU of the architecture has: the oracle of the other tables.
#include <string.h>

#include "tables.h"

#define MK_NAME(name) mk_##name##__scalar
#define MK_TABLE mk_narrow_kernels_scalar
#define MK_TABLE_NAME "scalar"
#define MK_FLOAT_TABLE mk_kernels_scalar
#define MK_LANES 4
#define MK_TILE_ROWS 4
#define MK_NARROW_ROWS 2

#include "generic/vector.inc"

// Rounds twice: a fused multiplication would be a library call here.
MK_INLINE vf mk_fma(vf a, vf b, vf c) { return a * b + c; }

/// a[2i] * b[2i] + a[2i + 1] * b[2i + 1] of 16-bit lanes.
MK_INLINE vi mk_multiply_pairs(vi a, vi b) {
  return ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
}

#include "generic/narrow.inc"
