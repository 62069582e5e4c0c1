// SPDX-License-Identifier: Apache-2.0
//
// Single-threaded speed of the kernels beside the fp32 FMA limit of the machine they were tuned on.
// Usage: bench-kernels [ISA] [name prefix]. See docs/kernels.md.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "CKernels.h"

enum { rounds = 7 };

/// GFLOP/s of one Zen 4 core at its usual clock: two 256-bit FMAs a cycle.
static const double fma_limit = 110;
/// GB/s of the same core from its third-level cache, where the arrays below lie.
static const double cache_limit = 78;

static const mk_kernels *kernels;
static const char *prefix = "";

/// CPU seconds of this thread: what others run on the core does not count.
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static float *numbers(size_t count) {
  const size_t bytes = (count * sizeof(float) + 63) / 64 * 64 + 64;
  float *p = aligned_alloc(64, bytes);
  if (p == NULL) {
    fprintf(stderr, "out of memory\n");
    exit(1);
  }
  memset(p, 0, bytes);
  const mk_philox stream = {.key = 1, .stream = count};
  kernels->random_uniform(p, &stream, 0, -1, 1, count);
  return p;
}

/// Runs `statement` in rounds of at least 30 ms each and prints the median of work / time.
#define MEASURE(name, work, limit, unit, statement)                                                \
  do {                                                                                             \
    if (strncmp(name, prefix, strlen(prefix)) != 0) break;                                         \
    double rate[rounds];                                                                           \
    statement;                                                                                     \
    for (int r = 0; r < rounds; r++) {                                                             \
      size_t times = 0;                                                                            \
      const double begin = now();                                                                  \
      double end;                                                                                  \
      do {                                                                                         \
        statement;                                                                                 \
        times++;                                                                                   \
        end = now();                                                                               \
      } while (end - begin < 0.03);                                                                \
      rate[r] = (double)times * (work) / (end - begin) * 1e-9;                                     \
    }                                                                                              \
    qsort(rate, rounds, sizeof rate[0], by_value);                                                 \
    printf(                                                                                        \
        "bench name=%s ours=%.4g peer=%.4g unit=%s ratio=%.2f rounds=%d\n", name,                  \
        rate[rounds / 2], limit, unit, rate[rounds / 2] / (limit), rounds);                        \
    fflush(stdout);                                                                                \
  } while (0)

static void bench_gemm(
    const char *name, size_t m, size_t n, size_t k, mk_operand_form form, int transposed_a) {
  if (strncmp(name, prefix, strlen(prefix)) != 0) return;
  float *a = numbers(m * k), *b = numbers(k * n), *c = numbers(m * n);
  float *packed = numbers(kernels->gemm_packed_size(k, n));
  mk_gemm g = {
      .m = m, .n = n, .k = k, .a = a, .b = b, .c = c, .c_stride = n, .b_form = form,
      .a_row_stride = transposed_a ? 1 : k, .a_column_stride = transposed_a ? m : 1,
      .b_stride = form == MK_OPERAND_TRANSPOSED ? k : n,
  };
  if (form == MK_OPERAND_PACKED) {
    kernels->gemm_pack(packed, b, MK_OPERAND_ROWS, n, k, n, 0, n);
    g.b = packed;
  }
  float *scratch = numbers(kernels->gemm_scratch_size(&g));
  MEASURE(
      name, 2.0 * (double)m * (double)n * (double)k, fma_limit, "GFLOP/s",
      kernels->gemm(&g, 0, m, 0, n, scratch));
  free(a), free(b), free(c), free(packed), free(scratch);
}

