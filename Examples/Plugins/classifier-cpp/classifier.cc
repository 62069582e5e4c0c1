// SPDX-License-Identifier: Apache-2.0
//
// The classifier in C++17, with a thread of its own: while the server's runtime trains on one batch,
// the thread gathers the next. What is learned does not depend on who is faster.
//
//   c++ -std=c++17 -O2 -shared -fPIC -pthread -I Sources/CPluginABI/include
//     -o libclassifier-cpp.so classifier.cc
//
// Data: train/features FP32 [n, d] and train/labels INT32 [n].
// Configuration: {"classes": 2, "hidden": 16, "epochs": 10, "batch_size": 32, "learning_rate": 0.01}

#include "massif_plugin.h"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

const msf_host *host;
const msf_compute *compute;

msf_string text(const char *s) { return {s, std::strlen(s)}; }
msf_string text(const std::string &s) { return {s.data(), s.size()}; }
std::string string(msf_string s) { return s.size > 0 ? std::string(s.data, s.size) : ""; }

// Why something failed; ends at the boundary, in `guarded`.
struct failure {
  msf_status status;
  std::string message, field;
};

// A status of the host, which has said itself what was wrong.
void check(msf_status status) {
  if (status != MSF_OK) throw failure{status, "", ""};
}

// Runs `body`; no exception crosses the boundary.
template <typename Body> msf_status guarded(msf_error *error, Body body) noexcept {
  try {
    body();
    return MSF_OK;
  } catch (const failure &f) {
    if (!f.message.empty()) error->set_message(error, text(f.message));
    if (!f.field.empty()) error->add_violation(error, text(f.field), text(f.message));
    return f.status;
  } catch (const std::bad_alloc &) {
    error->set_message(error, text("no memory"));
    return MSF_RESOURCE_EXHAUSTED;
  } catch (...) {
    error->set_message(error, text("the plugin failed"));
    return MSF_INTERNAL;
  }
}

// -------------------------------------------------------------------------------- configuration

struct configuration {
  std::map<std::string, double> numbers = {
      {"classes", 2}, {"hidden", 16}, {"epochs", 10}, {"batch_size", 32}, {"learning_rate", 0.01}};

  // Reads a flat JSON object of numbers.
  explicit configuration(const std::string &json) {
    size_t at = 0;
    auto skip = [&] { at = std::min(json.find_first_not_of(" \t\r\n", at), json.size()); };
    auto take = [&](char c) { return skip(), at < json.size() && json[at] == c && ++at; };
    auto expect = [&](char c) {
      if (!take(c)) throw bad("configuration", std::string("expected '") + c + "'");
    };
    expect('{');
    while (!take('}')) {
      expect('"');
      size_t end = std::min(json.find('"', at), json.size());
      std::string name = json.substr(at, end - at), path = "configuration." + name;
      at = end;
      expect('"');
      if (numbers.count(name) == 0) throw bad(path, "there is no such setting");
      expect(':');
      skip();
      char *rest = nullptr;
      double value = std::strtod(json.c_str() + at, &rest);
      size_t length = static_cast<size_t>(rest - (json.c_str() + at));
      bool isRate = name == "learning_rate";
      double least = isRate ? 1e-6 : name == "classes" ? 2 : 1, most = isRate ? 1 : 4096;
      bool isWhole = value >= least && value <= most && value == static_cast<int>(value);
      if (length == 0 || !(value >= least && value <= most) || !(isRate || isWhole))
        throw bad(path, isRate ? "expected a number of 1e-6 to 1"
                               : "expected a whole number of " + std::to_string(int(least)) +
                                     " to 4096");
      numbers[name] = value;
      at += length;
      if (!take(',') && (skip(), at >= json.size() || json[at] != '}'))
        throw bad("configuration", "expected ',' or '}'");
    }
    if (skip(), at != json.size()) throw bad("configuration", "expected the end");
  }

  double operator[](const char *name) const { return numbers.at(name); }
  int64_t whole(const char *name) const { return static_cast<int64_t>(numbers.at(name)); }

  static failure bad(const std::string &field, const std::string &what) {
    return {MSF_INVALID_ARGUMENT, what, field};
  }
};

// ------------------------------------------------------------------------------------- network

struct network {
  msf_graph *graph = nullptr;
  msf_value logits = 0, probabilities = 0, loss = 0;

