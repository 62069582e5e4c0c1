// SPDX-License-Identifier: Apache-2.0
//
// CKernels: the vector kernels of Massif's tensor runtime, one table of functions per instruction
// set.
//
// Conventions, for every function of the table:
//
// - Data are float32 (`f32`) and row-major; images are NHWC. Legend: N images, H/W height and
//   width, C input channels, O output channels, OH/OW output height and width, KH/KW kernel height
//   and width; for matrices C(M, N) = A(M, K) * B(K, N).
// - Sizes, strides and scratch sizes count *elements*, not bytes. Any size may be zero.
// - Functions are single-threaded, keep no state, allocate nothing, print nothing and cannot fail.
//   Shapes must be valid (the caller has checked them); nothing outside the arrays described is
//   read or written.
// - Who partitions: the caller. A function with a range argument (`m0..m1`, `row0..row1`, ...)
//   computes that half-open part of its output and touches no other part of it; a function without
//   one is flat, and the caller advances the pointers. Whatever the ranges and their order, every
//   output element has the same bits, because each is one chain of operations fixed by the shape
//   and the instruction set alone. Functions that *reduce* over what they are given (`column_sums`,
//   `channel_moments`, a weight gradient over an image range, ...) depend on that range: cut it by
//   shape, never by thread count, and combine in index order.
// - Aliasing: `out` may be exactly one of the inputs of a flat elementwise function (marked "in
//   place"); everywhere else outputs, inputs and scratch must not overlap.
// - No alignment is required; 64-byte aligned arrays are faster. Scratch is uninitialised on entry,
//   belongs to one call at a time, and may be NULL where its size is 0.
// - NaN is propagated: by maximum, ReLU and max-pooling too.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma clang assume_nonnull begin

/// A function applied to each result while it is still in registers or in the first-level cache.
typedef int32_t mk_activation;
enum {
  MK_ACTIVATION_NONE = 0,
  MK_ACTIVATION_RELU = 1,
  MK_ACTIVATION_SIGMOID = 2,
  MK_ACTIVATION_TANH = 3,
  /// x > 0 ? x : x / 100
  MK_ACTIVATION_LEAKY_RELU = 4,
  /// x > 0 ? x : exp(x) - 1
  MK_ACTIVATION_ELU = 5,
  /// x * normal_cdf(x)
  MK_ACTIVATION_GELU = 6,
  /// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
  MK_ACTIVATION_GELU_TANH = 7,
  /// x * sigmoid(x)
  MK_ACTIVATION_SILU = 8,
  /// log(1 + exp(x))
  MK_ACTIVATION_SOFTPLUS = 9,
  /// min(max(x, 0), 6)
  MK_ACTIVATION_RELU6 = 10,
  /// relu6(x + 3) / 6
  MK_ACTIVATION_HARD_SIGMOID = 11,
  /// x * hard_sigmoid(x)
  MK_ACTIVATION_HARD_SWISH = 12,
  /// min(max(x, -1), 1)
  MK_ACTIVATION_HARD_TANH = 13,
};

/// A function of two numbers.
typedef int32_t mk_binary;
enum {
  MK_BINARY_ADD = 0,
  MK_BINARY_SUBTRACT = 1,
  MK_BINARY_MULTIPLY = 2,
  MK_BINARY_DIVIDE = 3,
  /// As C's pow.
  MK_BINARY_POWER = 4,
  /// NaN where either is NaN, as the next.
  MK_BINARY_MINIMUM = 5,
  MK_BINARY_MAXIMUM = 6,
};

/// A function of one number.
typedef int32_t mk_unary;
enum {
  MK_UNARY_NEGATE = 0,
  MK_UNARY_ABSOLUTE = 1,
  MK_UNARY_EXPONENTIAL = 2,
  MK_UNARY_LOGARITHM = 3,
  MK_UNARY_SQUARE = 4,
  MK_UNARY_RECIPROCAL = 5,
  MK_UNARY_SQUARE_ROOT = 6,
  MK_UNARY_RECIPROCAL_SQUARE_ROOT = 7,
  /// -1, 0 or 1
  MK_UNARY_SIGN = 8,
  MK_UNARY_FLOOR = 9,
  MK_UNARY_CEILING = 10,
  /// To the nearest integer, halves to the even one.
  MK_UNARY_ROUND = 11,
  MK_UNARY_SINE = 12,
  MK_UNARY_COSINE = 13,
  MK_UNARY_ERROR_FUNCTION = 14,
  /// log(1 + x)
  MK_UNARY_LOGARITHM_OF_ONE_PLUS = 15,
  /// exp(x) - 1
  MK_UNARY_EXPONENTIAL_LESS_ONE = 16,
};

/// A question about two numbers; of a NaN only `NOT_EQUAL` is true.
typedef int32_t mk_comparison;
enum {
  MK_COMPARISON_EQUAL = 0,
  MK_COMPARISON_NOT_EQUAL = 1,
  MK_COMPARISON_LESS = 2,
  MK_COMPARISON_LESS_OR_EQUAL = 3,
  MK_COMPARISON_GREATER = 4,
  MK_COMPARISON_GREATER_OR_EQUAL = 5,
};

