// SPDX-License-Identifier: Apache-2.0
//
// A small neural network in one C file without a line of mathematics: the graph, its gradients, the
// optimizer and the kernels are the server's, lent through the extension massif.compute/1.
//
//   cc -std=c11 -O2 -shared -fPIC -I Sources/CPluginABI/include -o libclassifier.so classifier.c
//
// Data: train/features FP32 [n, d] and train/labels INT32 [n]; the same under test/ to evaluate.
// Configuration: {"classes": 2, "hidden": 16, "epochs": 10, "batch_size": 32, "learning_rate": 0.01}

#include "massif_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const msf_host *host;
static const msf_compute *compute;

static msf_string text(const char *s) { return (msf_string){s, strlen(s)}; }
static bool equal(msf_string a, const char *b) {
  return a.size == strlen(b) && memcmp(a.data, b, a.size) == 0;
}

static msf_status fail(msf_error *error, msf_status status, const char *message) {
  error->set_message(error, text(message));
  return status;
}

// -------------------------------------------------------------------------------- configuration

typedef struct configuration {
  double classes, hidden, epochs, batch_size, learning_rate;
} configuration;

static const struct {
  const char *name;
  size_t offset;
  double minimum, maximum;
  bool is_whole;
} fields[] = {
    {"classes", offsetof(configuration, classes), 2, 1000, true},
    {"hidden", offsetof(configuration, hidden), 1, 4096, true},
    {"epochs", offsetof(configuration, epochs), 1, 1000, true},
    {"batch_size", offsetof(configuration, batch_size), 1, 4096, true},
    {"learning_rate", offsetof(configuration, learning_rate), 1e-6, 1, false},
};

static msf_status refuse(msf_error *error, const char *field, const char *description) {
  error->set_message(error, text(description));
  error->add_violation(error, text(field), text(description));
  return MSF_INVALID_ARGUMENT;
}

// Takes one member, "name": number.
static msf_status parse_member(char **p, configuration *c, msf_error *error) {
  char name[32], path[64], expected[96];
  int length = 0;
  if (sscanf(*p, " \"%31[a-z_]\" : %n", name, &length) != 1 || length == 0)
    return refuse(error, "configuration", "expected \"name\": number");
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    if (strcmp(name, fields[i].name) != 0) continue;
    char *end;
    double value = strtod(*p + length, &end);
    snprintf(path, sizeof path, "configuration.%s", name);
    snprintf(expected, sizeof expected, "expected a %snumber of %g to %g",
             fields[i].is_whole ? "whole " : "", fields[i].minimum, fields[i].maximum);
    if (end == *p + length || !(value >= fields[i].minimum && value <= fields[i].maximum) ||
        (fields[i].is_whole && value != (double)(long)value))
      return refuse(error, path, expected);
    *(double *)((char *)c + fields[i].offset) = value;
    *p = end;
    return MSF_OK;
  }
  return refuse(error, "configuration",
                "expected classes, hidden, epochs, batch_size or learning_rate");
}

// Reads a flat JSON object of numbers.
static msf_status parse(msf_string json, configuration *c, msf_error *error) {
  *c = (configuration){
      .classes = 2, .hidden = 16, .epochs = 10, .batch_size = 32, .learning_rate = 0.01};
  char copy[512];
  if (json.size >= sizeof copy) return refuse(error, "configuration", "expected under 512 bytes");
  memcpy(copy, json.data, json.size);
  copy[json.size] = '\0';
  char *p = copy + strspn(copy, " \t\r\n");
  if (*p++ != '{') return refuse(error, "configuration", "expected a JSON object");
  p += strspn(p, " \t\r\n");
  while (*p != '}') {
    msf_status status = parse_member(&p, c, error);
    if (status != MSF_OK) return status;
    p += strspn(p, " \t\r\n");
    if (*p == ',' && p[1] != '\0') p++;
    else if (*p != '}') return refuse(error, "configuration", "expected \",\" or \"}\"");
  }
  p++;
  p += strspn(p, " \t\r\n");
  return *p == '\0' ? MSF_OK : refuse(error, "configuration", "expected nothing after the object");
}

