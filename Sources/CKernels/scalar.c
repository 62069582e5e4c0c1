// SPDX-License-Identifier: Apache-2.0
//
// The instructions that every CPU of the architecture has (SSE2 on x86-64): 4 lanes, a 4 x 8 tile.
// The oracle of the other tables, and what runs where they cannot.
#include <string.h>

#include "tables.h"

#define MK_NAME(name) mk_##name##__scalar
#define MK_TABLE mk_kernels_scalar
#define MK_TABLE_NAME "scalar"
#define MK_LANES 4
#define MK_TILE_ROWS 4

#include "generic/vector.inc"

MK_INLINE vf mk_load_part(const float *p, size_t count) {
  vf v = {0};
  for (size_t i = 0; i < count; i++) v[i] = p[i];
  return v;
}

MK_INLINE void mk_store_part(float *p, vf v, size_t count) {
  for (size_t i = 0; i < count; i++) p[i] = v[i];
}

// Rounds twice: a fused multiplication would be a library call here.
MK_INLINE vf mk_fma(vf a, vf b, vf c) { return a * b + c; }

MK_INLINE vf mk_scale2(vf p, vf n, vi n_int) {
  (void)n;
  return mk_scale2_by_halves(p, n_int);
}

MK_INLINE vf mk_interleave_low(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); }

MK_INLINE vf mk_interleave_high(vf a, vf b) { return __builtin_shufflevector(a, b, 2, 6, 3, 7); }

#include "generic/kernels.inc"