  network(const configuration &c, int64_t width, msf_error *error) {
    check(compute->graph_create(compute, &graph, error));
    try {
      msf_value x = 0, labels = 0;
      check(compute->graph_input(compute, graph, text("features"), MSF_FP32, 1, &width, &x, error));
      x = dense("hidden", x, width, c.whole("hidden"), error);
      x = operation("tanh", {x}, error);
      logits = dense("output", x, c.whole("hidden"), c.whole("classes"), error);
      probabilities = operation("softmax", {logits}, error);
      check(compute->graph_input(compute, graph, text("labels"), MSF_INT32, 0, nullptr, &labels,
                                 error));
      loss = operation("cross_entropy", {logits, labels}, error);
    } catch (...) {
      compute->graph_destroy(compute, graph);
      throw;
    }
  }
  ~network() { compute->graph_destroy(compute, graph); }
  network(const network &) = delete;
  network &operator=(const network &) = delete;

private:
  msf_value operation(const char *name, std::vector<msf_value> operands, msf_error *error) {
    msf_value result = 0;
    check(compute->graph_operation(compute, graph, text(name), operands.data(),
                                   static_cast<uint32_t>(operands.size()), nullptr, 0, &result,
                                   error));
    return result;
  }

  msf_value dense(const std::string &name, msf_value x, int64_t inputs, int64_t units,
                  msf_error *error) {
    const int64_t shape[] = {inputs, units};
    const msf_attribute fans[] = {{text("fan_in"), {}, double(inputs)},
                                  {text("fan_out"), {}, double(units)}};
    msf_value weights = 0, bias = 0;
    check(compute->graph_parameter(compute, graph, text(name + ".weight"), 2, shape,
                                   text("glorot_uniform"), fans, 2, &weights, error));
    check(compute->graph_parameter(compute, graph, text(name + ".bias"), 1, &units, text("zeros"),
                                   nullptr, 0, &bias, error));
    return operation("dense", {x, weights, bias}, error);
  }
};

// ------------------------------------------------------------------------------------- batches

// The samples of the train split.
struct samples {
  const float *features = nullptr;
  const int32_t *labels = nullptr;
  int64_t count = 0, width = 0;

  explicit samples(const msf_dataset *dataset) {
    for (uint32_t i = 0; i < dataset->tensor_count; i++) {
      const msf_tensor &t = dataset->tensors[i];
      std::string name = string(t.name);
      if (name == "train/features" && t.data_type == MSF_FP32 && t.rank == 2) {
        features = static_cast<const float *>(t.bytes);
        count = t.shape[0];
        width = t.shape[1];
      }
      if (name == "train/labels" && t.data_type == MSF_INT32 && t.rank == 1)
        labels = static_cast<const int32_t *>(t.bytes), hasLabels = true;
    }
    if (count < 1 || !hasLabels)
      throw failure{MSF_INVALID_ARGUMENT,
                    "expected train/features FP32 [n, d] and train/labels INT32 [n]", ""};
  }

private:
  bool hasLabels = false;
};

struct batch {
  std::vector<float> features;
  std::vector<int32_t> labels;
};

// Gathers the batches of an epoch, one ahead, on a thread of its own.
class prefetcher {
public:
  prefetcher(const samples &data, std::vector<uint32_t> order, int64_t batchSize)
      : data(data), order(std::move(order)), size(static_cast<size_t>(batchSize)),
        thread([this] { gatherAll(); }) {}

  // An epoch that is left early does not leave the thread behind.
  ~prefetcher() {
    {
      std::lock_guard<std::mutex> guard(mutex);
      isStopping = true;
    }
    changed.notify_all();
    thread.join();
  }

  // The next batch; nullptr after the last.
  std::unique_ptr<batch> next() {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [this] { return ready != nullptr || isDone; });
    std::unique_ptr<batch> result = std::move(ready);
    lock.unlock();
    changed.notify_all();
    return result;
  }

private:
  const samples &data;
  const std::vector<uint32_t> order;
  const size_t size;
  std::mutex mutex;
  std::condition_variable changed;
  std::unique_ptr<batch> ready;
  bool isDone = false, isStopping = false;
  std::thread thread;

  void gatherAll() noexcept {
    for (size_t start = 0; start < order.size(); start += size) {
      std::unique_ptr<batch> made;
      try {
        made = gather(start, std::min(start + size, order.size()));
      } catch (...) {
        break;  // without memory the epoch ends early, and the trainer says so
      }
      std::unique_lock<std::mutex> lock(mutex);
      changed.wait(lock, [this] { return ready == nullptr || isStopping; });
      if (isStopping) return;
      ready = std::move(made);
      changed.notify_all();
    }
    std::lock_guard<std::mutex> guard(mutex);
    isDone = true;
    changed.notify_all();
  }

  std::unique_ptr<batch> gather(size_t start, size_t end) const {
    auto made = std::make_unique<batch>();
    const size_t width = static_cast<size_t>(data.width);
    for (size_t i = start; i < end; i++) {
      const float *row = data.features + order[i] * width;
      made->features.insert(made->features.end(), row, row + width);
      made->labels.push_back(data.labels[order[i]]);
    }
    return made;
  }
};