// ------------------------------------------------------------------------------------- data

// One split of a data set.
typedef struct samples {
  const float *features;  // [count, width]
  const int32_t *labels;  // [count]
  int64_t count, width;
} samples;

static const msf_tensor *find(const msf_dataset *dataset, const char *split, const char *role) {
  char name[160];
  snprintf(name, sizeof name, "%s/%s", split, role);
  for (uint32_t i = 0; i < dataset->tensor_count; i++)
    if (equal(dataset->tensors[i].name, name)) return &dataset->tensors[i];
  return NULL;
}

static msf_status read_split(const msf_dataset *dataset, const char *split, samples *out,
                             msf_error *error) {
  const msf_tensor *features = find(dataset, split, "features");
  const msf_tensor *labels = find(dataset, split, "labels");
  if (features == NULL || labels == NULL)
    return fail(error, MSF_NOT_FOUND, "the data set has no features and labels in this split");
  if (features->data_type != MSF_FP32 || features->rank != 2 || features->shape[0] < 1)
    return fail(error, MSF_INVALID_ARGUMENT, "expected features FP32 [samples, width]");
  if (labels->data_type != MSF_INT32 || labels->rank != 1)
    return fail(error, MSF_INVALID_ARGUMENT, "expected labels INT32 [samples]");
  *out = (samples){features->bytes, labels->bytes, features->shape[0], features->shape[1]};
  return MSF_OK;
}

// ------------------------------------------------------------------------------------- network

typedef struct network {
  msf_graph *graph;
  msf_value logits, probabilities, loss;
} network;

static msf_status dense(msf_graph *graph, const char *name, int64_t inputs, int64_t units,
                        msf_value *value, msf_error *error) {
  char parameter[64];
  msf_value operands[3] = {*value, 0, 0};
  const msf_attribute fan_in = {.name = text("fan_in"), .number = (double)inputs};
  snprintf(parameter, sizeof parameter, "%s.weight", name);
  msf_status status =
      compute->graph_parameter(compute, graph, text(parameter), 2, (int64_t[]){inputs, units},
                               text("fan_in_uniform"), &fan_in, 1, &operands[1], error);
  if (status != MSF_OK) return status;
  snprintf(parameter, sizeof parameter, "%s.bias", name);
  status = compute->graph_parameter(compute, graph, text(parameter), 1, &units, text("zeros"), NULL,
                                    0, &operands[2], error);
  if (status != MSF_OK) return status;
  return compute->graph_operation(compute, graph, text("dense"), operands, 3, NULL, 0, value,
                                  error);
}

// features -> dense -> relu -> dense -> softmax, and the loss against labels.
static msf_status build(network *n, const configuration *c, int64_t width, msf_error *error) {
  msf_value x = 0, labels = 0;
  msf_status status = compute->graph_create(compute, &n->graph, error);
  if (status != MSF_OK) return status;
  if ((status = compute->graph_input(compute, n->graph, text("features"), MSF_FP32, 1, &width, &x,
                                     error)) != MSF_OK ||
      (status = dense(n->graph, "hidden", width, (int64_t)c->hidden, &x, error)) != MSF_OK ||
      (status = compute->graph_operation(compute, n->graph, text("relu"), &x, 1, NULL, 0, &x,
                                         error)) != MSF_OK ||
      (status = dense(n->graph, "output", (int64_t)c->hidden, (int64_t)c->classes, &x, error)) !=
          MSF_OK ||
      (status = compute->graph_operation(compute, n->graph, text("softmax"), &x, 1, NULL, 0,
                                         &n->probabilities, error)) != MSF_OK ||
      (status = compute->graph_input(compute, n->graph, text("labels"), MSF_INT32, 0, NULL, &labels,
                                     error)) != MSF_OK)
    return status;
  n->logits = x;
  return compute->graph_operation(compute, n->graph, text("cross_entropy"),
                                  (msf_value[]){x, labels}, 2, NULL, 0, &n->loss, error);
}

// ------------------------------------------------------------------------------------- trainer