static void bench_conv(
    const char *name, size_t n, size_t c, size_t h, size_t o, size_t kernel, size_t stride,
    size_t pad) {
  const size_t out = (h + 2 * pad - kernel) / stride + 1;
  const mk_window s = {
      .n = n, .h = h, .w = h, .c = c, .oh = out, .ow = out, .o = o, .kernel_h = kernel,
      .kernel_w = kernel, .stride_h = stride, .stride_w = stride, .pad_top = pad, .pad_left = pad,
  };
  float *x = numbers(n * h * h * c), *y = numbers(n * out * out * o);
  float *w = numbers(kernel * kernel * c * o), *bias = numbers(o);
  float *forward = numbers(kernels->conv2d_packed_size(&s));
  float *backward = numbers(kernels->conv2d_data_gradient_packed_size(&s));
  kernels->conv2d_pack(&s, forward, w, 0, o);
  kernels->conv2d_data_gradient_pack(&s, backward, w, 0, c);
  size_t size = kernels->conv2d_scratch_size(&s);
  const size_t others[] = {
      kernels->conv2d_data_gradient_scratch_size(&s),
      kernels->conv2d_weight_gradient_scratch_size(&s)};
  for (int i = 0; i < 2; i++) size = others[i] > size ? others[i] : size;
  float *scratch = numbers(size);
  const double work = 2.0 * (double)(n * out * out * o) * (double)(kernel * kernel * c);
  char label[96];
  snprintf(label, sizeof label, "%s_forward", name);
  MEASURE(
      label, work, fma_limit, "GFLOP/s",
      kernels->conv2d(&s, x, forward, bias, MK_ACTIVATION_RELU, y, 0, n * out, 0, o, scratch));
  if (kernel == 3 && stride == 1) {
    float *transformed = numbers(kernels->winograd_packed_size(&s));
    float *space = numbers(kernels->winograd_scratch_size(&s));
    kernels->winograd_pack(&s, transformed, w, 0, o);
    snprintf(label, sizeof label, "%s_winograd", name);
    MEASURE(
        label, work, fma_limit, "GFLOP/s",
        kernels->winograd(
            &s, x, transformed, bias, MK_ACTIVATION_RELU, y, 0, n * ((out + 1) / 2), 0, o, space));
    free(transformed), free(space);
  }
  snprintf(label, sizeof label, "%s_data_gradient", name);
  MEASURE(
      label, work, fma_limit, "GFLOP/s",
      kernels->conv2d_data_gradient(&s, y, backward, NULL, 0, x, 0, n * h, 0, c, scratch));
  const size_t units = kernels->conv2d_weight_gradient_units(&s);
  snprintf(label, sizeof label, "%s_weight_gradient", name);
  MEASURE(
      label, work, fma_limit, "GFLOP/s",
      kernels->conv2d_weight_gradient(&s, x, y, 0, w, bias, 0, n, 0, units, scratch));
  free(x), free(y), free(w), free(bias), free(forward), free(backward), free(scratch);
}

static void bench_pool(void) {
  const mk_window s = {
      .n = 64, .h = 24, .w = 24, .c = 64, .oh = 12, .ow = 12, .kernel_h = 2, .kernel_w = 2,
      .stride_h = 2, .stride_w = 2,
  };
  const size_t in = 64 * 24 * 24 * 64, out = in / 4;
  float *x = numbers(in), *y = numbers(out);
  uint16_t *taps = (uint16_t *)numbers(out / 2);
  MEASURE(
      "max_pool", 4.0 * (double)in + 6.0 * (double)out, cache_limit, "GB/s",
      kernels->max_pool(&s, x, y, taps, 0, s.n * s.oh));
  MEASURE(
      "max_pool_gradient", 4.0 * (double)in + 6.0 * (double)out, cache_limit, "GB/s",
      kernels->max_pool_gradient(&s, y, taps, NULL, x, 0, s.n * s.h));
  free(x), free(y), free(taps);
}

