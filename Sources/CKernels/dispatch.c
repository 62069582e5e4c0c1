// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "tables.h"

#if defined(__x86_64__)
static int runs_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int runs_avx512(void) {
  return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

static int runs_always(void) { return 1; }

// Best first.
static const struct {
  const mk_kernels *kernels;
  int (*runs)(void);
} candidates[] = {
#if defined(__x86_64__)
    {&mk_kernels_avx512, runs_avx512},
    {&mk_kernels_avx2, runs_avx2},
#endif
    {&mk_kernels_scalar, runs_always},
};

enum { candidate_count = sizeof(candidates) / sizeof(candidates[0]) };

const mk_kernels *mk_select(const char *forced) {
  for (size_t i = 0; i < candidate_count; i++) {
    const mk_kernels *kernels = candidates[i].kernels;
    if ((forced == NULL || strcmp(forced, kernels->name) == 0) && candidates[i].runs()) {
      return kernels;
    }
  }
  return NULL;
}

size_t mk_available(const mk_kernels **out, size_t capacity) {
  size_t count = 0;
  for (size_t i = 0; i < candidate_count; i++) {
    if (!candidates[i].runs()) continue;
    if (out != NULL && count < capacity) out[count] = candidates[i].kernels;
    count++;
  }
  return count;
}