// ------------------------------------------------------------------------------------- trainer

struct trainer {
  msf_trainer table = {};
  configuration settings;
  samples data;
  network net;
  msf_session *session = nullptr;
  uint64_t seed, steps = 0;

  trainer(const msf_trainer_request *request, msf_error *error)
      : settings(string(request->configuration)), data(request->dataset),
        net(settings, data.width, error), seed(request->seed) {
    const msf_attribute rate = {text("learning_rate"), {}, settings["learning_rate"]};
    msf_session_request wanted = {};
    wanted.struct_size = sizeof wanted;
    wanted.loss = net.loss;
    wanted.optimizer = text("adam");
    wanted.optimizer_attributes = &rate;
    wanted.optimizer_attribute_count = 1;
    wanted.seed = seed;
    wanted.max_batch_size = settings.whole("batch_size");
    check(compute->session_create(compute, net.graph, &wanted, &session, error));
    const int64_t size = settings.whole("batch_size");
    table.struct_size = sizeof table;
    table.context = this;
    table.epoch_count = static_cast<uint32_t>(settings.whole("epochs"));
    table.sample_count = static_cast<uint64_t>(data.count);
    table.step_count = static_cast<uint64_t>((data.count + size - 1) / size);
    table.train_epoch = [](const msf_trainer *t, uint32_t epoch, const msf_progress *progress,
                           msf_error *error) noexcept {
      return guarded(error, [&] { of(t).train(epoch, progress, error); });
    };
    table.checkpoint = [](const msf_trainer *t, const msf_writer *writer,
                          msf_error *error) noexcept {
      return compute->session_save(compute, of(t).session, writer, text("session.safetensors"),
                                   error);
    };
    table.restore = [](const msf_trainer *t, const msf_artifact *artifacts, uint32_t count,
                       uint32_t *completed, msf_error *error) noexcept {
      return guarded(error, [&] { *completed = of(t).restore(artifacts, count, error); });
    };
    table.export_model = [](const msf_trainer *t, const msf_writer *writer,
                            msf_error *error) noexcept {
      return guarded(error, [&] {
        std::string width = std::to_string(of(t).data.width);
        check(writer->write(writer, text("width.txt"), width.data(), width.size()));
        check(compute->session_export(compute, of(t).session, writer, text("weights.safetensors"),
                                      error));
      });
    };
    table.destroy = [](const msf_trainer *t) noexcept { delete &of(t); };
  }
  ~trainer() { compute->session_destroy(compute, session); }

private:
  static trainer &of(const msf_trainer *table) { return *static_cast<trainer *>(table->context); }

  void train(uint32_t epoch, const msf_progress *progress, msf_error *error) {
    std::vector<uint32_t> order(static_cast<size_t>(data.count));
    compute->random_permutation(compute, seed, UINT64_MAX - epoch, order.data(),
                                static_cast<uint32_t>(order.size()));
    prefetcher batches(data, std::move(order), settings.whole("batch_size"));
    double sum = 0;
    uint64_t done = 0;
    msf_metric loss = {text("loss"), 0};
    while (auto batch = batches.next()) {
      msf_tensor inputs[2] = {};
      inputs[0].name = text("features");
      inputs[0].bytes = batch->features.data();
      inputs[0].byte_count = batch->features.size() * sizeof(float);
      inputs[1].name = text("labels");
      inputs[1].bytes = batch->labels.data();
      inputs[1].byte_count = batch->labels.size() * sizeof(int32_t);
      float value = 0;
      const size_t rows = batch->labels.size();
      check(compute->session_step(compute, session, inputs, 2, static_cast<int64_t>(rows), &value,
                                  error));
      done += rows;
      sum += static_cast<double>(value) * static_cast<double>(rows);
      loss.value = sum / static_cast<double>(done);
      if (!progress->report(progress, done, &loss, 1)) throw failure{MSF_CANCELLED, "", ""};
    }
    if (done != static_cast<uint64_t>(data.count))
      throw failure{MSF_RESOURCE_EXHAUSTED, "no memory for a batch", ""};
    progress->finish(progress, &loss, 1);
  }

