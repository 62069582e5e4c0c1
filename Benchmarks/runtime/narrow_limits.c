// SPDX-License-Identifier: Apache-2.0
//
// What the machine can do with narrow types: `narrow_limits int8|bf16 THREADS`, then lines `run SECONDS`,
// each answered by the seconds of 10^9 operations by the clock and by the processor, as limits.c does.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Twelve independent sums keep the units busy whatever their latency.
#define STEP(instruction, i) instruction " %%zmm14, %%zmm15, %%zmm" #i "\n"
#define DEFINE_PEAK(name, instruction)                                                          \
  static void name(size_t steps) {                                                              \
    for (size_t i = 0; i < steps; i++) {                                                        \
      __asm__ volatile(                                                                         \
          STEP(instruction, 0) STEP(instruction, 1) STEP(instruction, 2) STEP(instruction, 3)   \
          STEP(instruction, 4) STEP(instruction, 5) STEP(instruction, 6) STEP(instruction, 7)   \
          STEP(instruction, 8) STEP(instruction, 9) STEP(instruction, 10) STEP(instruction, 11) \
          :: : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",  \
               "xmm10", "xmm11");                                                               \
    }                                                                                           \
  }

DEFINE_PEAK(int8_peak, "vpdpbusd")
DEFINE_PEAK(bf16_peak, "vdpbf16ps")

static int is_int8;
static double seconds;

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/// Operations done by one thread until the time is over.
static void *work(void *argument) {
  double *done = argument;
  const double end = now(CLOCK_MONOTONIC) + seconds;
  const size_t steps = 100000;
  *done = 0;
  do {
    if (is_int8) int8_peak(steps); else bf16_peak(steps);
    *done += (double)steps * 12 * (is_int8 ? 128 : 64);
  } while (now(CLOCK_MONOTONIC) < end);
  return NULL;
}

int main(int count, char **arguments) {
  if (count != 3) return 2;
  is_int8 = strcmp(arguments[1], "int8") == 0;
  const int threads = atoi(arguments[2]);
  if (threads < 1 || threads > 64 || !__builtin_cpu_supports("avx512vnni") ||
      !__builtin_cpu_supports("avx512bf16")) {
    fprintf(stderr, "narrow_limits: this machine has no such instructions\n");
    return 1;
  }
  char line[256];
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (sscanf(line, "run %lf", &seconds) != 1) {
      printf("0 0\n");
    } else {
      const double start = now(CLOCK_MONOTONIC), processor = now(CLOCK_PROCESS_CPUTIME_ID);
      double done[64], total = 0;
      pthread_t others[64];
      for (int i = 1; i < threads; i++) pthread_create(&others[i], NULL, work, &done[i]);
      work(&done[0]);
      for (int i = 1; i < threads; i++) pthread_join(others[i], NULL);
      for (int i = 0; i < threads; i++) total += done[i];
      printf(
          "%.9g %.9g\n", (now(CLOCK_MONOTONIC) - start) / total * 1e9,
          (now(CLOCK_PROCESS_CPUTIME_ID) - processor) / total * 1e9);
    }
    fflush(stdout);
  }
  return 0;
}