static void bench_flat(void) {
  const size_t count = 1000000;
  const double items = (double)count;
  float *x = numbers(count), *y = numbers(count), *m = numbers(count), *v = numbers(count);
  // Peers: the plain C loops of the prototypes, measured on the same kind of machine, in 10^9
  // elements a second.
  MEASURE("exp", items, 1e-3 / 241e-6, "Gelement/s", kernels->exponential(y, x, count));
  MEASURE(
      "tanh", items, 1e-3 / 469e-6, "Gelement/s",
      kernels->activate(y, x, MK_ACTIVATION_TANH, count));
  MEASURE(
      "softmax_1000x1000", items, 1e-3 / 343e-6, "Gelement/s", kernels->softmax(y, x, 1000, 1000));
  // Peers: the third-level cache.
  const mk_adam adam = {
      .learning_rate = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f,
      .correction1 = 0.1f, .correction2 = 0.001f, .gradient_scale = 1,
  };
  kernels->multiply(v, v, v, count);
  MEASURE("adam", 28 * items, cache_limit, "GB/s", kernels->adam(&adam, x, m, v, y, count));
  const mk_philox stream = {1, 2};
  MEASURE(
      "dropout", 8 * items, cache_limit, "GB/s",
      kernels->dropout(y, x, &stream, 0, 0.25f, count));
  MEASURE(
      "column_sums", 4 * items, cache_limit, "GB/s",
      kernels->column_sums(y, x, 64, count / 64, 64, 0));
  MEASURE(
      "transpose", 8 * items, cache_limit, "GB/s",
      kernels->transpose(y, 1000, x, 1000, 0, 1000, 1000));
  free(x), free(y), free(m), free(v);
}

int main(int count, char **arguments) {
  const char *forced = count > 1 && arguments[1][0] != '\0' ? arguments[1] : NULL;
  kernels = mk_select(forced);
  if (kernels == NULL) {
    fprintf(stderr, "unknown instruction set, or not this CPU's: %s\n", forced);
    return 1;
  }
  if (count > 2) prefix = arguments[2];
  printf(
      "# kernels, %s, 1 thread; peer = the limit of a Zen 4 core (FMA, third-level cache) or the "
      "plain C prototype\n",
      kernels->name);
  bench_gemm("sgemm_1024", 1024, 1024, 1024, MK_OPERAND_ROWS, 0);
  bench_gemm("sgemm_1024_packed", 1024, 1024, 1024, MK_OPERAND_PACKED, 0);
  bench_gemm("sgemm_1x4096x4096_packed", 1, 4096, 4096, MK_OPERAND_PACKED, 0);
  bench_gemm("sgemm_8x4096x4096_packed", 8, 4096, 4096, MK_OPERAND_PACKED, 0);
  bench_gemm("sgemm_32x4096x4096_packed", 32, 4096, 4096, MK_OPERAND_PACKED, 0);
  bench_gemm("sgemm_32x512x784_packed", 32, 512, 784, MK_OPERAND_PACKED, 0);
  bench_gemm("sgemm_1x512x784_packed", 1, 512, 784, MK_OPERAND_PACKED, 0);
  bench_gemm("dense_64x9216x128_forward", 64, 128, 9216, MK_OPERAND_ROWS, 0);
  bench_gemm("dense_64x9216x128_data_gradient", 64, 9216, 128, MK_OPERAND_TRANSPOSED, 0);
  bench_gemm("dense_64x9216x128_weight_gradient", 9216, 128, 64, MK_OPERAND_ROWS, 1);
  bench_gemm("dense_64x784x512_forward", 64, 512, 784, MK_OPERAND_ROWS, 0);
  bench_gemm("dense_64x784x512_weight_gradient", 784, 512, 64, MK_OPERAND_ROWS, 1);
  bench_conv("conv_64x1x28_32_3x3", 64, 1, 28, 32, 3, 1, 0);
  bench_conv("conv_64x32x26_64_3x3", 64, 32, 26, 64, 3, 1, 0);
  bench_conv("conv_1x64x56_64_3x3_padded", 1, 64, 56, 64, 3, 1, 1);
  bench_conv("conv_8x64x56_64_3x3_padded", 8, 64, 56, 64, 3, 1, 1);
  bench_conv("conv_8x128x28_128_3x3_padded", 8, 128, 28, 128, 3, 1, 1);
  bench_conv("conv_8x256x14_256_3x3_padded", 8, 256, 14, 256, 3, 1, 1);
  bench_conv("conv_1x512x7_512_3x3_padded", 1, 512, 7, 512, 3, 1, 1);
  bench_conv("conv_8x512x7_512_3x3_padded", 8, 512, 7, 512, 3, 1, 1);
  bench_conv("conv_1x64x56_128_3x3_stride2", 1, 64, 56, 128, 3, 2, 1);
  bench_conv("conv_1x3x224_64_7x7_stride2", 1, 3, 224, 64, 7, 2, 3);
  bench_pool();
  bench_flat();
  return 0;
}