typedef struct trainer {
  msf_trainer table;
  configuration configuration;
  network network;
  msf_session *session;
  samples data;
  const msf_dataset *dataset;
  uint64_t seed;
  uint32_t epochs_done;
  uint32_t *order;      // of the samples in this epoch
  float *batch;         // [batch_size, width]
  int32_t *batch_labels;
} trainer;

static void trainer_destroy(const msf_trainer *table) {
  trainer *self = table->context;
  compute->session_destroy(compute, self->session);
  compute->graph_destroy(compute, self->network.graph);
  free(self->order);
  free(self->batch);
  free(self->batch_labels);
  free(self);
}

// Copies samples together, in the order of `order` or, where it is NULL, as they stand.
static int64_t gather(trainer *self, const samples *from, const uint32_t *order, int64_t start) {
  int64_t rows = from->count - start;
  if (rows > (int64_t)self->configuration.batch_size) rows = (int64_t)self->configuration.batch_size;
  for (int64_t row = 0; row < rows; row++) {
    size_t sample = order != NULL ? order[start + row] : (size_t)(start + row);
    memcpy(self->batch + row * from->width, from->features + sample * (size_t)from->width,
           (size_t)from->width * sizeof(float));
    self->batch_labels[row] = from->labels[sample];
  }
  return rows;
}

static void bind(const trainer *self, int64_t rows, msf_tensor inputs[2]) {
  inputs[0] = (msf_tensor){.name = text("features"),
                           .bytes = self->batch,
                           .byte_count = (size_t)(rows * self->data.width) * sizeof(float)};
  inputs[1] = (msf_tensor){.name = text("labels"),
                           .bytes = self->batch_labels,
                           .byte_count = (size_t)rows * sizeof(int32_t)};
}

// How many of the largest scores are where the label says.
static int64_t count_correct(const trainer *self, const float *scores, int64_t rows) {
  int64_t correct = 0, classes = (int64_t)self->configuration.classes;
  for (int64_t row = 0; row < rows; row++) {
    int32_t best = 0;
    for (int32_t k = 1; k < classes; k++)
      if (scores[row * classes + k] > scores[row * classes + best]) best = k;
    correct += best == self->batch_labels[row];
  }
  return correct;
}

// One pass over samples in an order.
static msf_status fit(trainer *self, const samples *data, const uint32_t *order,
                      const msf_progress *progress, msf_error *error) {
  double loss_sum = 0;
  int64_t correct = 0;
  msf_metric metrics[2] = {{text("loss"), 0}, {text("accuracy"), 0}};
  for (int64_t start = 0; start < data->count;) {
    int64_t rows = gather(self, data, order, start);
    msf_tensor inputs[2];
    bind(self, rows, inputs);
    float loss;
    msf_status status =
        compute->session_step(compute, self->session, inputs, 2, rows, &loss, error);
    if (status != MSF_OK) return status;
    start += rows;
    loss_sum += (double)loss * (double)rows;
    correct += count_correct(self, compute->session_output(compute, self->session, 0, NULL), rows);
    metrics[0].value = loss_sum / (double)start;
    metrics[1].value = (double)correct / (double)start;
    if (!progress->report(progress, (uint64_t)start, metrics, 2)) return MSF_CANCELLED;
  }
  progress->finish(progress, metrics, 2);
  return MSF_OK;
}

static msf_status train_epoch(const msf_trainer *table, uint32_t epoch,
                              const msf_progress *progress, msf_error *error) {
  trainer *self = table->context;
  // The order is a function of the seed and the epoch, so that a restored run finds it again.
  compute->random_permutation(compute, self->seed, UINT64_MAX - epoch, self->order,
                              (uint32_t)self->data.count);
  msf_status status = fit(self, &self->data, self->order, progress, error);
  if (status == MSF_OK) self->epochs_done = epoch;
  return status;
}

static msf_status partial_fit(const msf_trainer *table, const msf_dataset *dataset,
                              const msf_progress *progress, msf_error *error) {
  trainer *self = table->context;
  samples more;
  msf_status status = read_split(dataset, "train", &more, error);
  if (status != MSF_OK) return status;
  if (more.width != self->data.width)
    return fail(error, MSF_INVALID_ARGUMENT, "expected features as wide as before");
  return fit(self, &more, NULL, progress, error);
}

