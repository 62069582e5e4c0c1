// SPDX-License-Identifier: Apache-2.0
//
// What the machine can do: fused multiply-adds a second of one or more threads, and floats read from memory.
// `limits fma|read THREADS`, then lines `run SECONDS`, each answered by the seconds of 10^9 operations (a
// multiplication and an addition are two; a byte read is one) by the clock and by the processor.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef float v16 __attribute__((vector_size(64)));
typedef float v8 __attribute__((vector_size(32)));

#define TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

// Twelve chains of multiply-adds keep two units with a latency of four or five cycles busy. Their
// registers are inputs and outputs of an empty statement, so that nothing is moved out of the loop.
#define DEFINE_FMA(name, type, isa)                                                       \
  __attribute__((target(isa))) static float name(size_t steps) {                          \
    type TWELVE(FMA_DECLARE) m = {0.5f}, a = {0.25f};                                     \
    for (size_t i = 0; i < steps; i++) { TWELVE(FMA_STEP) }                               \
    type sum = m;                                                                         \
    TWELVE(FMA_ADD)                                                                       \
    return sum[0];                                                                        \
  }
#define FMA_DECLARE(i) s##i = {i},
#define FMA_STEP(i)                 \
  s##i = s##i * m + a;              \
  __asm__ volatile("" : "+v"(s##i));
#define FMA_ADD(i) sum += s##i;

#pragma GCC optimize("fp-contract=fast")
DEFINE_FMA(fma512, v16, "avx512f,prefer-vector-width=512")
DEFINE_FMA(fma256, v8, "avx2,fma")

static const size_t read_floats = (size_t)128 << 20;
static float *memory;
static int reads, threads;
static double seconds;

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

__attribute__((target("avx2"))) static float read_all(const float *from, size_t count) {
  v8 sums[8] = {0};
  for (size_t i = 0; i < count; i += 64) {
    for (int j = 0; j < 8; j++) sums[j] += *(const v8 *)(from + i + 8 * j);
  }
  float sum = 0;
  for (int j = 0; j < 8; j++) sum += sums[j][0];
  return sum;
}

/// Operations done by one thread until the time is over.
static void *work(void *argument) {
  const size_t part = read_floats / (size_t)threads;
  const float *from = memory + part * (size_t)(long)argument;
  const int wide = __builtin_cpu_supports("avx512f");
  double *operations = calloc(1, sizeof *operations);
  volatile float sink = 0;
  const double start = now(CLOCK_MONOTONIC);
  do {
    if (reads) {
      sink += read_all(from, part);
      *operations += 4.0 * (double)part;
    } else {
      const size_t steps = 100000;
      sink += wide ? fma512(steps) : fma256(steps);
      *operations += (double)steps * 12 * 2 * (wide ? 16 : 8);
    }
  } while (now(CLOCK_MONOTONIC) - start < seconds);
  return operations;
}

int main(int count, char **arguments) {
  if (count != 3 || (threads = atoi(arguments[2])) < 1 || threads > 64) {
    fprintf(stderr, "usage: limits fma|read THREADS\n");
    return 2;
  }
  reads = strcmp(arguments[1], "read") == 0;
  if (reads) {
    memory = aligned_alloc(1 << 21, read_floats * sizeof(float));
    if (memory == NULL) return 1;
    for (size_t i = 0; i < read_floats; i++) memory[i] = 1;
  }
  char line[256];
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (sscanf(line, "run %lf", &seconds) != 1) {
      printf("0 0\n");
    } else {
      const double start = now(CLOCK_MONOTONIC), processor = now(CLOCK_PROCESS_CPUTIME_ID);
      double total = 0;
      pthread_t others[64];
      for (long i = 1; i < threads; i++) pthread_create(&others[i], NULL, work, (void *)i);
      double *own = work((void *)0);
      total += *own;
      free(own);
      for (int i = 1; i < threads; i++) {
        void *done;
        pthread_join(others[i], &done);
        total += *(double *)done;
        free(done);
      }
      printf(
          "%.9g %.9g\n", (now(CLOCK_MONOTONIC) - start) / total * 1e9,
          (now(CLOCK_PROCESS_CPUTIME_ID) - processor) / total * 1e9);
    }
    fflush(stdout);
  }
  return 0;
}
