// SPDX-License-Identifier: Apache-2.0
//
// The contract between Massif and a model plugin: C ABI 1.2, inference, training and lent compute.
//
// A plugin is a shared object that exports one function, massif_plugin_entry. It links nothing of
// Massif's and includes this file alone, as C11 or C++17. docs/plugin-abi.md explains the ideas;
// Examples/Plugins/identity is the shortest complete plugin.
//
// Conventions
//
// - Versions. A plugin states the version that it was built with. It is loaded when the major
//   numbers are equal and the host's minor number is not less than the plugin's.
// - Tables. A struct that begins with `struct_size` is a table, and may grow at its end in a later
//   minor version. Whoever fills a table in sets struct_size to its own sizeof; whoever reads it
//   takes nothing from beyond that size. A struct without struct_size is a value and never changes.
//   `reserved` is zero.
// - Functions of a table take the table as their first argument and find their state in its
//   `context`, which belongs to whoever filled the table in. A function pointer may be NULL only
//   where its comment says so.
// - Threads. Every function carries one of these words:
//     [any-thread]     may be called from several threads at the same time
//     [serial]         one call at a time for this object, but not always from the same thread
//     [load-thread]    called once, while the library is being loaded
//     [in-call]        only from inside the call that lent the table, on the thread of that call
// - Memory. What is passed as an argument is borrowed until the function returns, unless its
//   comment names a longer time. Nobody frees what the other side allocated.
// - Text is UTF-8 and carries its size; it need not end in a NUL.
// - Failure. A function that can fail returns an msf_status and says why through the msf_error, or
//   the msf_execution, that it was given. Nothing may be thrown or longjmp'ed across this boundary,
//   and a plugin never ends the process, changes signal handlers or writes to standard output.
// - Files. A plugin opens none: bytes come in as artifacts and leave through a writer.
//
// What came with which version
//
//   1.0  everything that is not named below
//   1.1  msf_trainer.partial_fit; the extension "massif.compute/1" (msf_compute)
//   1.2  msf_execution.traceparent

