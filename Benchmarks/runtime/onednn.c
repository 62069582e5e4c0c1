// SPDX-License-Identifier: Apache-2.0
//
// oneDNN's side of a dense layer with constant weights, `plain` as they are or `packed` in the layout that it
// likes best: `onednn plain|packed M N K X WEIGHTS BIAS`, the last three files of raw floats, X (M, K) and WEIGHTS
// (K, N); then lines `run SECONDS`, each answered by the seconds of one repetition by the clock and by the
// processor, and `result PATH`.
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHECK(call)                                                   \
  do {                                                                \
    const dnnl_status_t status = (call);                              \
    if (status != dnnl_success) {                                     \
      fprintf(stderr, "onednn: %s gives %d\n", #call, (int)status);   \
      exit(1);                                                        \
    }                                                                 \
  } while (0)

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *numbers(const char *path, size_t count) {
  float *values = aligned_alloc(4096, (count * sizeof(float) + 4095) / 4096 * 4096);
  FILE *file = path != NULL ? fopen(path, "rb") : NULL;
  if (values == NULL || (path != NULL && file == NULL) ||
      (file != NULL && fread(values, sizeof(float), count, file) != count)) {
    fprintf(stderr, "onednn: cannot read %s\n", path != NULL ? path : "memory");
    exit(1);
  }
  if (file != NULL) fclose(file);
  return values;
}

static dnnl_memory_desc_t describe(int rank, const dnnl_dim_t *sizes, dnnl_format_tag_t tag) {
  dnnl_memory_desc_t description;
  CHECK(dnnl_memory_desc_init_by_tag(&description, rank, sizes, dnnl_f32, tag));
  return description;
}

static dnnl_memory_t memory(const dnnl_memory_desc_t *description, void *data) {
  dnnl_memory_t made;
  CHECK(dnnl_memory_create(&made, description, engine, data));
  return made;
}

int main(int count, char **arguments) {
  if (count != 8) {
    fprintf(stderr, "usage: onednn plain|packed M N K X WEIGHTS BIAS\n");
    return 2;
  }
  const dnnl_dim_t m = atol(arguments[2]), n = atol(arguments[3]), k = atol(arguments[4]);
  CHECK(dnnl_engine_create(&engine, dnnl_cpu, 0));
  CHECK(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
  const dnnl_dim_t x_sizes[] = {m, k}, w_sizes[] = {n, k}, b_sizes[] = {n}, y_sizes[] = {m, n};
  const dnnl_memory_desc_t x = describe(2, x_sizes, dnnl_ab), y = describe(2, y_sizes, dnnl_ab);
  const dnnl_memory_desc_t b = describe(1, b_sizes, dnnl_a);
  const dnnl_memory_desc_t given = describe(2, w_sizes, dnnl_ba);
  const dnnl_memory_desc_t any = strcmp(arguments[1], "packed") == 0
                                     ? describe(2, w_sizes, dnnl_format_tag_any)
                                     : given;
  dnnl_inner_product_desc_t operation;
  CHECK(dnnl_inner_product_forward_desc_init(
      &operation, dnnl_forward_inference, &x, &any, &b, &y));
  dnnl_primitive_desc_t description;
  CHECK(dnnl_primitive_desc_create(&description, &operation, NULL, engine, NULL));
  const dnnl_memory_desc_t *wanted =
      dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0);

  float *result = numbers(NULL, (size_t)(m * n));
  dnnl_memory_t source = memory(&given, numbers(arguments[6], (size_t)(n * k)));
  dnnl_memory_t weights = memory(wanted, DNNL_MEMORY_ALLOCATE);
  dnnl_primitive_desc_t copy_description;
  CHECK(dnnl_reorder_primitive_desc_create(
      &copy_description, &given, engine, wanted, engine, NULL));
  dnnl_primitive_t copy, layer;
  CHECK(dnnl_primitive_create(&copy, copy_description));
  const dnnl_exec_arg_t copied[] = {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, weights}};
  CHECK(dnnl_primitive_execute(copy, stream, 2, copied));
  CHECK(dnnl_primitive_create(&layer, description));
  const dnnl_exec_arg_t operands[] = {
      {DNNL_ARG_SRC, memory(&x, numbers(arguments[5], (size_t)(m * k)))},
      {DNNL_ARG_WEIGHTS, weights},
      {DNNL_ARG_BIAS, memory(&b, numbers(arguments[7], (size_t)n))},
      {DNNL_ARG_DST, memory(&y, result)},
  };

  char line[4096], path[4096];
  double seconds;
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (sscanf(line, "run %lf", &seconds) == 1) {
      const double start = now(CLOCK_MONOTONIC), processor = now(CLOCK_PROCESS_CPUTIME_ID);
      double elapsed;
      size_t times = 0;
      do {
        CHECK(dnnl_primitive_execute(layer, stream, 4, operands));
        CHECK(dnnl_stream_wait(stream));
        times++;
        elapsed = now(CLOCK_MONOTONIC) - start;
      } while (elapsed < seconds);
      printf(
          "%.9g %.9g\n", elapsed / (double)times,
          (now(CLOCK_PROCESS_CPUTIME_ID) - processor) / (double)times);
    } else if (sscanf(line, "result %4095s", path) == 1) {
      FILE *file = fopen(path, "wb");
      if (file == NULL || fwrite(result, sizeof(float), (size_t)(m * n), file) != (size_t)(m * n)) {
        return 1;
      }
      fclose(file);
      printf("0 0\n");
    }
    fflush(stdout);
  }
  return 0;
}
