// SPDX-License-Identifier: Apache-2.0
#include "protobuf_arena.h"

#include <stdlib.h>

enum {
  ALIGNMENT = 16,           // _Alignof(max_align_t) on the platforms we build for
  CHUNK_SIZE = 16 * 1024,   // large enough that a message with a few hundred inputs takes a handful
};
_Static_assert(_Alignof(max_align_t) <= ALIGNMENT, "arena alignment");

typedef struct chunk {
  struct chunk *previous;
  size_t unused_;  // keeps what follows aligned to 16
} chunk;
_Static_assert(sizeof(chunk) % ALIGNMENT == 0, "chunk header keeps alignment");

static void *arena_alloc(void *context, size_t size) {
  mpb_arena *arena = context;
  if (size > SIZE_MAX - (ALIGNMENT - 1)) {
    arena->exhausted = true;
    return NULL;
  }
  size = size == 0 ? ALIGNMENT : (size + (ALIGNMENT - 1)) & ~(size_t)(ALIGNMENT - 1);
  if (size > arena->left) {
    // Sizes above the chunk's get a chunk of their own; the rest of the current one stays usable.
    const bool own = size > CHUNK_SIZE / 4;
    const size_t wanted = own ? size : CHUNK_SIZE;
    if (wanted > arena->budget || wanted > SIZE_MAX - sizeof(chunk)) {
      arena->exhausted = true;
      return NULL;
    }
    chunk *fresh = malloc(sizeof(chunk) + wanted);
    if (fresh == NULL) {
      arena->exhausted = true;
      return NULL;
    }
    arena->budget -= wanted;
    fresh->previous = arena->chunks;
    arena->chunks = fresh;
    if (own) return fresh + 1;
    arena->next = (uint8_t *)(fresh + 1);
    arena->left = wanted;
  }
  void *result = arena->next;
  arena->next += size;
  arena->left -= size;
  return result;
}

static void arena_free(void *context, void *pointer) {
  (void)context;
  (void)pointer;
}

void mpb_arena_start(mpb_arena *arena, void *scratch, size_t scratch_size, size_t budget) {
  const size_t skew = (ALIGNMENT - (uintptr_t)scratch % ALIGNMENT) % ALIGNMENT;
  const bool fits = scratch != NULL && scratch_size > skew;
  *arena = (mpb_arena){
    .allocator = {.alloc = arena_alloc, .free = arena_free, .allocator_data = arena},
    .next = fits ? (uint8_t *)scratch + skew : NULL,
    .left = fits ? scratch_size - skew : 0,
    .budget = budget,
  };
}

void mpb_arena_release(mpb_arena *arena) {
  for (chunk *each = arena->chunks; each != NULL;) {
    chunk *previous = each->previous;
    free(each);
    each = previous;
  }
  arena->chunks = NULL;
  arena->next = NULL;
  arena->left = 0;
}