#ifndef MASSIF_PLUGIN_H
#define MASSIF_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define MSF_STATIC_ASSERT(condition, text) static_assert(condition, text)
#define MSF_EXPORT extern "C" __attribute__((visibility("default")))
extern "C" {
#else
#define MSF_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#define MSF_EXPORT __attribute__((visibility("default")))
#endif

#define MSF_ABI_MAJOR 1
#define MSF_ABI_MINOR 2

// ---------------------------------------------------------------------------------------- values

// gRPC's status codes, by number: what a plugin returns is what a client sees.
typedef int32_t msf_status;
enum {
  MSF_OK = 0,
  MSF_CANCELLED = 1,
  MSF_UNKNOWN = 2,
  MSF_INVALID_ARGUMENT = 3,
  MSF_DEADLINE_EXCEEDED = 4,
  MSF_NOT_FOUND = 5,
  MSF_ALREADY_EXISTS = 6,
  MSF_PERMISSION_DENIED = 7,
  MSF_RESOURCE_EXHAUSTED = 8,
  MSF_FAILED_PRECONDITION = 9,
  MSF_ABORTED = 10,
  MSF_OUT_OF_RANGE = 11,
  MSF_UNIMPLEMENTED = 12,
  MSF_INTERNAL = 13,
  MSF_UNAVAILABLE = 14,
  MSF_DATA_LOSS = 15
};

// Element types, in the order of the Open Inference Protocol. Little-endian, without padding.
// MSF_BYTES: each element is its size as a uint32 and then that many bytes.
typedef int32_t msf_data_type;
enum {
  MSF_BOOL = 1,
  MSF_UINT8 = 2,
  MSF_UINT16 = 3,
  MSF_UINT32 = 4,
  MSF_UINT64 = 5,
  MSF_INT8 = 6,
  MSF_INT16 = 7,
  MSF_INT32 = 8,
  MSF_INT64 = 9,
  MSF_FP16 = 10,
  MSF_BF16 = 11,
  MSF_FP32 = 12,
  MSF_FP64 = 13,
  MSF_BYTES = 14
};

typedef int32_t msf_log_level;
enum { MSF_LOG_DEBUG = 0, MSF_LOG_INFO = 1, MSF_LOG_WARNING = 2, MSF_LOG_ERROR = 3 };

// The largest rank of any tensor.
enum { MSF_MAX_RANK = 8 };

typedef struct msf_string {
  const char *data;
  size_t size;
} msf_string;

// A tensor, row-major and dense, or the description of one: then bytes is NULL, byte_count is 0
// and an extent may be -1, "varies".
typedef struct msf_tensor {
  msf_string name;
  msf_data_type data_type;
  uint32_t rank;         // 0...MSF_MAX_RANK
  const int64_t *shape;  // `rank` extents
  const void *bytes;
  size_t byte_count;
} msf_tensor;

// Named bytes: one file of a model version or of a checkpoint, for example "weights.safetensors".
typedef struct msf_artifact {
  msf_string name;
  const void *bytes;
  size_t byte_count;
} msf_artifact;

// One measurement: "loss", "accuracy", ...
typedef struct msf_metric {
  msf_string name;
  double value;
} msf_metric;

// -------------------------------------------------------------- tables that the host lends

// Where a failing function leaves its explanation. Lent for one call.
typedef struct msf_error msf_error;
struct msf_error {
  uint32_t struct_size;
  uint32_t reserved;
  void *context;
  // Says what was wrong, what was expected and what to do. The text is copied; the last one counts.
  // [in-call]
  void (*set_message)(msf_error *error, msf_string message);
  // Adds what is wrong with one field of the configuration, for example
  // ("configuration.layers[2].units", "expected an integer in 1...65536, came \"abc\""). Copied.
  // [in-call]
  void (*add_violation)(msf_error *error, msf_string field, msf_string description);
};

// The services of the process that loaded the plugin. Valid for as long as the process lives.
typedef struct msf_host msf_host;
struct msf_host {
  uint32_t struct_size;
  uint16_t abi_major;
  uint16_t abi_minor;
  void *context;
  // The vector instruction set that the process has settled on: "scalar", "avx2" or "avx512".
  msf_string instruction_set;
  // How many threads parallel_for spreads work over, the calling thread included.
  uint32_t worker_count;
  uint32_t reserved;
  // Writes one line to the server's log, under the plugin's name. [any-thread]
  void (*log)(const msf_host *host, msf_log_level level, msf_string message);
  // Memory counted as the plugin's, aligned to 64 bytes, not cleared. NULL when there is no more.
  // The plugin gives it back with deallocate, from whatever thread. [any-thread]
  void *(*allocate)(const msf_host *host, size_t byte_count);
  // Takes memory of allocate back; NULL is allowed. [any-thread]
  void (*deallocate)(const msf_host *host, void *memory);
  // Calls body(context, index) once for every index in 0..<count, on the server's own worker
  // threads and the calling one, in no order, and returns when all have returned. Calls may nest.
  // A result that shall not depend on the number of threads is partitioned by the shape of the
  // data, never by worker_count. [any-thread]
  void (*parallel_for)(const msf_host *host, size_t count, void *context,
                       void (*body)(void *context, size_t index));
  // An extension of the host by its id (NUL-terminated, with its revision: "massif.example/1"), or
  // NULL. What it returns is the extension's own table and lives as long as the host. [any-thread]
  const void *(*extension)(const msf_host *host, const char *id);
};

// One call of a model: its inputs, and where its outputs go. Lent for one call of execute.
typedef struct msf_execution msf_execution;
struct msf_execution {
  uint32_t struct_size;
  uint32_t input_count;  // that of the model
  void *context;
  // In the order of the model's inputs. The host has checked type, shape and byte_count against
  // the model's description. With batching, the first extent is batch_size in every one.
  const msf_tensor *inputs;
  int64_t batch_size;  // 1...max_batch_size, or 0 when the model does not batch
  // Memory for output `index`, aligned to 64 bytes, not cleared, to be filled before execute
  // returns. byte_count is needed for MSF_BYTES alone and is otherwise 0 or exact. NULL when the
  // type or shape is not what the model declared, or is too large; return any failure then, the
  // host knows why. Asked for again, an output is replaced. [in-call]
  void *(*output)(msf_execution *execution, uint32_t index, msf_data_type data_type, uint32_t rank,
                  const int64_t *shape, size_t byte_count);
  // Makes output `index` the bytes of input `input_index`, unread and uncopied, under the type and
  // shape given; they must amount to the same byte_count. [in-call]
  msf_status (*output_alias)(msf_execution *execution, uint32_t index, uint32_t input_index,
                             msf_data_type data_type, uint32_t rank, const int64_t *shape);
  // Whether nobody waits for the answer any more. A long execute asks every few milliseconds and
  // returns MSF_CANCELLED. Cheap. [any-thread], while the call lasts
  bool (*is_cancelled)(const msf_execution *execution);
  // Says why execute is about to return a failure. The text is copied. [in-call]
  void (*set_message)(msf_execution *execution, msf_string message);
  // Since 1.2. The W3C trace context of the request, "00-<trace-id>-<parent-id>-<flags>", where the
  // client sent one; empty otherwise. Of a batch of several requests that of the first that has one.
  msf_string traceparent;
};

// Where training reports to. Lent for one call.
typedef struct msf_progress msf_progress;
struct msf_progress {
  uint32_t struct_size;
  uint32_t reserved;
  void *context;
  // How far the call has come, with running metrics. Cheap enough for every step: the host thins
  // reports out. False: stop as soon as possible and return MSF_CANCELLED. [in-call]
  bool (*report)(const msf_progress *progress, uint64_t samples_done, const msf_metric *metrics,
                 uint32_t metric_count);
  // The metrics that the call ends with. Copied; the last ones count. [in-call]
  void (*finish)(const msf_progress *progress, const msf_metric *metrics, uint32_t metric_count);
  // Whether the call should stop, as report says it. [any-thread], while the call lasts
  bool (*is_cancelled)(const msf_progress *progress);
};

// Takes the artifacts of a checkpoint or of a trained model. Lent for one call.
typedef struct msf_writer msf_writer;
struct msf_writer {
  uint32_t struct_size;
  uint32_t reserved;
  void *context;
  // Appends to the artifact `name` ([A-Za-z0-9][A-Za-z0-9._-]{0,127}), which the first call begins.
  // On failure stop and return the same status. [in-call]
  msf_status (*write)(const msf_writer *writer, msf_string name, const void *bytes,
                      size_t byte_count);
};

// ------------------------------------------------------------------------- what the host asks for

// A data set: tensors named "<split>/<role>", for example "train/images" and "test/labels"; the
// first extent of every tensor of a split is its number of samples.
typedef struct msf_dataset {
  uint32_t struct_size;
  uint32_t tensor_count;
  const msf_tensor *tensors;  // without bytes where only the description is asked about
} msf_dataset;

typedef struct msf_model_request {
  uint32_t struct_size;
  uint32_t artifact_count;
  const msf_artifact *artifacts;  // borrowed, with their names and bytes, until the model's destroy
  msf_string configuration;       // JSON object, borrowed for the call
} msf_model_request;

typedef struct msf_trainer_request {
  uint32_t struct_size;
  uint32_t reserved;
  msf_string configuration;    // JSON object, borrowed for the call
  uint64_t seed;               // the only source of randomness
  const msf_dataset *dataset;  // borrowed, with its tensors and bytes, until the trainer's destroy
} msf_trainer_request;

// Filled in by estimate_memory; 0 means unknown.
typedef struct msf_memory_estimate {
  uint32_t struct_size;  // set by the host
  uint32_t reserved;
  uint64_t inference_byte_count;  // of one loaded model
  uint64_t training_byte_count;   // of one trainer, without the data set
} msf_memory_estimate;

// -------------------------------------------------------------- tables that the plugin fills

// execute never blocks, starts no parallel_for and takes less time than a hand-over between threads
// (a few microseconds): the host may call it on an event loop, one request at a time.
enum { MSF_MODEL_EXECUTES_INLINE = 1 };

// A model that answers. Made by create_model, owned by the plugin, valid until its destroy.
typedef struct msf_model msf_model;
struct msf_model {
  uint32_t struct_size;
  uint32_t flags;  // MSF_MODEL_...
  void *context;
  // Descriptions, valid until destroy. With batching, shapes are those of one row.
  const msf_tensor *inputs;
  const msf_tensor *outputs;
  uint32_t input_count;   // 1...64
  uint32_t output_count;  // 1...64
  int64_t max_batch_size;      // 0: the tensors have no batch dimension
  uint64_t memory_byte_count;  // held while the model is loaded; 0: unknown
  // Answers one request, or one batch of them. [any-thread]
  msf_status (*execute)(const msf_model *model, msf_execution *execution);
  // Frees the model. No call of execute is running, and none follows. [serial]
  void (*destroy)(const msf_model *model);
  // An extension by its id, or NULL. The pointer may be NULL. [any-thread]
  const void *(*extension)(const msf_model *model, const char *id);
};

// A training run. Made by create_trainer, owned by the plugin, valid until its destroy. The same
// configuration, seed, data and instruction set give the same bits, at any number of threads and
// across any number of checkpoints and restores.
typedef struct msf_trainer msf_trainer;
struct msf_trainer {
  uint32_t struct_size;
  uint32_t epoch_count;  // how many the configuration asks for, at least 1
  void *context;
  uint64_t sample_count;  // in one epoch
  uint64_t step_count;    // in one epoch
  // Trains epoch `epoch`, counted from 1. The host goes in order, and after restore continues with
  // the epoch after the completed ones. [serial]
  msf_status (*train_epoch)(const msf_trainer *trainer, uint32_t epoch,
                            const msf_progress *progress, msf_error *error);
  // Trains step `step` (from 0) of epoch `epoch` alone, in order. May be NULL. [serial]
  msf_status (*train_step)(const msf_trainer *trainer, uint32_t epoch, uint64_t step,
                           const msf_progress *progress, msf_error *error);
  // Measures the model as it stands on a split of the data set. MSF_NOT_FOUND when the data set has
  // no such split. May be NULL. [serial]
  msf_status (*evaluate)(const msf_trainer *trainer, msf_string split,
                         const msf_progress *progress, msf_error *error);
  // Writes all that restore needs. Called between epochs. [serial]
  msf_status (*checkpoint)(const msf_trainer *trainer, const msf_writer *writer, msf_error *error);
  // Takes up the state of a checkpoint of the same configuration, seed and data set, and says how
  // many epochs it had completed. [serial]
  msf_status (*restore)(const msf_trainer *trainer, const msf_artifact *artifacts,
                        uint32_t artifact_count, uint32_t *completed_epochs, msf_error *error);
  // Writes the artifacts that create_model makes a model of. [serial]
  msf_status (*export_model)(const msf_trainer *trainer, const msf_writer *writer,
                             msf_error *error);
  // Frees the trainer. No call is running, and none follows. [serial]
  void (*destroy)(const msf_trainer *trainer);
  // An extension by its id, or NULL. The pointer may be NULL. [any-thread]
  const void *(*extension)(const msf_trainer *trainer, const char *id);
  // Since 1.1. Goes on learning from further samples, those of `dataset`'s train split, without
  // starting over; completed epochs do not count it. The data set is borrowed for the call. May be
  // NULL. [serial]
  msf_status (*partial_fit)(const msf_trainer *trainer, const msf_dataset *dataset,
                            const msf_progress *progress, msf_error *error);
};

// What a plugin can do: the bits of msf_plugin.capabilities, at least one of the first two.
// MSF_TRAINING_WITHOUT_DATA_SET, with MSF_TRAINING: jobs of this plugin name no data set; the one of
// create_trainer has no tensors then.
enum { MSF_INFERENCE = 1, MSF_TRAINING = 2, MSF_TRAINING_WITHOUT_DATA_SET = 4 };

// The plugin itself. Valid, with all that it points to, for as long as the process lives: a library
// that has been loaded is never unloaded.
typedef struct msf_plugin msf_plugin;
struct msf_plugin {
  uint32_t struct_size;
  uint16_t abi_major;  // MSF_ABI_MAJOR and MSF_ABI_MINOR, as the plugin was compiled
  uint16_t abi_minor;
  void *context;
  msf_string name;     // [A-Za-z0-9][A-Za-z0-9._-]{0,127}
  msf_string version;  // of the plugin: one to 64 printable ASCII characters, "1.4.2"
  uint64_t capabilities;
  // The JSON Schema (2020-12) of the configuration, with defaults and ranges.
  msf_string configuration_schema;
  // Checks a configuration without doing any work, and against the description of a data set when
  // `dataset` is not NULL. MSF_INVALID_ARGUMENT with a violation for each wrong field. [any-thread]
  msf_status (*validate)(const msf_plugin *plugin, msf_string configuration,
                         const msf_dataset *dataset, msf_error *error);
  // Says how much memory a configuration will take. `dataset` may be NULL. The pointer may be
  // NULL. [any-thread]
  msf_status (*estimate_memory)(const msf_plugin *plugin, msf_string configuration,
                                const msf_dataset *dataset, msf_memory_estimate *estimate,
                                msf_error *error);
  // Makes a model. NULL without MSF_INFERENCE. [any-thread]
  msf_status (*create_model)(const msf_plugin *plugin, const msf_model_request *request,
                             const msf_model **model, msf_error *error);
  // Makes a training run. NULL without MSF_TRAINING. [any-thread]
  msf_status (*create_trainer)(const msf_plugin *plugin, const msf_trainer_request *request,
                               const msf_trainer **trainer, msf_error *error);
  // An extension by its id, or NULL. The pointer may be NULL. [any-thread]
  const void *(*extension)(const msf_plugin *plugin, const char *id);
};

// -------------------------------------------------------------- the extension massif.compute/1

// The server's tensor runtime, lent to plugins: a graph of operations, differentiated and compiled
// by the host, trained by its optimizers and run on its kernels and threads. A plugin that uses it
// needs no mathematics of its own. Since 1.1:
//
//   const msf_compute *compute = host->extension(host, MSF_COMPUTE);  // NULL: not lent here
//
// Rules of its own:
// - A graph, a session and a plan are the host's objects, made by a function here and given back
//   with the _destroy that belongs to it, at the latest in the destroy of the model or trainer that
//   they serve. A session and a plan keep what they need of the graph: it may go before them.
// - Shapes in a graph are those of one sample; the batch dimension is implied.
// - Values are FP32 but for inputs, which may be UINT8 or INT32 where an operation takes them.
// - `error` may be NULL where the caller has none; the status then says all.
// - The same graph, seed, inputs and instruction set give the same bits, at any number of threads.

#define MSF_COMPUTE "massif.compute/1"

typedef struct msf_graph msf_graph;
typedef struct msf_session msf_session;
typedef struct msf_plan msf_plan;

// A tensor of a graph, counted from 1; 0 is none.
typedef uint32_t msf_value;

// An option of an operation, an initializer or an optimizer: a number, or a text where it is one.
typedef struct msf_attribute {
  msf_string name;
  msf_string text;
  double number;
} msf_attribute;

// What a training session is made of.
typedef struct msf_session_request {
  uint32_t struct_size;
  msf_value loss;  // one number: the mean over the batch
  // What a step leaves to be read besides, for example logits.
  const msf_value *outputs;
  uint32_t output_count;
  uint32_t optimizer_attribute_count;
  // "sgd" (learning_rate, momentum, nesterov, weight_decay), "adam" or "adamw" (learning_rate,
  // beta1, beta2, epsilon, weight_decay); all but learning_rate have the usual defaults.
  msf_string optimizer;
  const msf_attribute *optimizer_attributes;
  uint64_t seed;  // of the first weights and of dropout
  int64_t max_batch_size;
} msf_session_request;

typedef struct msf_compute msf_compute;
struct msf_compute {
  uint32_t struct_size;
  uint32_t reserved;
  void *context;

  // Makes an empty graph. [any-thread]
  msf_status (*graph_create)(const msf_compute *compute, msf_graph **graph, msf_error *error);
  // Gives a graph back; NULL is allowed. [any-thread]
  void (*graph_destroy)(const msf_compute *compute, msf_graph *graph);
  // Adds an input, bound by its name when a step or a plan runs. [serial]
  msf_status (*graph_input)(const msf_compute *compute, msf_graph *graph, msf_string name,
                            msf_data_type data_type, uint32_t rank, const int64_t *shape,
                            msf_value *value, msf_error *error);
  // Adds a parameter, learned by a session and saved under its name. Initializers: "zeros", "ones",
  // "fan_in_uniform", "he_uniform", "he_normal" (fan_in), "glorot_uniform", "glorot_normal"
  // (fan_in, fan_out); the attribute trainable = 0 for what is tracked and not learned. [serial]
  msf_status (*graph_parameter)(const msf_compute *compute, msf_graph *graph, msf_string name,
                                uint32_t rank, const int64_t *shape, msf_string initializer,
                                const msf_attribute *attributes, uint32_t attribute_count,
                                msf_value *value, msf_error *error);
  // Adds an operation by its name. Operands in brackets may be left out at the end. [serial]
  //   dense               x [K], weights [K, N], [bias [N]]
  //   conv2d              x [H, W, C], weights [kernel, kernel, C, M], [bias [M]]; stride = 1,
  //                       padding = "valid" or "same"
  //   max_pool2d, average_pool2d   x [H, W, C]; size, stride = size, padding = "valid" or "same"
  //   relu, sigmoid, tanh, softmax, flatten   x
  //   add                 a, b of one shape
  //   dropout             x; rate. Nothing but in training
  //   convert             x of UINT8 or FP32; scale = 1, offset = 0. x * scale + offset as FP32
  //   batch_norm          x, scale, offset, running_mean, running_variance; epsilon, momentum
  //   cross_entropy       logits [classes], labels INT32 []
  //   mean_squared_error  predictions, targets of one shape
  msf_status (*graph_operation)(const msf_compute *compute, msf_graph *graph, msf_string operation,
                                const msf_value *operands, uint32_t operand_count,
                                const msf_attribute *attributes, uint32_t attribute_count,
                                msf_value *result, msf_error *error);
  // Says what a value is. `shape` has room for MSF_MAX_RANK extents. [serial]
  msf_status (*graph_describe)(const msf_compute *compute, const msf_graph *graph, msf_value value,
                               msf_data_type *data_type, uint32_t *rank, int64_t *shape,
                               msf_error *error);

  // Differentiates the loss, compiles a training step and makes the first weights. [any-thread]
  msf_status (*session_create)(const msf_compute *compute, const msf_graph *graph,
                               const msf_session_request *request, msf_session **session,
                               msf_error *error);
  // Gives a session back; NULL is allowed. [serial]
  void (*session_destroy)(const msf_compute *compute, msf_session *session);
  // Learns from `batch_size` samples: of each tensor, name, bytes and byte_count are read. `loss`
  // is that before the step. On failure nothing has changed. [serial]
  msf_status (*session_step)(const msf_compute *compute, msf_session *session,
                             const msf_tensor *inputs, uint32_t input_count, int64_t batch_size,
                             float *loss, msf_error *error);
  // The bytes of an output of the last step, valid until the next; NULL when there is no such
  // output. [serial]
  const void *(*session_output)(const msf_compute *compute, const msf_session *session,
                                uint32_t index, size_t *byte_count);
  // Changes the step size of the next step. [serial]
  void (*session_set_learning_rate)(const msf_compute *compute, msf_session *session, double rate);
  // Writes all that session_restore needs, weights, moments and the number of steps, as an artifact
  // (safetensors). [serial]
  msf_status (*session_save)(const msf_compute *compute, const msf_session *session,
                             const msf_writer *writer, msf_string artifact, msf_error *error);
  // Takes up what session_save wrote: the following steps give the same bits. On failure nothing
  // has changed. [serial]
  msf_status (*session_restore)(const msf_compute *compute, msf_session *session,
                                const void *bytes, size_t byte_count, uint64_t *step_count,
                                msf_error *error);
  // Writes the weights alone, for plan_create, as an artifact (safetensors). [serial]
  msf_status (*session_export)(const msf_compute *compute, const msf_session *session,
                               const msf_writer *writer, msf_string artifact, msf_error *error);
  // Compiles the present weights for inference, to evaluate with. [serial]
  msf_status (*session_plan)(const msf_compute *compute, const msf_session *session,
                             const msf_value *outputs, uint32_t output_count, msf_plan **plan,
                             msf_error *error);

  // Compiles a graph and its weights, a safetensors file, for inference. [any-thread]
  msf_status (*plan_create)(const msf_compute *compute, const msf_graph *graph,
                            const msf_value *outputs, uint32_t output_count,
                            int64_t max_batch_size, const void *weights, size_t byte_count,
                            msf_plan **plan, msf_error *error);
  // Gives a plan back; NULL is allowed. No call of it is running. [any-thread]
  void (*plan_destroy)(const msf_compute *compute, msf_plan *plan);
  // Bytes that the plan holds, its weights and the memory of one run. [any-thread]
  size_t (*plan_byte_count)(const msf_compute *compute, const msf_plan *plan);
  // Computes the outputs into memory of the caller, in their order, each with room for exactly its
  // batch. Inputs as in session_step. [any-thread]
  msf_status (*plan_run)(const msf_compute *compute, const msf_plan *plan,
                         const msf_tensor *inputs, uint32_t input_count, int64_t batch_size,
                         void *const *outputs, const size_t *output_byte_counts, msf_error *error);
  // Answers a model's call: the plan's inputs are those of the same names, its outputs the model's
  // in their order. All that execute has to do for a model with batching. [in-call]
  msf_status (*plan_execute)(const msf_compute *compute, const msf_plan *plan,
                             msf_execution *execution);

  // Philox 4x32-10: word `index` of the stream is a function of (key, stream, index) alone. Fills
  // words[0..<count] with the words from `first` on. [any-thread]
  void (*random_words)(const msf_compute *compute, uint64_t key, uint64_t stream, uint64_t first,
                       uint32_t *words, size_t count);
  // Fills order[0..<count] with a permutation of 0..<count. [any-thread]
  void (*random_permutation)(const msf_compute *compute, uint64_t key, uint64_t stream,
                             uint32_t *order, uint32_t count);
};

// ----------------------------------------------------------------------------------------- entry

// The one symbol of a plugin. Gets the host, which outlives the plugin, and returns the plugin's
// table; NULL when it cannot work here, after a line to the host's log that says why. It does no
// long work and starts no thread. [load-thread]
typedef const msf_plugin *(*msf_plugin_entry)(const msf_host *host);

#ifdef __cplusplus
}
#endif

