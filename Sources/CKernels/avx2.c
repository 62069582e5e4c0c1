// SPDX-License-Identifier: Apache-2.0
//
// AVX2 and FMA: 8 lanes, a 6 x 16 register tile (12 accumulators, 2 of B, 1 of A).
#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "tables.h"

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

#define MK_NAME(name) mk_##name##__avx2
#define MK_TABLE mk_kernels_avx2
#define MK_TABLE_NAME "avx2"
#define MK_LANES 8
#define MK_TILE_ROWS 6

#include "generic/vector.inc"

MK_INLINE vf mk_load_part(const float *p, size_t count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return (vf)_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), lane));
}

// Element by element: a masked store takes tens of cycles on AMD.
MK_INLINE void mk_store_part(float *p, vf v, size_t count) {
  for (size_t i = 0; i < count; i++) p[i] = v[i];
}

MK_INLINE vf mk_fma(vf a, vf b, vf c) { return __builtin_elementwise_fma(a, b, c); }

MK_INLINE vf mk_scale2(vf p, vf n, vi n_int) {
  (void)n;
  return mk_scale2_by_halves(p, n_int);
}

MK_INLINE vf mk_interleave_low(vf a, vf b) {
  return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

MK_INLINE vf mk_interleave_high(vf a, vf b) {
  return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

#include "generic/kernels.inc"

#pragma clang attribute pop

#endif
