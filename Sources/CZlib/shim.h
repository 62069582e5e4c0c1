// SPDX-License-Identifier: Apache-2.0
// zlib for Swift: gzip files (imported data sets), and streams (compressed messages), whose
// initialisers are macros that Swift cannot import.
#pragma once
#include <zlib.h>

// Prepares to decompress; `window_bits` as inflateInit2 takes it. Returns Z_OK or why not.
static inline int cz_inflate_init(z_stream *stream, int window_bits) {
  return inflateInit2(stream, window_bits);
}
// Prepares to compress; `window_bits` and `memory_level` as deflateInit2 takes them.
static inline int cz_deflate_init(z_stream *stream, int level, int window_bits, int memory_level) {
  return deflateInit2(stream, level, Z_DEFLATED, window_bits, memory_level, Z_DEFAULT_STRATEGY);
}