/// What `pointwise_loss` adds up, x being a prediction and t its target.
typedef int32_t mk_loss;
enum {
  /// (x - t)^2
  MK_LOSS_SQUARED = 0,
  /// |x - t|
  MK_LOSS_ABSOLUTE = 1,
  /// (x - t)^2 / 2 within `parameter` of the target, parameter * (|x - t| - parameter / 2) beyond.
  MK_LOSS_HUBER = 2,
  /// Binary cross-entropy of a logit, a positive's part multiplied by `parameter`: (1 - t) x + (1 +
  /// (parameter - 1) t) * log(1 + exp(-x)).
  MK_LOSS_BINARY_CROSS_ENTROPY = 3,
  /// max(0, 1 - t x), t = -1 or 1
  MK_LOSS_HINGE = 4,
  /// t (log t - x), x a logarithm of a probability; 0 where t is 0.
  MK_LOSS_KULLBACK_LEIBLER = 5,
  /// -t x, x a logarithm of a probability.
  MK_LOSS_CROSS_ENTROPY = 6,
};

/// How the right operand of a matrix product lies in memory.
typedef int32_t mk_operand_form;
enum {
  /// Row-major (K, N); `b_stride` elements from row to row.
  MK_OPERAND_ROWS = 0,
  /// The transpose, row-major (N, K); `b_stride` elements from row to row. For a dense layer's data
  /// gradient, dX = dY * W^T with W (inputs, outputs) in place.
  MK_OPERAND_TRANSPOSED = 1,
  /// Written by `gemm_pack`, panel-major. Best where B is constant, and by far where M is small.
  MK_OPERAND_PACKED = 2,
};

/// One matrix product: C = gate(activation(A * B + bias (+ C))).
///
/// Dense layer, X (batch, inputs), W (inputs, outputs):
/// - forward: A = X, B = W packed (or ROWS in training), bias, activation;
/// - data gradient: A = dY, B = W TRANSPOSED;
/// - weight gradient: A = X^T (a_row_stride 1, a_column_stride inputs), B = dY ROWS, M = inputs, K
///   = batch.
typedef struct mk_gemm {
  size_t m, n, k;
  /// Element (i, p) of A is a[i * a_row_stride + p * a_column_stride]. One of the two strides
  /// should be 1.
  const float *a;
  size_t a_row_stride, a_column_stride;
  const float *b;
  mk_operand_form b_form;
  /// Ignored when packed.
  size_t b_stride;
  /// Element (i, j) of C is c[i * c_stride + j].
  float *c;
  size_t c_stride;
  /// (N), or NULL.
  const float *_Nullable bias;
  mk_activation activation;
  /// Not 0: adds to C instead of overwriting it (the activation is applied to the sum).
  int32_t accumulate;
  /// NULL, or a matrix laid out like C with row stride `gate_stride`: results are zero where it is
  /// <= 0. This is ReLU's gradient, fused: the gate is the ReLU's output. Only with activation NONE
  /// or RELU.
  const float *_Nullable gate;
  size_t gate_stride;
} mk_gemm;

/// The geometry of a 2-D convolution or pooling: (N, H, W, C) to (N, OH, OW, O).
///
/// Output row y reads input rows y * stride_h - pad_top + (0 ..< kernel_h); what lies outside the
/// image is zero (average-pooling and convolution) or absent (max-pooling). Padding below and to
/// the right is whatever OH and OW make necessary, so asymmetric padding needs nothing more.
/// Requires strides >= 1, kernel >= 1, pad_top < kernel_h, pad_left < kernel_w, and every output
/// row and column to have at least one of its taps inside the image.
typedef struct mk_window {
  /// Images; it bounds the ranges and takes part in no layout.
  size_t n;
  size_t h, w, c;
  size_t oh, ow;
  /// Output channels; unused by pooling.
  size_t o;
  size_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left;
} mk_window;

/// Where pixel (y, x) of a resampled image lies in the image that it is made of: at row
/// `row + row_per_y * y + row_per_x * x`, and column likewise, counted from pixel centre to pixel
/// centre. All finite.
typedef struct mk_affine {
  float row, row_per_y, row_per_x;
  float column, column_per_y, column_per_x;
} mk_affine;

/// Adam and AdamW, one step. Corrections are computed by the caller in double precision.
typedef struct mk_adam {
  float learning_rate, beta1, beta2, epsilon;
  /// L2 penalty added to the gradient (Adam), or, if `decoupled`, decay of the parameter (AdamW).
  float weight_decay;
  int32_t decoupled;
  /// 1 - beta1^t and 1 - beta2^t for step t = 1, 2, ...
  float correction1, correction2;
  /// Multiplies the gradient first: 1, or a clipping factor.
  float gradient_scale;
} mk_adam;

/// Stochastic gradient descent with momentum, one step.
typedef struct mk_sgd {
  float learning_rate, momentum, weight_decay;
  int32_t nesterov;
  float gradient_scale;
} mk_sgd;

/// Adagrad, one step.
typedef struct mk_adagrad {
  float learning_rate, epsilon, weight_decay;
  float gradient_scale;
} mk_adagrad;

/// RMSProp, one step.
typedef struct mk_rmsprop {
  float learning_rate, decay, momentum, epsilon, weight_decay;
  float gradient_scale;
} mk_rmsprop;