static msf_status evaluate(const msf_trainer *table, msf_string split,
                           const msf_progress *progress, msf_error *error) {
  trainer *self = table->context;
  char name[129];
  samples data;
  msf_plan *plan;
  if (split.size >= sizeof name) return MSF_NOT_FOUND;
  memcpy(name, split.data, split.size);
  name[split.size] = '\0';
  msf_status status = read_split(self->dataset, name, &data, error);
  if (status != MSF_OK) return status;
  if (data.width != self->data.width)
    return fail(error, MSF_INVALID_ARGUMENT, "expected features as wide as those of train");
  const msf_value outputs[] = {self->network.loss, self->network.logits};
  status = compute->session_plan(compute, self->session, outputs, 2, &plan, error);
  if (status != MSF_OK) return status;
  float loss, *scores = malloc(sizeof(float) * (size_t)(self->configuration.batch_size *
                                                        self->configuration.classes));
  double loss_sum = 0;
  int64_t correct = 0;
  if (scores == NULL) status = MSF_RESOURCE_EXHAUSTED;
  for (int64_t start = 0; status == MSF_OK && start < data.count;) {
    int64_t rows = gather(self, &data, NULL, start);
    msf_tensor inputs[2];
    bind(self, rows, inputs);
    const size_t sizes[] = {sizeof loss,
                            (size_t)(rows * (int64_t)self->configuration.classes) * sizeof(float)};
    status = compute->plan_run(compute, plan, inputs, 2, rows, (void *[]){&loss, scores}, sizes,
                               error);
    if (status != MSF_OK) break;
    start += rows;
    loss_sum += (double)loss * (double)rows;
    correct += count_correct(self, scores, rows);
    if (progress->is_cancelled(progress)) status = MSF_CANCELLED;
  }
  free(scores);
  compute->plan_destroy(compute, plan);
  if (status != MSF_OK) return status;
  const msf_metric metrics[] = {{text("loss"), loss_sum / (double)data.count},
                                {text("accuracy"), (double)correct / (double)data.count}};
  progress->finish(progress, metrics, 2);
  return MSF_OK;
}

static const msf_artifact *artifact(const msf_artifact *artifacts, uint32_t count,
                                    const char *name) {
  for (uint32_t i = 0; i < count; i++)
    if (equal(artifacts[i].name, name)) return &artifacts[i];
  return NULL;
}

// How many epochs are done is no matter of the session's steps: partial_fit takes some too.
static msf_status checkpoint(const msf_trainer *table, const msf_writer *writer, msf_error *error) {
  trainer *self = table->context;
  msf_status status = writer->write(writer, text("epochs.bin"), &self->epochs_done,
                                    sizeof self->epochs_done);
  if (status != MSF_OK) return status;
  return compute->session_save(compute, self->session, writer, text("session.safetensors"), error);
}

static msf_status restore(const msf_trainer *table, const msf_artifact *artifacts,
                          uint32_t artifact_count, uint32_t *completed_epochs, msf_error *error) {
  trainer *self = table->context;
  uint64_t steps;
  const msf_artifact *session = artifact(artifacts, artifact_count, "session.safetensors");
  const msf_artifact *epochs = artifact(artifacts, artifact_count, "epochs.bin");
  if (session == NULL || epochs == NULL || epochs->byte_count != sizeof self->epochs_done)
    return fail(error, MSF_INVALID_ARGUMENT, "expected session.safetensors and epochs.bin");
  msf_status status = compute->session_restore(compute, self->session, session->bytes,
                                               session->byte_count, &steps, error);
  if (status != MSF_OK) return status;
  memcpy(&self->epochs_done, epochs->bytes, sizeof self->epochs_done);
  *completed_epochs = self->epochs_done;
  return MSF_OK;
}