// A plugin defines:  MSF_EXPORT const msf_plugin *massif_plugin_entry(const msf_host *host) { ... }
#define MSF_ENTRY_SYMBOL "massif_plugin_entry"

// ---------------------------------------------------------------------------------------- layout

// The sizes of version 1.0 on every 64-bit machine; a table that is smaller is refused.
enum {
  MSF_ERROR_SIZE_1_0 = 32,
  MSF_HOST_SIZE_1_0 = 80,
  MSF_EXECUTION_SIZE_1_0 = 64,
  MSF_PROGRESS_SIZE_1_0 = 40,
  MSF_WRITER_SIZE_1_0 = 24,
  MSF_DATASET_SIZE_1_0 = 16,
  MSF_MODEL_REQUEST_SIZE_1_0 = 32,
  MSF_TRAINER_REQUEST_SIZE_1_0 = 40,
  MSF_MEMORY_ESTIMATE_SIZE_1_0 = 24,
  MSF_MODEL_SIZE_1_0 = 80,
  MSF_TRAINER_SIZE_1_0 = 96,
  MSF_PLUGIN_SIZE_1_0 = 112
};

// The sizes of what 1.1 brought or lengthened.
enum {
  MSF_TRAINER_SIZE_1_1 = 104,
  MSF_SESSION_REQUEST_SIZE_1_1 = 64,
  MSF_COMPUTE_SIZE_1_1 = 192
};