/// A stream of random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as
/// 1, 2, 3", SC'11). Number i of a stream is word i % 4 of the block with counter (low and high
/// half of i / 4, low and high half of `stream`) and key (low and high half of `key`): any part can
/// be produced on its own.
typedef struct mk_philox {
  uint64_t key, stream;
} mk_philox;

// ---- decision trees: types ----------------------------------------------------------------------

enum {
  /// The code of a missing value among codes of one byte; values have 0 ..< 255.
  MK_TREE_MISSING = 255,
  /// Columns of a group, whose codes of a row are one 64-bit word.
  MK_TREE_GROUP = 8,
};

/// The code of a missing value among codes of four bytes.
#define MK_TREE_WIDE_MISSING UINT32_MAX

/// What a split makes less of.
typedef int32_t mk_tree_criterion;
enum {
  MK_TREE_GINI = 0,
  MK_TREE_ENTROPY = 1,
  MK_TREE_SQUARED_ERROR = 2,
};

/// A column as codes: that of row r is element r * stride.
typedef struct mk_tree_column {
  const void *codes;
  size_t stride;
  /// Not 0: codes are uint32_t, not uint8_t. Not with categories.
  int32_t is_wide;
  /// Not 0: codes have no order. Fewer than 255 of them.
  int32_t is_categorical;
} mk_tree_column;

/// A node whose best split is looked for.
typedef struct mk_tree_node {
  /// The row in the lower half; above it the class (16 bits) and how often the row counts (16
  /// bits), or, for a regression, the target as a float.
  const uint64_t *_Nullable samples;
  size_t count;
  mk_tree_criterion criterion;
  /// Samples on either side of a split, counted as often as they count.
  uint64_t minimum_leaf;
  /// The sum of how often the rows count.
  uint64_t sample_count;
  /// A split must have more than this score.
  double least_score;

  /// Classification: how many classes, how many samples of each, the classes' weights w.
  size_t classes;
  const double *_Nullable class_counts;
  const double *_Nullable class_weights;
  /// sum(w * count)
  double weight;
  /// Gini: sum((w * count)^2). Entropy: sum(w * count * log2(w * count)).
  double score_sum;
  /// Entropy only: log2 of the weights, and c * log2(c) for c in 0 ... sample_count.
  const double *_Nullable class_weight_logs;
  const double *_Nullable count_logs;

  /// Regression: the sum of the targets.
  double sum;
} mk_tree_node;

/// A split of a node.
typedef struct mk_tree_split {
  /// Without splits, as `least_score` was. Gini: sum over both sides of sum((w * count)^2) /
  /// weight; entropy: of sum(c log2 c) - weight * log2(weight); squared error: of sum^2 / count;
  /// gradients: of G^2 / (H + l2).
  double score;
  /// The highest code that goes left, and the next one in use, which goes right; `bin` may be the
  /// highest of all, then only what is missing goes right, and `next` is its code.
  uint32_t bin, next;
  int32_t missing_left;
  int32_t has_missing;
  /// Every sample has the same code.
  int32_t is_constant;
  int32_t is_categorical;
  /// Categorical: bit c set when code c goes left.
  uint64_t categories[4];
  /// Gradients: the packed sums of the left side.
  int64_t left_sums;
} mk_tree_split;

/// Memory that a search for splits works in; one for each thread.
typedef struct mk_tree_scratch {
  /// 2 * capacity, at least twice the largest node's samples.
  uint64_t *keys;
  size_t capacity;
  /// 256 * classes, zero on entry and zero again on return.
  uint32_t *_Nullable slots;
  /// (classes)
  double *_Nullable class_counts;
} mk_tree_scratch;

/// A leaf of a growing boosted tree.
typedef struct mk_gradient_node {
  /// The packed sums of its gradients (upper half) and Hessians (lower half, below 2^31).
  int64_t total;
  /// What one of the fixed-point numbers is worth.
  double gradient_unit, hessian_unit;
  /// Added to the denominators; for categories, `category_l2` too.
  double l2, category_l2;
  /// Added to the Hessians by which categories are ordered.
  double category_smoothing;
  /// The fixed-point Hessian that each side must have.
  int32_t least_hessian;
  double least_score;
} mk_gradient_node;

enum {
  MK_TREE_LINK_COLUMN = 0x1fffffff,
  MK_TREE_LINK_CATEGORICAL = 0x20000000,
  MK_TREE_LINK_MISSING_LEFT = 0x40000000,
};

/// In `mk_tree_link.column`: the node is a leaf, `left` is its number.
#define MK_TREE_LINK_LEAF 0x80000000u

/// A node of a finished tree, 16 bytes.
typedef struct mk_tree_link {
  /// The column, and the flags above.
  uint32_t column;
  /// x <= threshold goes left; of a categorical node, the bits are the number of its set.
  float threshold;
  uint32_t left, right;
} mk_tree_link;