// The width of the features is the one thing that serving cannot know from the configuration.
static msf_status export_model(const msf_trainer *table, const msf_writer *writer,
                               msf_error *error) {
  trainer *self = table->context;
  char width[32];
  int length = snprintf(width, sizeof width, "%lld\n", (long long)self->data.width);
  msf_status status = writer->write(writer, text("width.txt"), width, (size_t)length);
  if (status != MSF_OK) return status;
  return compute->session_export(compute, self->session, writer, text("weights.safetensors"),
                                 error);
}

static msf_status create_trainer(const msf_plugin *plugin, const msf_trainer_request *request,
                                 const msf_trainer **out, msf_error *error) {
  (void)plugin;
  trainer *self = calloc(1, sizeof *self);
  if (self == NULL) return MSF_RESOURCE_EXHAUSTED;
  self->table.context = self;
  self->seed = request->seed;
  self->dataset = request->dataset;
  const configuration *c = &self->configuration;
  msf_status status = parse(request->configuration, &self->configuration, error);
  if (status == MSF_OK) status = read_split(request->dataset, "train", &self->data, error);
  if (status == MSF_OK) status = build(&self->network, c, self->data.width, error);
  if (status == MSF_OK) {
    const msf_attribute rate = {.name = text("learning_rate"), .number = c->learning_rate};
    const msf_session_request session = {.struct_size = sizeof session,
                                         .loss = self->network.loss,
                                         .outputs = &self->network.logits,
                                         .output_count = 1,
                                         .optimizer_attribute_count = 1,
                                         .optimizer = text("adam"),
                                         .optimizer_attributes = &rate,
                                         .seed = request->seed,
                                         .max_batch_size = (int64_t)c->batch_size};
    status = compute->session_create(compute, self->network.graph, &session, &self->session, error);
  }
  if (status == MSF_OK) {
    self->order = malloc(sizeof *self->order * (size_t)self->data.count);
    self->batch = malloc(sizeof(float) * (size_t)(c->batch_size * (double)self->data.width));
    self->batch_labels = malloc(sizeof(int32_t) * (size_t)c->batch_size);
    if (self->order == NULL || self->batch == NULL || self->batch_labels == NULL)
      status = MSF_RESOURCE_EXHAUSTED;
  }
  if (status != MSF_OK) {
    trainer_destroy(&self->table);
    return status;
  }
  int64_t batch = (int64_t)c->batch_size;
  self->table = (msf_trainer){.struct_size = sizeof(msf_trainer),
                              .epoch_count = (uint32_t)c->epochs,
                              .context = self,
                              .sample_count = (uint64_t)self->data.count,
                              .step_count = (uint64_t)((self->data.count + batch - 1) / batch),
                              .train_epoch = train_epoch,
                              .evaluate = evaluate,
                              .checkpoint = checkpoint,
                              .restore = restore,
                              .export_model = export_model,
                              .destroy = trainer_destroy,
                              .partial_fit = partial_fit};
  *out = &self->table;
  return MSF_OK;
}

// -------------------------------------------------------------------------------------- model

typedef struct model {
  msf_model table;
  msf_tensor input, output;
  int64_t width, classes;
  msf_plan *plan;
} model;

static msf_status execute(const msf_model *table, msf_execution *execution) {
  const model *self = table->context;
  return compute->plan_execute(compute, self->plan, execution);
}

static void model_destroy(const msf_model *table) {
  model *self = table->context;
  compute->plan_destroy(compute, self->plan);
  free(self);
}

