// SPDX-License-Identifier: Apache-2.0
// What reflection answers with: the description of every service, made by scripts/generate-protos.
#ifndef MASSIF_FILE_DESCRIPTOR_SETS_H
#define MASSIF_FILE_DESCRIPTOR_SETS_H

#include <stddef.h>
#include <stdint.h>

/// A serialized google.protobuf.FileDescriptorSet with one file. Constant, and there for good.
typedef struct mpb_file_descriptor_set {
  const uint8_t *bytes;
  size_t count;
} mpb_file_descriptor_set;

/// One set for each .proto file; `*count` becomes their number.
const mpb_file_descriptor_set *mpb_file_descriptor_sets(size_t *count);

#endif
