// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "CSandbox.h"

_Static_assert(sizeof(cs_signal) == 64, "a signal has its cache line");
_Static_assert(sizeof(cs_slot) <= cs_header_byte_count, "the inputs begin behind the header");

cs_signal *cs_slot_request(cs_slot *slot) { return &slot->request; }
cs_signal *cs_slot_response(cs_slot *slot) { return &slot->response; }
uint32_t *cs_slot_cancelled(cs_slot *slot) { return &slot->cancelled; }
cs_tensor *cs_slot_input(cs_slot *slot, uint32_t index) { return &slot->inputs[index]; }
cs_tensor *cs_slot_output(cs_slot *slot, uint32_t index) { return &slot->outputs[index]; }
char *cs_slot_message(cs_slot *slot) { return slot->message; }
char *cs_slot_trace(cs_slot *slot) { return slot->trace; }
int64_t *cs_tensor_extents(cs_tensor *tensor) { return tensor->extents; }

cs_tensor cs_tensor_copy(const cs_tensor *shared) {
  cs_tensor copy;
  memcpy(&copy, shared, sizeof copy);
  // The copy is complete before anything is decided on it.
  __asm__ __volatile__("" : "+m"(copy) : : "memory");
  return copy;
}

uint32_t cs_load(const uint32_t *shared) { return __atomic_load_n(shared, __ATOMIC_ACQUIRE); }
uint32_t cs_signal_value(const cs_signal *signal) { return cs_load(&signal->value); }
void cs_store(uint32_t *shared, uint32_t value) {
  __atomic_store_n(shared, value, __ATOMIC_RELEASE);
}

int64_t cs_now_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// Not the private kind: the word is shared between processes. futex(2).
static long futex(uint32_t *word, int operation, uint32_t value, const struct timespec *timeout) {
  return syscall(SYS_futex, word, operation, value, timeout, NULL, 0);
}

void cs_post(cs_signal *signal, uint32_t value) {
  // Either the poster sees that somebody sleeps, or the sleeper sees the value: both are sequentially
  // consistent.
  __atomic_store_n(&signal->value, value, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&signal->sleeping, __ATOMIC_SEQ_CST) != 0)
    futex(&signal->value, FUTEX_WAKE, INT_MAX, NULL);
}

static void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

uint32_t cs_await(cs_signal *signal, uint32_t old, int64_t spin_nanoseconds,
                  int64_t timeout_nanoseconds) {
  uint32_t value = __atomic_load_n(&signal->value, __ATOMIC_ACQUIRE);
  if (value != old) return value;
  int64_t start = cs_now_nanoseconds();
  while (spin_nanoseconds > 0) {
    // The clock is asked every few dozen looks.
    for (int look = 0; look < 32; look++) {
      value = __atomic_load_n(&signal->value, __ATOMIC_ACQUIRE);
      if (value != old) return value;
      pause_briefly();
    }
    if (cs_now_nanoseconds() - start >= spin_nanoseconds) break;
  }
  __atomic_fetch_add(&signal->sleeping, 1, __ATOMIC_SEQ_CST);
  while ((value = __atomic_load_n(&signal->value, __ATOMIC_SEQ_CST)) == old) {
    struct timespec left, *timeout = NULL;
    if (timeout_nanoseconds >= 0) {
      int64_t rest = start + timeout_nanoseconds - cs_now_nanoseconds();
      if (rest <= 0) break;
      left = (struct timespec){.tv_sec = rest / 1000000000, .tv_nsec = rest % 1000000000};
      timeout = &left;
    }
    futex(&signal->value, FUTEX_WAIT, old, timeout);
  }
  __atomic_fetch_sub(&signal->sleeping, 1, __ATOMIC_RELAXED);
  return value;
}

// Below this a copy takes less than a microsecond in any case, and the worker finds it in the cache.
enum { least_streamed = 4096 };

void cs_copy_across(void *to, const void *from, size_t byte_count) {
#if defined(__x86_64__)
  // Measured on an EPYC with 602,112 bytes that the other core has read: 260 us with ordinary stores
  // of any width, prefetched or not, 21 us with these.
  if (byte_count >= least_streamed) {
    char *out = to;
    const char *in = from;
    // A line at a time: the rest of the first one as ever.
    size_t done = -(uintptr_t)to & 63;
    memcpy(out, in, done);
    for (; done + 64 <= byte_count; done += 64)
      for (size_t part = 0; part < 64; part += 16)
        _mm_stream_si128((__m128i *)(void *)(out + done + part),
                         _mm_loadu_si128((const __m128i *)(const void *)(in + done + part)));
    memcpy(out + done, in + done, byte_count - done);
    _mm_sfence();
    return;
  }
#endif
  memcpy(to, from, byte_count);
}
