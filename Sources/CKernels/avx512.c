// SPDX-License-Identifier: Apache-2.0
//
// AVX-512 (F, BW, DQ, VL): 16 lanes, a 14 x 32 register tile (28 accumulators, 2 of B; A is a
// memory operand broadcast by the multiplication itself).
#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "tables.h"

// `min_vector_width` makes clang use zmm registers for the plain vector types of generic/.
#pragma clang attribute push( \
    __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"), min_vector_width(512))), \
    apply_to = function)

#define MK_NAME(name) mk_##name##__avx512
#define MK_TABLE mk_kernels_avx512
#define MK_TABLE_NAME "avx512"
#define MK_LANES 16
#define MK_TILE_ROWS 14

#include "generic/vector.inc"

static inline __mmask16 mk_first(size_t count) { return (__mmask16)((1u << count) - 1); }

MK_INLINE vf mk_load_part(const float *p, size_t count) {
  return (vf)_mm512_maskz_loadu_ps(mk_first(count), p);
}

MK_INLINE void mk_store_part(float *p, vf v, size_t count) {
  _mm512_mask_storeu_ps(p, mk_first(count), (__m512)v);
}

MK_INLINE vf mk_fma(vf a, vf b, vf c) { return __builtin_elementwise_fma(a, b, c); }

// p * 2^n, rounded once, with overflow to infinity and gradual underflow.
MK_INLINE vf mk_scale2(vf p, vf n, vi n_int) {
  (void)n_int;
  return (vf)_mm512_scalef_ps((__m512)p, (__m512)n);
}

MK_INLINE vf mk_interleave_low(vf a, vf b) {
  return __builtin_shufflevector(
      a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

MK_INLINE vf mk_interleave_high(vf a, vf b) {
  return __builtin_shufflevector(
      a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

#include "generic/kernels.inc"

#pragma clang attribute pop

#endif
