// SPDX-License-Identifier: Apache-2.0
// The plugin that bench-plugins measures with: FP32 [-1] in, each number plus one out.
//
// The work itself is also exported, to be called without a boundary. A first number of -666 is a
// request for a crash.
#include <stdlib.h>

#include "massif_plugin.h"

#ifndef VARIANT
#define VARIANT 0
#endif

// Two builds differ in their bytes.
const int probe_variant = VARIANT;

MSF_EXPORT void probe_bare(const float *restrict in, float *restrict out, size_t count) {
  for (size_t i = 0; i < count; i++) out[i] = in[i] + 1;
}

static msf_status validate(const msf_plugin *plugin, msf_string configuration,
                           const msf_dataset *dataset, msf_error *error) {
  (void)plugin, (void)configuration, (void)dataset, (void)error;
  return MSF_OK;
}

static msf_status execute(const msf_model *model, msf_execution *execution) {
  (void)model;
  const msf_tensor *x = &execution->inputs[0];
  const float *in = x->bytes;
  size_t count = x->byte_count / sizeof *in;
  if (count > 0 && in[0] == -666) abort();
  float *out = execution->output(execution, 0, MSF_FP32, x->rank, x->shape, 0);
  if (out == NULL) return MSF_RESOURCE_EXHAUSTED;
  probe_bare(in, out, count);
  return MSF_OK;
}

static void destroy(const msf_model *model) { (void)model; }

static const int64_t shape[] = {-1};
static const msf_tensor input = {{"x", 1}, MSF_FP32, 1, shape, NULL, 0};
static const msf_tensor output = {{"y", 1}, MSF_FP32, 1, shape, NULL, 0};
static const msf_model table = {.struct_size = sizeof table,
                                .inputs = &input,
                                .outputs = &output,
                                .input_count = 1,
                                .output_count = 1,
                                .execute = execute,
                                .destroy = destroy};

static msf_status create_model(const msf_plugin *plugin, const msf_model_request *request,
                               const msf_model **model, msf_error *error) {
  (void)plugin, (void)request, (void)error;
  *model = &table;
  return MSF_OK;
}

static const msf_plugin plugin = {.struct_size = sizeof plugin,
                                  .abi_major = MSF_ABI_MAJOR,
                                  .abi_minor = MSF_ABI_MINOR,
                                  .name = {"probe", 5},
                                  .version = {"1.0.0", 5},
                                  .capabilities = MSF_INFERENCE,
                                  .configuration_schema = {"{}", 2},
                                  .validate = validate,
                                  .create_model = create_model};

MSF_EXPORT const msf_plugin *massif_plugin_entry(const msf_host *host) {
  (void)host;
  return &plugin;
}
