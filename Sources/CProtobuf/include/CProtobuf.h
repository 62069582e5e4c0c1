// SPDX-License-Identifier: Apache-2.0
// The messages of proto/inference and proto/grpc as protoc-c makes them, and the arena they decode into.
#ifndef MASSIF_CPROTOBUF_H
#define MASSIF_CPROTOBUF_H

#include "grpc/health/v1/health.pb-c.h"
#include "inference/grpc_service.pb-c.h"
#include "inference/model_config.pb-c.h"
#include "file_descriptor_sets.h"
#include "protobuf_arena.h"

#endif
