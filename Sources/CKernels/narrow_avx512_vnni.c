// SPDX-License-Identifier: Apache-2.0
//
// The narrow types on AVX-512 with VNNI: VPDPBUSD sums the products of a word of u8 and one of s8.
#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "tables.h"

#pragma clang attribute push( \
    __attribute__(( \
        target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"), \
        min_vector_width(512))), \
    apply_to = function)

#define MK_NAME(name) mk_##name##__avx512_vnni
#define MK_TABLE mk_narrow_kernels_avx512_vnni
#define MK_TABLE_NAME "avx512_vnni"
#define MK_FLOAT_TABLE mk_kernels_avx512
#define MK_LANES 16
#define MK_TILE_ROWS 14
#define MK_NARROW_ROWS 14
#define MK_HAS_VNNI

#include "generic/vector.inc"

MK_INLINE vf mk_fma(vf a, vf b, vf c) { return __builtin_elementwise_fma(a, b, c); }

typedef vi mk_u8_operand;

MK_INLINE vi mk_u8_left(int32_t word) { return mk_set_int(word); }

MK_INLINE vi mk_u8_right(vi words) { return words; }

MK_INLINE vi mk_u8_dot(vi sum, vi a, vi b) {
  return (vi)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
}

#include "generic/narrow.inc"

#pragma clang attribute pop

#endif
