// SPDX-License-Identifier: Apache-2.0
//
// Kernels of the narrow types: bf16 and quantised 8-bit products and convolutions, and conversions.
// CKernels.h's conventions hold; what is said here comes on top.
//
// - bf16 is the upper half of a float32, rounded to nearest even; sums are float32.
// - u8 activations stand for scale * (q - zero_point). Their weights are s8 with one scale for each
//   output channel and no zero point; sums are int32 and exact, so that results have the same bits
//   on every instruction set.
// - A *word* is 32 bits: 4 values of u8 or 2 of bf16 along the reduction, which one instruction
//   multiplies and adds up (VPDPBUSD, VDPBF16PS).
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

#pragma clang assume_nonnull begin

/// How the elements of a tensor are stored.
typedef int32_t mk_format;
enum {
  MK_FORMAT_F32 = 0,
  MK_FORMAT_BF16 = 1,
  MK_FORMAT_U8 = 2,
};

/// u8: x = scale * (q - zero_point), zero_point in 0 ... 255.
typedef struct mk_quantization {
  float scale;
  int32_t zero_point;
} mk_quantization;

/// What becomes of the sums of a product: f(scales * (sum + offsets) + bias + residual), in registers
/// and the first-level cache, stored in any format. Arrays of one element a column are indexed by the
/// column of the whole product.
typedef struct mk_narrow_result {
  /// u8 only: the input's scale times the weights', and minus the input's zero point times the sums of
  /// the weights' columns.
  const float *_Nullable scales;
  const int32_t *_Nullable offsets;
  const float *_Nullable bias;
  /// Added before the activation; rows as those of the result, `residual_stride` elements apart.
  const void *_Nullable residual;
  mk_format residual_format;
  mk_quantization residual_quantization;
  size_t residual_stride;
  mk_activation activation;
  /// Not 0: adds to what is there. Only in format F32.
  int32_t accumulate;
  mk_format format;
  /// Of a result in format U8.
  mk_quantization quantization;
} mk_narrow_result;

/// C(M, N) = result(A(M, K) * B(K, N)), B packed by the `pack` of A's type. The size of scratch depends
/// on m, n, k and a_stride only.
typedef struct mk_narrow_gemm {
  size_t m, n, k;
  const void *_Nullable a;
  /// Elements from row to row.
  size_t a_stride;
  const void *_Nullable b;
  void *_Nullable c;
  size_t c_stride;
  mk_narrow_result result;
} mk_narrow_gemm;

/// The kernels of one narrow type.
typedef struct mk_narrow_type {
  /// Bytes of packed weights (`runs` times `length`, n): a convolution has KH runs of KW * C, a matrix
  /// one run of K. Every run is filled up to whole words.
  size_t (*packed_size)(size_t runs, size_t length, size_t n);
  /// Packs columns n0 ..< n1 of row-major weights. u8: quantises each column to its largest magnitude
  /// and writes scales[j] and sums[j], the sum of its quantised weights; bf16 ignores both.
  void (*pack)(
      void *packed, const float *b, size_t runs, size_t length, size_t n, size_t n0, size_t n1,
      float *_Nullable scales, int32_t *_Nullable sums);
  /// Bytes of scratch for any sub-range of the product.
  size_t (*gemm_scratch_size)(const mk_narrow_gemm *g);
  /// Computes C[m0 ..< m1, n0 ..< n1]; n0 is a multiple of the panel's width.
  void (*gemm)(
      const mk_narrow_gemm *g, size_t m0, size_t m1, size_t n0, size_t n1,
      void *_Nullable scratch);
  /// Bytes of scratch of `conv2d`.
  size_t (*conv2d_scratch_size)(const mk_window *s);
  /// y[row0 ..< row1, :, o0 ..< o1] = result(conv(x, w)) as `mk_kernels.conv2d`. Rows of result and
  /// residual are pixels. u8: what lies outside the image is `zero_point`.
  void (*conv2d)(
      const mk_window *s, const void *x, int32_t zero_point, const void *packed,
      const mk_narrow_result *result, void *y, size_t row0, size_t row1, size_t o0, size_t o1,
      void *_Nullable scratch);
  /// Largest value of each window, over output rows row0 ..< row1.
  void (*max_pool)(const mk_window *s, const void *x, void *y, size_t row0, size_t row1);
} mk_narrow_type;

/// The kernels of the narrow types on one instruction set. Immutable; lives for the whole process.
typedef struct mk_narrow_kernels {
  /// "scalar", "avx2", "avx512", "avx512_vnni" or "avx512_bf16" (which has both).
  const char *name;
  /// Rows and columns of the register tile.
  size_t tile_rows, panel_width;
  mk_narrow_type u8, bf16;

  // ---- conversions: flat -------------------------------------------------------------------------

  void (*bf16_from_f32)(uint16_t *out, const float *x, size_t count);
  void (*f32_from_bf16)(float *out, const uint16_t *x, size_t count);
  /// IEEE half precision, rounded to nearest even, with subnormals and overflow to infinity.
  void (*f16_from_f32)(uint16_t *out, const float *x, size_t count);
  void (*f32_from_f16)(float *out, const uint16_t *x, size_t count);
  /// q = round(x / scale) + zero_point, saturated; NaN is zero_point's neighbour, 0.
  void (*u8_from_f32)(uint8_t *out, const float *x, mk_quantization quantization, size_t count);
  void (*f32_from_u8)(float *out, const uint8_t *x, mk_quantization quantization, size_t count);

  // ---- calibration: depends on the range given ---------------------------------------------------

  /// Lowers *low and raises *high to the finite values of x.
  void (*range)(float *low, float *high, const float *x, size_t count);
  /// counts[(x - low) * bins_per_unit] += 1, outliers in the first and last of `bins`.
  void (*histogram)(
      uint64_t *counts, size_t bins, const float *x, float low, float bins_per_unit, size_t count);
} mk_narrow_kernels;

/// The best narrow kernels of this CPU that use no more than the instruction set of `kernels`.
const mk_narrow_kernels *mk_select_narrow(const mk_kernels *kernels);

/// Writes up to `capacity` tables that run on this CPU, best first, and returns how many there are.
size_t mk_available_narrow(
    const mk_narrow_kernels *_Nonnull *_Nullable out, size_t capacity);

#pragma clang assume_nonnull end

#ifdef __cplusplus
}
#endif
