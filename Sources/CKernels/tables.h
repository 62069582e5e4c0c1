// SPDX-License-Identifier: Apache-2.0
//
// The tables that the per-instruction-set files define and `dispatch.c` chooses from.
#pragma once

#include "CKernels.h"

extern const mk_kernels mk_kernels_scalar;
extern const mk_narrow_kernels mk_narrow_kernels_scalar;

#if defined(__x86_64__)
extern const mk_kernels mk_kernels_avx2;
extern const mk_kernels mk_kernels_avx512;
extern const mk_narrow_kernels mk_narrow_kernels_avx2;
extern const mk_narrow_kernels mk_narrow_kernels_avx512;
extern const mk_narrow_kernels mk_narrow_kernels_avx512_vnni;
extern const mk_narrow_kernels mk_narrow_kernels_avx512_bf16;
#endif
