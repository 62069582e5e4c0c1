// SPDX-License-Identifier: Apache-2.0
// A bounded bump allocator for decoding one protobuf-c message: everything is released at once, and a
// hostile message cannot take more memory than the budget, however it is put together.
#ifndef MASSIF_PROTOBUF_ARENA_H
#define MASSIF_PROTOBUF_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Owned by its creator, used from one thread at a time, not movable while a decode runs.
typedef struct mpb_arena {
  ProtobufCAllocator allocator;  // for protobuf-c's unpack functions; freeing is a no-op
  uint8_t *next;                 // where the current chunk goes on
  size_t left;                   // bytes left in the current chunk
  size_t budget;                 // bytes that may still be taken from malloc
  void *chunks;                  // list of malloc'ed chunks, freed by mpb_arena_release
  bool exhausted;                // a request was refused for lack of budget (or of memory)
} mpb_arena;

/// Starts an arena on `scratch` (any alignment, `scratch_size` bytes, borrowed until release); what does
/// not fit there comes from malloc, at most `budget` bytes in all.
void mpb_arena_start(mpb_arena *arena, void *scratch, size_t scratch_size, size_t budget);

/// Frees what the arena took from malloc. Everything decoded in it is gone.
void mpb_arena_release(mpb_arena *arena);

#endif