// The sizes of what 1.2 lengthened.
enum { MSF_EXECUTION_SIZE_1_2 = 80 };

MSF_STATIC_ASSERT(sizeof(void *) == 8 && sizeof(size_t) == 8, "Massif runs on 64-bit machines");
MSF_STATIC_ASSERT(sizeof(msf_string) == 16, "value, never changes");
MSF_STATIC_ASSERT(sizeof(msf_tensor) == 48, "value, never changes");
MSF_STATIC_ASSERT(offsetof(msf_tensor, shape) == 24, "value, never changes");
MSF_STATIC_ASSERT(offsetof(msf_tensor, byte_count) == 40, "value, never changes");
MSF_STATIC_ASSERT(sizeof(msf_artifact) == 32, "value, never changes");
MSF_STATIC_ASSERT(sizeof(msf_metric) == 24, "value, never changes");
MSF_STATIC_ASSERT(sizeof(msf_error) >= MSF_ERROR_SIZE_1_0, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_error, add_violation) == 24, "grows at its end");
MSF_STATIC_ASSERT(sizeof(msf_host) >= MSF_HOST_SIZE_1_0, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_host, log) == 40, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_host, extension) == 72, "grows at its end");
MSF_STATIC_ASSERT(sizeof(msf_execution) >= MSF_EXECUTION_SIZE_1_0, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_execution, output) == 32, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_execution, set_message) == 56, "grows at its end");
MSF_STATIC_ASSERT(sizeof(msf_execution) >= MSF_EXECUTION_SIZE_1_2, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_execution, traceparent) == 64, "grows at its end");
MSF_STATIC_ASSERT(sizeof(msf_progress) >= MSF_PROGRESS_SIZE_1_0, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_progress, is_cancelled) == 32, "grows at its end");
MSF_STATIC_ASSERT(sizeof(msf_writer) >= MSF_WRITER_SIZE_1_0, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_writer, write) == 16, "grows at its end");
MSF_STATIC_ASSERT(sizeof(msf_dataset) >= MSF_DATASET_SIZE_1_0, "grows at its end");
MSF_STATIC_ASSERT(sizeof(msf_model_request) >= MSF_MODEL_REQUEST_SIZE_1_0, "grows at its end");
MSF_STATIC_ASSERT(sizeof(msf_trainer_request) >= MSF_TRAINER_REQUEST_SIZE_1_0, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_trainer_request, dataset) == 32, "grows at its end");
MSF_STATIC_ASSERT(sizeof(msf_memory_estimate) >= MSF_MEMORY_ESTIMATE_SIZE_1_0, "grows at its end");
MSF_STATIC_ASSERT(sizeof(msf_model) >= MSF_MODEL_SIZE_1_0, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_model, execute) == 56, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_model, extension) == 72, "grows at its end");
MSF_STATIC_ASSERT(sizeof(msf_trainer) >= MSF_TRAINER_SIZE_1_0, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_trainer, train_epoch) == 32, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_trainer, extension) == 88, "grows at its end");
MSF_STATIC_ASSERT(sizeof(msf_trainer) >= MSF_TRAINER_SIZE_1_1, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_trainer, partial_fit) == 96, "grows at its end");
MSF_STATIC_ASSERT(sizeof(msf_attribute) == 40, "value, never changes");
MSF_STATIC_ASSERT(sizeof(msf_session_request) >= MSF_SESSION_REQUEST_SIZE_1_1, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_session_request, max_batch_size) == 56, "grows at its end");
MSF_STATIC_ASSERT(sizeof(msf_compute) >= MSF_COMPUTE_SIZE_1_1, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_compute, session_create) == 64, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_compute, random_permutation) == 184, "grows at its end");
MSF_STATIC_ASSERT(sizeof(msf_plugin) >= MSF_PLUGIN_SIZE_1_0, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_plugin, validate) == 72, "grows at its end");
MSF_STATIC_ASSERT(offsetof(msf_plugin, extension) == 104, "grows at its end");

#endif  // MASSIF_PLUGIN_H