static msf_status create_model(const msf_plugin *plugin, const msf_model_request *request,
                               const msf_model **out, msf_error *error) {
  (void)plugin;
  configuration c;
  msf_status status = parse(request->configuration, &c, error);
  if (status != MSF_OK) return status;
  const msf_artifact *weights =
      artifact(request->artifacts, request->artifact_count, "weights.safetensors");
  const msf_artifact *width = artifact(request->artifacts, request->artifact_count, "width.txt");
  char digits[32] = "";
  if (weights == NULL || width == NULL || width->byte_count >= sizeof digits)
    return fail(error, MSF_INVALID_ARGUMENT, "expected weights.safetensors and width.txt");
  memcpy(digits, width->bytes, width->byte_count);
  model *self = calloc(1, sizeof *self);
  if (self == NULL) return MSF_RESOURCE_EXHAUSTED;
  self->width = strtoll(digits, NULL, 10);
  self->classes = (int64_t)c.classes;
  network n = {0};
  status = build(&n, &c, self->width, error);
  if (status == MSF_OK)
    status = compute->plan_create(compute, n.graph, &n.probabilities, 1, 64, weights->bytes,
                                  weights->byte_count, &self->plan, error);
  compute->graph_destroy(compute, n.graph);
  if (status != MSF_OK) {
    free(self);
    return status;
  }
  self->input = (msf_tensor){
      .name = text("features"), .data_type = MSF_FP32, .rank = 1, .shape = &self->width};
  self->output = (msf_tensor){
      .name = text("probabilities"), .data_type = MSF_FP32, .rank = 1, .shape = &self->classes};
  self->table = (msf_model){.struct_size = sizeof(msf_model),
                            .context = self,
                            .inputs = &self->input,
                            .outputs = &self->output,
                            .input_count = 1,
                            .output_count = 1,
                            .max_batch_size = 64,
                            .memory_byte_count = compute->plan_byte_count(compute, self->plan),
                            .execute = execute,
                            .destroy = model_destroy};
  *out = &self->table;
  return MSF_OK;
}

// -------------------------------------------------------------------------------------- plugin

static msf_status validate(const msf_plugin *plugin, msf_string json, const msf_dataset *dataset,
                           msf_error *error) {
  (void)plugin;
  configuration c;
  samples data;
  msf_status status = parse(json, &c, error);
  if (status != MSF_OK || dataset == NULL) return status;
  status = read_split(dataset, "train", &data, error);
  return status == MSF_NOT_FOUND ? MSF_INVALID_ARGUMENT : status;
}

// Weights, their gradients and two moments of Adam; a batch and what is computed of it.
static msf_status estimate_memory(const msf_plugin *plugin, msf_string json,
                                  const msf_dataset *dataset, msf_memory_estimate *estimate,
                                  msf_error *error) {
  (void)plugin;
  configuration c;
  samples data = {.width = 1};
  msf_status status = parse(json, &c, error);
  if (status == MSF_OK && dataset != NULL) status = read_split(dataset, "train", &data, error);
  if (status != MSF_OK) return status;
  double weights = ((double)data.width + 1) * c.hidden + (c.hidden + 1) * c.classes;
  double row = (double)data.width + 2 * c.hidden + 2 * c.classes;
  estimate->inference_byte_count = (uint64_t)(4 * (weights + 64 * row));
  estimate->training_byte_count = (uint64_t)(4 * (4 * weights + 2 * c.batch_size * row));
  return MSF_OK;
}

static const char schema[] =
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\","
    "\"additionalProperties\":false,\"properties\":{"
    "\"classes\":{\"type\":\"integer\",\"minimum\":2,\"maximum\":1000,\"default\":2},"
    "\"hidden\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":4096,\"default\":16},"
    "\"epochs\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":10},"
    "\"batch_size\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":4096,\"default\":32},"
    "\"learning_rate\":{\"type\":\"number\",\"minimum\":1e-6,\"maximum\":1,\"default\":0.01}}}";

MSF_EXPORT const msf_plugin *massif_plugin_entry(const msf_host *lent) {
  static msf_plugin plugin = {.struct_size = sizeof(msf_plugin),
                              .abi_major = MSF_ABI_MAJOR,
                              .abi_minor = MSF_ABI_MINOR,
                              .name = {"classifier-c", sizeof "classifier-c" - 1},
                              .version = {"1.0.0", sizeof "1.0.0" - 1},
                              .capabilities = MSF_INFERENCE | MSF_TRAINING,
                              .configuration_schema = {schema, sizeof schema - 1},
                              .validate = validate,
                              .estimate_memory = estimate_memory,
                              .create_model = create_model,
                              .create_trainer = create_trainer};
  host = lent;
  compute = host->extension(host, MSF_COMPUTE);
  if (compute == NULL) {
    host->log(host, MSF_LOG_ERROR, text("this host does not lend " MSF_COMPUTE));
    return NULL;
  }
  return &plugin;
}
