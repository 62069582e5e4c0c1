// SPDX-License-Identifier: Apache-2.0
//
// The narrow types on AVX-512 with VNNI and BF16: VPDPBUSD and VDPBF16PS.
#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "tables.h"

#pragma clang attribute push( \
    __attribute__(( \
        target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16"), \
        min_vector_width(512))), \
    apply_to = function)

#define MK_NAME(name) mk_##name##__avx512_bf16
#define MK_TABLE mk_narrow_kernels_avx512_bf16
#define MK_TABLE_NAME "avx512_bf16"
#define MK_FLOAT_TABLE mk_kernels_avx512
#define MK_LANES 16
#define MK_TILE_ROWS 14
#define MK_NARROW_ROWS 14
#define MK_HAS_VNNI
#define MK_HAS_BF16

#include "generic/vector.inc"

typedef vi mk_u8_operand;

MK_INLINE vi mk_u8_left(int32_t word) { return mk_set_int(word); }

MK_INLINE vi mk_u8_right(vi words) { return words; }

MK_INLINE vi mk_u8_dot(vi sum, vi a, vi b) {
  return (vi)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
}

typedef vi mk_bf16_operand;

MK_INLINE vi mk_bf16_left(int32_t word) { return mk_set_int(word); }

MK_INLINE vi mk_bf16_right(vi words) { return words; }

MK_INLINE vf mk_bf16_dot(vf sum, vi a, vi b) {
  return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}

#include "generic/narrow.inc"

#pragma clang attribute pop

#endif