/// The kernels of one instruction set. Immutable; lives for the whole process.
typedef struct mk_kernels {
  /// "scalar", "avx2" or "avx512".
  const char *name;
  /// Floats in a vector.
  size_t lanes;
  /// Rows of the register tile: ranges over M are fastest in multiples of it.
  size_t tile_rows;
  /// Columns of the register tile and of a packed panel: ranges over N, O (and C in a data
  /// gradient) must begin at multiples of it and end at one or at the end.
  size_t panel_width;

  // ---- matrix product -------------------------------------------------------------------------

  /// Elements of a packed B(K, N).
  size_t (*gemm_packed_size)(size_t k, size_t n);
  /// Packs columns n0 ..< n1 of B (form ROWS or TRANSPOSED) into their place in `packed`.
  void (*gemm_pack)(
      float *packed, const float *b, mk_operand_form form, size_t b_stride, size_t k, size_t n,
      size_t n0, size_t n1);
  /// Scratch elements for any sub-range of this product. Depends on m, n, k, strides and form only.
  size_t (*gemm_scratch_size)(const mk_gemm *g);
  /// Computes C[m0 ..< m1, n0 ..< n1]. `n0` as `panel_width` says. With k = 0 the sum is 0.
  ///
  /// Every call packs the part of A (and, unless packed, of B) that it uses, so few large ranges
  /// beat many small ones: cut M when M is large, N when it is not, in parts of 128 and more.
  void (*gemm)(
      const mk_gemm *g, size_t m0, size_t m1, size_t n0, size_t n1, float *_Nullable scratch);

  // ---- Gram matrix, double precision ----------------------------------------------------------

  /// Columns of a panel of `gram`: results have whole panels.
  size_t gram_panel_width;
  /// Packs rows of x (rows, columns), row stride `x_stride`, as (x - shift[column]) * weights[row]
  /// (NULL: 0 and 1) into panels of doubles, `packed_rows` rows apart; `packed` points at the first
  /// of these rows in the first panel. Columns beyond the last are filled up with zeros.
  void (*gram_pack)(
      double *packed, size_t packed_rows, const float *x, size_t x_stride,
      const double *_Nullable shift, const double *_Nullable weights, size_t rows, size_t columns);
  /// Adds X^T X of the packed rows to the rows of one panel of `out`, for its columns from the
  /// panel's own on: the upper triangle, panel by panel. `out` is (columns, columns) with both rounded
  /// up to whole panels. Sums over rows in their order.
  void (*gram)(
      double *out, size_t out_stride, const double *packed, size_t packed_rows, size_t rows,
      size_t columns, size_t panel);

  // ---- convolution ----------------------------------------------------------------------------
  // Weights are (KH, KW, C, O) row-major; no im2col: one strided micro-kernel reads the images in
  // place.

  /// Elements of the packed weights of the forward pass.
  size_t (*conv2d_packed_size)(const mk_window *s);
  /// Packs output channels o0 ..< o1 of w (KH, KW, C, O). Once per set of weights.
  void (*conv2d_pack)(const mk_window *s, float *packed, const float *w, size_t o0, size_t o1);
  size_t (*conv2d_scratch_size)(const mk_window *s);
  /// y[row0 ..< row1, :, o0 ..< o1] = activation(conv(x, w) + bias), where the rows are the N * OH
  /// output rows of y (N, OH, OW, O) from x (N, H, W, C). Rows of one image together, as many as
  /// possible, are fastest.
  void (*conv2d)(
      const mk_window *s, const float *x, const float *packed, const float *_Nullable bias,
      mk_activation activation, float *y, size_t row0, size_t row1, size_t o0, size_t o1,
      float *_Nullable scratch);

  /// Elements of the packed weights of the data gradient.
  size_t (*conv2d_data_gradient_packed_size)(const mk_window *s);
  /// Packs input channels c0 ..< c1 of w (KH, KW, C, O), flipped and transposed.
  void (*conv2d_data_gradient_pack)(
      const mk_window *s, float *packed, const float *w, size_t c0, size_t c1);
  size_t (*conv2d_data_gradient_scratch_size)(const mk_window *s);
  /// dx[row0 ..< row1, :, c0 ..< c1] (+)= gradient along x, where the rows are the N * H rows of dx
  /// (N, H, W, C), from dy (N, OH, OW, O). `gate` is NULL or (N, H, W, C): see mk_gemm.gate.
  void (*conv2d_data_gradient)(
      const mk_window *s, const float *dy, const float *packed, const float *_Nullable gate,
      int32_t accumulate, float *dx, size_t row0, size_t row1, size_t c0, size_t c1,
      float *_Nullable scratch);

  /// Number of independent parts of a weight gradient: KH * ceil(O / panel_width).
  size_t (*conv2d_weight_gradient_units)(const mk_window *s);
  size_t (*conv2d_weight_gradient_scratch_size)(const mk_window *s);
  /// dw (KH, KW, C, O) (+)= gradient along the weights summed over images image0 ..< image1, and,
  /// unless NULL, dbias (O) (+)= the sums of dy; only the elements of units unit0 ..< unit1 are
  /// touched.
  ///
  /// The sum over a fixed image range has the same bits however the units are cut. Two ways to
  /// partition: all images, units in parallel (large weights); or images in chunks of a fixed size,
  /// each into its own partial gradient, added in order with `column_sums` (small weights, such as
  /// a first layer's).
  void (*conv2d_weight_gradient)(
      const mk_window *s, const float *x, const float *dy, int32_t accumulate, float *dw,
      float *_Nullable dbias, size_t image0, size_t image1, size_t unit0, size_t unit1,
      float *_Nullable scratch);

  // Kernels of 3 x 3 at stride 1 in 16 products a channel of 2 x 2 outputs instead of 36 (Winograd). Results differ
  // from `conv2d` by rounding, about a bit more of it; an infinity in a tile's 4 x 4 inputs may make NaN of all of the
  // tile. The window as for `conv2d`.

  /// Elements of the transformed weights.
  size_t (*winograd_packed_size)(const mk_window *s);
  /// Transforms output channels o0 ..< o1 of w (3, 3, C, O). Once per set of weights.
  void (*winograd_pack)(const mk_window *s, float *packed, const float *w, size_t o0, size_t o1);
  size_t (*winograd_scratch_size)(const mk_window *s);
  /// y of rows of tiles row0 ..< row1 and channels o0 ..< o1 = activation(conv(x, w) + bias). An image has OH / 2 rows
  /// of tiles, rounded up, each two rows of y; all images together N times as many.
  void (*winograd)(
      const mk_window *s, const float *x, const float *packed, const float *_Nullable bias,
      mk_activation activation, float *y, size_t row0, size_t row1, size_t o0, size_t o1,
      float *_Nullable scratch);

  // ---- pooling (O unused: channels are C throughout) ------------------------------------------

  /// y rows row0 ..< row1 of N * OH. `taps` (N, OH, OW, C), unless NULL, takes the position of the
  /// maximum in its window, ky * KW + kx, the first of equals; so KH * KW <= 65536.
  void (*max_pool)(
      const mk_window *s, const float *x, float *y, uint16_t *_Nullable taps, size_t row0,
      size_t row1);
  /// dx rows row0 ..< row1 of N * H, overwritten; windows may overlap. `gate` (N, OH, OW, C),
  /// unless NULL, is the pool's own output when a ReLU came before it: gradient passes only where
  /// it is > 0.
  void (*max_pool_gradient)(
      const mk_window *s, const float *dy, const uint16_t *taps, const float *_Nullable gate,
      float *dx, size_t row0, size_t row1);
  /// y rows row0 ..< row1 of N * OH. Divides by KH * KW if `count_padding`, else by the taps inside
  /// the image.
  void (*average_pool)(
      const mk_window *s, const float *x, float *y, int32_t count_padding, size_t row0,
      size_t row1);
  /// dx rows row0 ..< row1 of N * H, overwritten.
  void (*average_pool_gradient)(
      const mk_window *s, const float *dy, float *dx, int32_t count_padding, size_t row0,
      size_t row1);

  // ---- resampling -----------------------------------------------------------------------------

  /// Rows row0 ..< row1 of out (H, W, C): x (H, W, C) where `map` says, linear between the four pixels
  /// around; pixels that are not there have the value `outside`. H * W * C below 2^31.
  void (*resample)(
      float *out, const float *x, const mk_affine *map, float outside, size_t h, size_t w, size_t c,
      size_t row0, size_t row1);

  // ---- elementwise: flat, in place allowed ----------------------------------------------------

  void (*fill)(float *out, float value, size_t count);
  /// out = a + b
  void (*add)(float *out, const float *a, const float *b, size_t count);
  /// out = a - b
  void (*subtract)(float *out, const float *a, const float *b, size_t count);
  /// out = a * b
  void (*multiply)(float *out, const float *a, const float *b, size_t count);
  /// out = factor * x + offset
  void (*scale)(float *out, const float *x, float factor, float offset, size_t count);
  /// out += factor * x
  void (*axpy)(float *out, const float *x, float factor, size_t count);
  /// out = exp(x), within 2 units in the last place.
  void (*exponential)(float *out, const float *x, size_t count);
  /// out = min(max(x, low), high)
  void (*clamp)(float *out, const float *x, float low, float high, size_t count);
  /// out = activation(x); sigmoid, tanh, softplus and ELU within 4 units in the last place, GELU
  /// within 2e-7 of max(1, |x|).
  void (*activate)(float *out, const float *x, mk_activation activation, size_t count);
  /// dx = dy * activation'(x), given v: the activation's input x for GELU (both), SiLU and hard
  /// swish, its output for all others.
  void (*activation_gradient)(
      float *dx, const float *dy, const float *v, mk_activation activation, size_t count);
  /// out = factor * x + offset, from bytes. Not in place.
  void (*convert_u8)(float *out, const uint8_t *x, float factor, float offset, size_t count);

  // ---- rows of a matrix (rows, columns), dense; in place allowed --------------------------------

  /// out[r, :] = activation(x[r, :] + bias)
  void (*add_bias)(
      float *out, const float *x, const float *bias, mk_activation activation, size_t rows,
      size_t columns);
  void (*softmax)(float *out, const float *x, size_t rows, size_t columns);
  void (*log_softmax)(float *out, const float *x, size_t rows, size_t columns);
  /// dx[r, :] = y * (dy - sum(y * dy)), y = softmax(x)
  void (*softmax_gradient)(float *dx, const float *dy, const float *y, size_t rows, size_t columns);
  /// losses[r] = -log softmax(logits[r, :])[labels[r]]; unless NULL, gradient = scale * (softmax -
  /// one-hot). A label outside 0 ..< columns makes the row's loss and gradient 0: it is ignored.
  void (*softmax_cross_entropy)(
      float *losses, float *_Nullable gradient, const float *logits, const int32_t *labels,
      float scale, size_t rows, size_t columns);
  /// The same with a weight for each class and with smoothed labels (Szegedy et al., 2016): of a
  /// row with label y, class c has the share a[c] = weights[c] * ((1 - smoothing) * (c == y) +
  /// smoothing / columns); losses[r] = -sum(a * log softmax), gradient = scale * (sum(a) * softmax -
  /// a). `weights` (columns) or NULL for ones.
  void (*smoothed_cross_entropy)(
      float *losses, float *_Nullable gradient, const float *logits, const int32_t *labels,
      const float *_Nullable weights, float smoothing, float scale, size_t rows, size_t columns);
  /// losses[r] = sum over the columns of the loss between x and target; unless NULL, gradient =
  /// scale * its derivative along x. `parameter` as the loss says.
  void (*pointwise_loss)(
      float *losses, float *_Nullable gradient, const float *x, const float *target, mk_loss loss,
      float parameter, float scale, size_t rows, size_t columns);
  /// dx[r, :] = dy - softmax * sum(dy), y = log_softmax(x)
  void (*log_softmax_gradient)(
      float *dx, const float *dy, const float *y, size_t rows, size_t columns);
  /// out[r] = index of the row's largest value, the first of equals; -1 if columns is 0.
  void (*row_argmax)(int32_t *out, const float *x, size_t rows, size_t columns);
  /// out (columns, rows) = x (rows, columns) transposed, for rows row0 ..< row1 of x. Not in place.
  void (*transpose)(
      float *out, size_t out_stride, const float *x, size_t x_stride, size_t row0, size_t row1,
      size_t columns);

  // ---- reductions -----------------------------------------------------------------------------

  /// out (columns) (+)= sum over rows of x, in row order; row stride `x_stride`. Columns are
  /// independent: cut them by advancing `out` and `x`. Also combines partial results: `rows`
  /// partial arrays, `x_stride` apart.
  void (*column_sums)(
      float *out, const float *x, size_t x_stride, size_t rows, size_t columns, int32_t accumulate);
  /// Sum of a flat array: `lanes` interleaved partial sums, then those by halves.
  float (*sum)(const float *x, size_t count);
  /// Sum of squares, in the same order (gradient clipping).
  float (*sum_of_squares)(const float *x, size_t count);

  // ---- batch normalisation: x is (rows, C), rows = N * H * W -----------------------------------

  /// mean[c] and deviations[c] = sum((x - mean)^2) over the rows given. Two passes; best for chunks
  /// that fit in the second-level cache.
  void (*channel_moments)(float *mean, float *deviations, const float *x, size_t rows, size_t c);
  /// Merges the moments of `more_rows` further rows into those of `rows` rows (Chan et al., 1979).
  void (*channel_moments_merge)(
      float *mean, float *deviations, size_t rows, const float *more_mean,
      const float *more_deviations, size_t more_rows, size_t c);
  /// out = activation(x * factor[c] + offset[c]): with factor = gamma / sqrt(var + eps) and offset
  /// = beta - mean * factor this is batch normalisation. In place allowed.
  void (*channel_affine)(
      float *out, const float *x, const float *factor, const float *offset,
      mk_activation activation, size_t rows, size_t c);
  /// dgamma[c] = sum(dy * (x - mean) * inverse_deviation), dbeta[c] = sum(dy), over the rows given.
  void (*batch_norm_gradient_sums)(
      float *dgamma, float *dbeta, const float *x, const float *dy, const float *mean,
      const float *inverse_deviation, size_t rows, size_t c);
  /// dx = gamma * inverse_deviation * (dy - dbeta / total - xhat * dgamma / total), xhat = (x -
  /// mean) * inverse_deviation; `total` = all rows of the batch. dx may be dy.
  void (*batch_norm_gradient)(
      float *dx, const float *x, const float *dy, const float *mean, const float *inverse_deviation,
      const float *gamma, const float *dgamma, const float *dbeta, size_t total, size_t rows,
      size_t c);

  // ---- layer normalisation: x is (rows, columns), each row by itself ----------------------------

  /// y = (x - mean) * inverse * scale + offset with each row's mean and inverse = 1 / sqrt(variance +
  /// epsilon); not `centered` (RMS normalisation), mean is 0. `statistics` (rows, 2), unless NULL, takes
  /// the two; `offset` may be NULL. In place allowed.
  void (*layer_norm)(
      float *out, float *_Nullable statistics, const float *x, const float *scale,
      const float *_Nullable offset, float epsilon, int32_t centered, size_t rows, size_t columns);
  /// dx of the same, from its statistics. dx may be dy.
  void (*layer_norm_gradient)(
      float *dx, const float *dy, const float *x, const float *statistics, const float *scale,
      int32_t centered, size_t rows, size_t columns);
  /// dscale = sum(dy * (x - mean) * inverse) and, unless NULL, doffset = sum(dy), over the rows given
  /// and in their order.
  void (*layer_norm_gradient_sums)(
      float *dscale, float *_Nullable doffset, const float *dy, const float *x,
      const float *statistics, size_t rows, size_t columns);

  // ---- recurrent cells: rows are samples, dense; the products are gemm's --------------------------
  // Legend: U units; i, f, g, o the gates of an LSTM and r, z, n, m those of a GRU, U columns each.

  /// gates (rows, 4 U) as i, f, g, o before their functions are replaced by sigmoid, sigmoid, tanh
  /// and sigmoid of them; cell = f * previous_cell + i * g, hidden = o * tanh(cell). `cell` may be
  /// `previous_cell`.
  void (*lstm_cell)(
      float *gates, float *cell, float *hidden, const float *previous_cell, size_t rows, size_t u);
  /// From the loss's gradients along hidden and cell and from what `lstm_cell` left: `dgates` along
  /// the gates before their functions; `dcell` becomes the gradient along the previous cell and
  /// `dhidden` zero, for the previous hidden state is reached through the gates only.
  void (*lstm_cell_gradient)(
      float *dgates, float *dcell, float *dhidden, const float *gates, const float *cell,
      const float *previous_cell, size_t rows, size_t u);
  /// gates (rows, 4 U): r and z before their sigmoid, the input's part of n, and m, the hidden
  /// state's part of n, bias included. They become r, z, n = tanh(n + r * m) and m; hidden = n + z *
  /// (previous_hidden - n).
  void (*gru_cell)(
      float *gates, float *hidden, const float *previous_hidden, size_t rows, size_t u);
  /// `dgates` along r, z, n and m before their functions; `dhidden` becomes the part of the previous
  /// hidden state's gradient that comes past the gates, z * dhidden.
  void (*gru_cell_gradient)(
      float *dgates, float *dhidden, const float *gates, const float *previous_hidden, size_t rows,
      size_t u);

  // ---- optimizers: flat, one pass ---------------------------------------------------------------

  /// m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= lr / correction1 * m / (sqrt(v /
  /// correction2) + epsilon).
  void (*adam)(
      const mk_adam *options, float *parameter, float *first_moment, float *second_moment,
      const float *gradient, size_t count);
  /// u = momentum * u + g; p -= lr * (nesterov ? g + momentum * u : u). `velocity` may be NULL if
  /// momentum is 0.
  void (*sgd)(
      const mk_sgd *options, float *parameter, float *_Nullable velocity, const float *gradient,
      size_t count);

  /// s += g^2; p -= lr * g / (sqrt(s) + epsilon)
  void (*adagrad)(
      const mk_adagrad *options, float *parameter, float *squares, const float *gradient,
      size_t count);
  /// v = decay * v + (1 - decay) g^2; d = g / (sqrt(v) + epsilon); u = momentum * u + d; p -= lr *
  /// u. `velocity` may be NULL if momentum is 0; then p -= lr * d.
  void (*rmsprop)(
      const mk_rmsprop *options, float *parameter, float *squares, float *_Nullable velocity,
      const float *gradient, size_t count);
  /// Moments as `adam`, and the direction of LAMB in place of the gradient: m / correction1 /
  /// (sqrt(v / correction2) + epsilon) + weight_decay * p. The parameter is only read.
  void (*lamb_direction)(
      const mk_adam *options, const float *parameter, float *first_moment, float *second_moment,
      float *gradient, size_t count);
  /// gradient += l1 * sign(p) + 2 * l2 * p, the derivative of l1 * |p| + l2 * p^2; sign(0) = 0.
  void (*penalize)(float *gradient, const float *parameter, float l1, float l2, size_t count);

  // ---- random numbers ---------------------------------------------------------------------------
  // Element i of `out` is number first + i of the stream; `first` is any number.

  /// The generator itself: four words each of `count` blocks from counter `block`, which wraps at
  /// 2^64. The words are the same on every instruction set.
  void (*random_blocks)(uint32_t *out, const mk_philox *stream, uint64_t block, size_t count);
  /// The raw 32-bit words of a stream.
  void (*random_bits)(uint32_t *out, const mk_philox *stream, uint64_t first, size_t count);
  /// low + (high - low) * u, u = (word >> 8) * 2^-24 in [0, 1).
  void (*random_uniform)(
      float *out, const mk_philox *stream, uint64_t first, float low, float high, size_t count);
  /// mean + deviation * z, z standard normal by Box-Muller from the words of a pair.
  void (*random_normal)(
      float *out, const mk_philox *stream, uint64_t first, float mean, float deviation,
      size_t count);
  /// out = word < rate * 2^32 ? 0 : x / (1 - rate). The gradient is the same call on dy with the
  /// same stream, so that no mask is stored. 0 <= rate < 1. In place allowed.
  void (*dropout)(
      float *out, const float *x, const mk_philox *stream, uint64_t first, float rate,
      size_t count);
  // ---- decision trees -----------------------------------------------------------------------------

  /// Sorts in place; NaN last, -0 as 0. `scratch`: 2 * count.
  void (*sort)(float *x, uint32_t *scratch, size_t count);
  /// codes[i * code_stride] = how many of the ascending `upper` are below x[i * x_stride];
  /// MK_TREE_MISSING for NaN. `uppers` < 255.
  void (*tree_codes)(
      uint8_t *codes, size_t code_stride, const float *x, size_t x_stride, size_t count,
      const float *upper, size_t uppers);
  /// The same without a limit; MK_TREE_WIDE_MISSING for NaN.
  void (*tree_wide_codes)(
      uint32_t *codes, const float *x, size_t count, const float *upper, size_t uppers);
  /// The best split of a node along a column: of equal ones, that of the lowest codes. Without
  /// class weights, the same bits on every instruction set.
  void (*tree_split)(
      const mk_tree_node *node, const mk_tree_column *column, const mk_tree_scratch *scratch,
      mk_tree_split *best);
  /// Moves the samples that go left before the others, both in their order; returns how many.
  size_t (*tree_partition)(
      uint64_t *samples, uint64_t *scratch, size_t count, const mk_tree_column *column,
      const mk_tree_split *split);
  /// leaves[r] = number of the leaf of row r, x[r * x_stride ...], below `root`. Links must lead to
  /// leaves and columns lie within the row; `categories` has 8 words a set, bit c of them set when
  /// category c goes left.
  void (*tree_leaves)(
      uint32_t *leaves, const float *x, size_t x_stride, size_t rows, const mk_tree_link *links,
      uint32_t root, const uint32_t *_Nullable categories);
  /// out[r * out_stride + k] += values[leaves[r] * width + k]
  void (*tree_add_values)(
      double *out, size_t out_stride, const uint32_t *leaves, size_t rows, const float *values,
      size_t width);

  // ---- gradient boosting: gradients and Hessians are packed in 64 bits ----------------------------

  /// packed = rint(gradient * gradient_factor) << 32 + rint(Hessian * hessian_factor)
  void (*gradient_pack)(
      int64_t *packed, const float *gradients, const float *hessians, double gradient_factor,
      double hessian_factor, size_t count);
  /// histogram[column][code] += gradients[i], for the eight codes of row rows[i] (row i if NULL).
  void (*gradient_histogram)(
      int64_t *histogram, const uint64_t *codes, const uint32_t *_Nullable rows,
      const int64_t *gradients, size_t count);
  /// histogram -= part
  void (*gradient_subtract)(int64_t *histogram, const int64_t *part, size_t count);
  /// The best split of a leaf along a column with codes 0 ..< values, values <= 255, and missing
  /// ones. The same bits on every instruction set.
  void (*gradient_split)(
      const mk_gradient_node *node, const int64_t *histogram, size_t values,
      int32_t is_categorical, mk_tree_split *best);
  /// Moves the rows that go left before the others, both in their order; returns how many.
  /// `codes`: the column's byte in the first row's word.
  size_t (*gradient_partition)(
      uint32_t *rows, uint32_t *scratch, size_t count, const uint8_t *codes,
      const mk_tree_split *split);

  // ---- general graphs: flat; `step` 1 walks along an operand, 0 stays at its first element --------

  /// out = op(a, b). In place allowed where the step is 1.
  void (*binary)(
      float *out, const float *a, size_t a_step, const float *b, size_t b_step, mk_binary op,
      size_t count);
  /// out = op(x); exponential and logarithm within 2 units in the last place. In place allowed.
  void (*unary)(float *out, const float *x, mk_unary op, size_t count);
  /// out = a ? b, 0 or 1.
  void (*compare)(
      uint8_t *out, const float *a, size_t a_step, const float *b, size_t b_step,
      mk_comparison comparison, size_t count);
  void (*compare_i32)(
      uint8_t *out, const int32_t *a, size_t a_step, const int32_t *b, size_t b_step,
      mk_comparison comparison, size_t count);
  /// out = condition ? a : b, of any type of four bytes.
  void (*select)(
      uint32_t *out, const uint8_t *condition, size_t condition_step, const uint32_t *a,
      size_t a_step, const uint32_t *b, size_t b_step, size_t count);
  /// All elements together, by addition, multiplication, minimum or maximum: `lanes` interleaved
  /// partial results, then those by halves. Of none: 0, 1, infinity, -infinity.
  float (*reduce)(const float *x, mk_binary op, size_t count);

  // ---- depthwise convolution: weights (KH, KW, C), O unused; taps are `dilation` pixels apart -------

  /// y rows row0 ..< row1 of N * OH = activation(conv(x, w) + bias).
  void (*depthwise)(
      const mk_window *s, size_t dilation, const float *x, const float *w,
      const float *_Nullable bias, mk_activation activation, float *y, size_t row0, size_t row1);
  /// dx rows row0 ..< row1 of N * H, overwritten.
  void (*depthwise_data_gradient)(
      const mk_window *s, size_t dilation, const float *dy, const float *w, float *dx, size_t row0,
      size_t row1);
  /// dw and, unless NULL, dbias (C), summed over images image0 ..< image1 in their order.
  void (*depthwise_weight_gradient)(
      const mk_window *s, size_t dilation, const float *x, const float *dy, float *dw,
      float *_Nullable dbias, size_t image0, size_t image1);
} mk_kernels;

/// The kernels of the instruction set called `forced`, or, if NULL, the best that this CPU runs.
/// Returns NULL if the name is unknown or the CPU lacks the instructions.
const mk_kernels *_Nullable mk_select(const char *_Nullable forced);

/// Writes up to `capacity` tables that run on this CPU, best first, and returns how many there are.
size_t mk_available(const mk_kernels *_Nonnull *_Nullable out, size_t capacity);

#pragma clang assume_nonnull end

#ifdef __cplusplus
}
#endif

#include "mk_narrow.h"
