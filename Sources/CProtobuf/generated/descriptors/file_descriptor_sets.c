// Made by scripts/generate-protos.
#include "file_descriptor_sets.h"
static const uint8_t grpc_health_v1_health[] = {
#include "grpc_health_v1_health.inc"
};
static const uint8_t inference_grpc_service[] = {
#include "inference_grpc_service.inc"
};
static const uint8_t inference_model_config[] = {
#include "inference_model_config.inc"
};
static const uint8_t grpc_reflection_v1_reflection[] = {
#include "grpc_reflection_v1_reflection.inc"
};
static const uint8_t grpc_reflection_v1alpha_reflection[] = {
#include "grpc_reflection_v1alpha_reflection.inc"
};
static const uint8_t massif_v1_common[] = {
#include "massif_v1_common.inc"
};
static const uint8_t massif_v1_datasets[] = {
#include "massif_v1_datasets.inc"
};
static const uint8_t massif_v1_environments[] = {
#include "massif_v1_environments.inc"
};
static const uint8_t massif_v1_jobs[] = {
#include "massif_v1_jobs.inc"
};
static const uint8_t massif_v1_models[] = {
#include "massif_v1_models.inc"
};
static const uint8_t massif_v1_plugins[] = {
#include "massif_v1_plugins.inc"
};
static const uint8_t google_protobuf_timestamp[] = {
#include "google_protobuf_timestamp.inc"
};
static const mpb_file_descriptor_set sets[] = {
    {grpc_health_v1_health, sizeof grpc_health_v1_health},
    {inference_grpc_service, sizeof inference_grpc_service},
    {inference_model_config, sizeof inference_model_config},
    {grpc_reflection_v1_reflection, sizeof grpc_reflection_v1_reflection},
    {grpc_reflection_v1alpha_reflection, sizeof grpc_reflection_v1alpha_reflection},
    {massif_v1_common, sizeof massif_v1_common},
    {massif_v1_datasets, sizeof massif_v1_datasets},
    {massif_v1_environments, sizeof massif_v1_environments},
    {massif_v1_jobs, sizeof massif_v1_jobs},
    {massif_v1_models, sizeof massif_v1_models},
    {massif_v1_plugins, sizeof massif_v1_plugins},
    {google_protobuf_timestamp, sizeof google_protobuf_timestamp},
};
const mpb_file_descriptor_set *mpb_file_descriptor_sets(size_t *count) {
  *count = sizeof sets / sizeof *sets;
  return sets;
}
