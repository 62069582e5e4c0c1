// SPDX-License-Identifier: Apache-2.0
//
// The narrow types on AVX2 and FMA: words are widened, B once for a tile of 4 rows.
#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "tables.h"

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

#define MK_NAME(name) mk_##name##__avx2
#define MK_TABLE mk_narrow_kernels_avx2
#define MK_TABLE_NAME "avx2"
#define MK_FLOAT_TABLE mk_kernels_avx2
#define MK_LANES 8
#define MK_TILE_ROWS 6
#define MK_NARROW_ROWS 4

#include "generic/vector.inc"

MK_INLINE vf mk_fma(vf a, vf b, vf c) { return __builtin_elementwise_fma(a, b, c); }

/// a[2i] * b[2i] + a[2i + 1] * b[2i + 1] of 16-bit lanes.
MK_INLINE vi mk_multiply_pairs(vi a, vi b) {
  return (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b);
}

#include "generic/narrow.inc"

#pragma clang attribute pop

#endif
