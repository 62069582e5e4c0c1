// SPDX-License-Identifier: Apache-2.0
//
// The smallest useful plugin: a model that answers with its input. It needs massif_plugin.h alone:
//
//   cc -std=c11 -shared -fPIC -I Sources/CPluginABI/include -o libidentity.so identity.c
//
// Configuration: {"datatype": "FP32", "shape": [16]}; both may be left out, -1 means "varies".

#include "massif_plugin.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const msf_host *host;

// A model and the tables that describe it, in one block of the host's memory.
typedef struct identity {
  msf_model table;
  msf_tensor input;
  msf_tensor output;
  int64_t shape[MSF_MAX_RANK];
} identity;

static msf_string text(const char *s) { return (msf_string){s, strlen(s)}; }

// -------------------------------------------------------------------------------- configuration

// In the order of msf_data_type, which starts at 1.
static const char *const names[] = {"BOOL",  "UINT8", "UINT16", "UINT32", "UINT64",
                                    "INT8",  "INT16", "INT32",  "INT64",  "FP16",
                                    "BF16",  "FP32",  "FP64",   "BYTES"};

typedef struct configuration {
  msf_data_type data_type;
  uint32_t rank;
  int64_t shape[MSF_MAX_RANK];
} configuration;

static msf_status refuse(msf_error *error, const char *field, const char *description) {
  error->set_message(error, text(description));
  error->add_violation(error, text(field), text(description));
  return MSF_INVALID_ARGUMENT;
}

static void skip_space(const char **p) {
  while (isspace((unsigned char)**p)) ++*p;
}

// Takes the character if it comes next.
static bool take(const char **p, char c) {
  skip_space(p);
  if (**p != c) return false;
  ++*p;
  return true;
}

// Takes a string without escapes, which is all that this configuration needs.
static bool take_string(const char **p, char *out, size_t capacity) {
  if (!take(p, '"')) return false;
  size_t n = strcspn(*p, "\"\\");
  if ((*p)[n] != '"' || n >= capacity) return false;
  memcpy(out, *p, n);
  out[n] = '\0';
  *p += n + 1;
  return true;
}

static bool take_extent(const char **p, int64_t *extent) {
  skip_space(p);
  if (**p != '-' && !isdigit((unsigned char)**p)) return false;
  char *end;
  *extent = strtoll(*p, &end, 10);
  if (end == *p || *extent < -1 || *extent > INT32_MAX) return false;
  *p = end;
  return true;
}

static msf_status parse_member(const char **p, configuration *c, msf_error *error) {
  char key[32], value[16];
  if (!take_string(p, key, sizeof key) || !take(p, ':'))
    return refuse(error, "configuration", "expected a member \"datatype\" or \"shape\"");
  if (strcmp(key, "datatype") == 0) {
    if (take_string(p, value, sizeof value))
      for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(value, names[i]) == 0) {
          c->data_type = (msf_data_type)i + 1;
          return MSF_OK;
        }
    return refuse(error, "configuration.datatype", "expected the name of a type, such as \"FP32\"");
  }
  if (strcmp(key, "shape") == 0) {
    c->rank = 0;
    if (take(p, '[') && take(p, ']')) return MSF_OK;
    do {
      if (c->rank == MSF_MAX_RANK || !take_extent(p, &c->shape[c->rank++]))
        return refuse(error, "configuration.shape", "expected up to 8 integers of -1 or more");
    } while (take(p, ','));
    if (take(p, ']')) return MSF_OK;
    return refuse(error, "configuration.shape", "expected an array of integers");
  }
  return refuse(error, "configuration", "expected no members but \"datatype\" and \"shape\"");
}

static msf_status parse(msf_string json, configuration *c, msf_error *error) {
  char copy[512];
  *c = (configuration){.data_type = MSF_FP32, .rank = 1, .shape = {-1}};
  if (json.size == 0) return MSF_OK;
  if (json.size >= sizeof copy) return refuse(error, "configuration", "expected under 512 bytes");
  memcpy(copy, json.data, json.size);
  copy[json.size] = '\0';
  const char *p = copy;
  if (!take(&p, '{')) return refuse(error, "configuration", "expected a JSON object");
  if (!take(&p, '}')) {
    do {
      msf_status status = parse_member(&p, c, error);
      if (status != MSF_OK) return status;
    } while (take(&p, ','));
    if (!take(&p, '}')) return refuse(error, "configuration", "expected the object's \"}\"");
  }
  skip_space(&p);
  return *p == '\0' ? MSF_OK : refuse(error, "configuration", "expected nothing after the object");
}

static msf_status validate(const msf_plugin *plugin, msf_string json, const msf_dataset *dataset,
                           msf_error *error) {
  (void)plugin, (void)dataset;
  configuration c;
  return parse(json, &c, error);
}

// -------------------------------------------------------------------------------------- model

// The answer is the request's own bytes: however large, nothing is copied.
static msf_status execute(const msf_model *model, msf_execution *execution) {
  (void)model;
  const msf_tensor *input = &execution->inputs[0];
  return execution->output_alias(execution, 0, 0, input->data_type, input->rank, input->shape);
}

static void destroy(const msf_model *model) { host->deallocate(host, model->context); }

static msf_status create_model(const msf_plugin *plugin, const msf_model_request *request,
                               const msf_model **model, msf_error *error) {
  (void)plugin;
  configuration c;
  msf_status status = parse(request->configuration, &c, error);
  if (status != MSF_OK) return status;
  identity *self = host->allocate(host, sizeof *self);
  if (self == NULL) return MSF_RESOURCE_EXHAUSTED;
  memcpy(self->shape, c.shape, sizeof c.shape);
  self->input = (msf_tensor){
      .name = text("INPUT0"), .data_type = c.data_type, .rank = c.rank, .shape = self->shape};
  self->output = self->input;
  self->output.name = text("OUTPUT0");
  self->table = (msf_model){.struct_size = sizeof(msf_model),
                            .flags = MSF_MODEL_EXECUTES_INLINE,
                            .context = self,
                            .inputs = &self->input,
                            .outputs = &self->output,
                            .input_count = 1,
                            .output_count = 1,
                            .memory_byte_count = sizeof *self,
                            .execute = execute,
                            .destroy = destroy};
  *model = &self->table;
  return MSF_OK;
}

// -------------------------------------------------------------------------------------- plugin

static const char schema[] =
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\","
    "\"additionalProperties\":false,\"properties\":{"
    "\"datatype\":{\"default\":\"FP32\",\"enum\":[\"BOOL\",\"UINT8\",\"UINT16\",\"UINT32\","
    "\"UINT64\",\"INT8\",\"INT16\",\"INT32\",\"INT64\",\"FP16\",\"BF16\",\"FP32\",\"FP64\","
    "\"BYTES\"]},"
    "\"shape\":{\"type\":\"array\",\"maxItems\":8,\"default\":[-1],"
    "\"items\":{\"type\":\"integer\",\"minimum\":-1}}}}";

MSF_EXPORT const msf_plugin *massif_plugin_entry(const msf_host *lent) {
  static msf_plugin plugin = {.struct_size = sizeof(msf_plugin),
                              .abi_major = MSF_ABI_MAJOR,
                              .abi_minor = MSF_ABI_MINOR,
                              .name = {"identity", sizeof "identity" - 1},
                              .version = {"1.0.0", sizeof "1.0.0" - 1},
                              .capabilities = MSF_INFERENCE,
                              .configuration_schema = {schema, sizeof schema - 1},
                              .validate = validate,
                              .create_model = create_model};
  host = lent;
  return &plugin;
}