  uint32_t restore(const msf_artifact *artifacts, uint32_t count, msf_error *error) {
    for (uint32_t i = 0; i < count; i++) {
      if (string(artifacts[i].name) != "session.safetensors") continue;
      check(compute->session_restore(compute, session, artifacts[i].bytes, artifacts[i].byte_count,
                                     &steps, error));
      return static_cast<uint32_t>(steps / table.step_count);
    }
    throw failure{MSF_INVALID_ARGUMENT, "expected the artifact session.safetensors", ""};
  }
};

// -------------------------------------------------------------------------------------- model

struct model {
  msf_model table = {};
  msf_tensor input = {}, output = {};
  int64_t width = 0, classes;
  msf_plan *plan = nullptr;

  model(const msf_model_request *request, msf_error *error) {
    const configuration settings(string(request->configuration));
    const msf_artifact *weights = nullptr;
    for (uint32_t i = 0; i < request->artifact_count; i++) {
      const msf_artifact &artifact = request->artifacts[i];
      if (string(artifact.name) == "weights.safetensors") weights = &artifact;
      if (string(artifact.name) == "width.txt")
        width = std::atoll(
            std::string(static_cast<const char *>(artifact.bytes), artifact.byte_count).c_str());
    }
    if (weights == nullptr || width < 1)
      throw failure{MSF_INVALID_ARGUMENT, "expected weights.safetensors and width.txt", ""};
    classes = settings.whole("classes");
    const network net(settings, width, error);
    check(compute->plan_create(compute, net.graph, &net.probabilities, 1, 64, weights->bytes,
                               weights->byte_count, &plan, error));
    input.name = text("features");
    output.name = text("probabilities");
    input.data_type = output.data_type = MSF_FP32;
    input.rank = output.rank = 1;
    input.shape = &width;
    output.shape = &classes;
    table.struct_size = sizeof table;
    table.context = this;
    table.inputs = &input;
    table.outputs = &output;
    table.input_count = table.output_count = 1;
    table.max_batch_size = 64;
    table.memory_byte_count = compute->plan_byte_count(compute, plan);
    table.execute = [](const msf_model *t, msf_execution *execution) noexcept {
      return compute->plan_execute(compute, static_cast<model *>(t->context)->plan, execution);
    };
    table.destroy = [](const msf_model *t) noexcept { delete static_cast<model *>(t->context); };
  }
  ~model() { compute->plan_destroy(compute, plan); }
};

const char schema[] = R"({"type":"object","additionalProperties":false,"properties":{
 "classes":{"type":"integer","minimum":2,"maximum":4096,"default":2},
 "hidden":{"type":"integer","minimum":1,"maximum":4096,"default":16},
 "epochs":{"type":"integer","minimum":1,"maximum":4096,"default":10},
 "batch_size":{"type":"integer","minimum":1,"maximum":4096,"default":32},
 "learning_rate":{"type":"number","minimum":1e-6,"maximum":1,"default":0.01}}})";

}  // namespace

MSF_EXPORT const msf_plugin *massif_plugin_entry(const msf_host *lent) {
  static msf_plugin plugin = {};
  host = lent;
  compute = static_cast<const msf_compute *>(host->extension(host, MSF_COMPUTE));
  if (compute == nullptr) {
    host->log(host, MSF_LOG_ERROR, text("this host does not lend " MSF_COMPUTE));
    return nullptr;
  }
  plugin.struct_size = sizeof plugin;
  plugin.abi_major = MSF_ABI_MAJOR;
  plugin.abi_minor = MSF_ABI_MINOR;
  plugin.name = text("classifier-cpp");
  plugin.version = text("1.0.0");
  plugin.capabilities = MSF_INFERENCE | MSF_TRAINING;
  plugin.configuration_schema = text(schema);
  plugin.validate = [](const msf_plugin *, msf_string json, const msf_dataset *dataset,
                       msf_error *error) noexcept {
    return guarded(error, [&] {
      configuration settings(string(json));
      if (dataset != nullptr) samples data(dataset);
    });
  };
  plugin.create_model = [](const msf_plugin *, const msf_model_request *request,
                           const msf_model **out, msf_error *error) noexcept {
    return guarded(error, [&] { *out = &(new model(request, error))->table; });
  };
  plugin.create_trainer = [](const msf_plugin *, const msf_trainer_request *request,
                             const msf_trainer **out, msf_error *error) noexcept {
    return guarded(error, [&] { *out = &(new trainer(request, error))->table; });
  };
  return &plugin;
}
