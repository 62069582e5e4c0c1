// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "tables.h"

#if defined(__x86_64__)
static int runs_avx512(void) { return mk_select("avx512") != NULL; }

static int runs_avx512_vnni(void) {
  return runs_avx512() && __builtin_cpu_supports("avx512vnni");
}

static int runs_avx512_bf16(void) {
  return runs_avx512_vnni() && __builtin_cpu_supports("avx512bf16");
}

static int runs_avx2(void) { return mk_select("avx2") != NULL; }
#endif

static int runs_always(void) { return 1; }

// Best first; `base` is the table of CKernels.h whose instructions they extend.
static const struct {
  const mk_narrow_kernels *kernels;
  const mk_kernels *base;
  int (*runs)(void);
} candidates[] = {
#if defined(__x86_64__)
    {&mk_narrow_kernels_avx512_bf16, &mk_kernels_avx512, runs_avx512_bf16},
    {&mk_narrow_kernels_avx512_vnni, &mk_kernels_avx512, runs_avx512_vnni},
    {&mk_narrow_kernels_avx512, &mk_kernels_avx512, runs_avx512},
    {&mk_narrow_kernels_avx2, &mk_kernels_avx2, runs_avx2},
#endif
    {&mk_narrow_kernels_scalar, &mk_kernels_scalar, runs_always},
};

enum { candidate_count = sizeof(candidates) / sizeof(candidates[0]) };

const mk_narrow_kernels *mk_select_narrow(const mk_kernels *kernels) {
  for (size_t i = 0; i < candidate_count; i++) {
    if (candidates[i].base == kernels && candidates[i].runs()) return candidates[i].kernels;
  }
  return &mk_narrow_kernels_scalar;
}

size_t mk_available_narrow(const mk_narrow_kernels **out, size_t capacity) {
  size_t count = 0;
  for (size_t i = 0; i < candidate_count; i++) {
    if (!candidates[i].runs()) continue;
    if (out != NULL && count < capacity) out[count] = candidates[i].kernels;
    count++;
  }
  return count;
}
