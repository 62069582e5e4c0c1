// SPDX-License-Identifier: Apache-2.0
#include "CKernels.h"

const mk_kernels *mk_select(const char *forced) {
  (void)forced;
  return NULL;
}

size_t mk_available(const mk_kernels **out, size_t capacity) {
  (void)out, (void)capacity;
  return 0;
}
