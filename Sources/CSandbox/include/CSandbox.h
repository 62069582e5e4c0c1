// SPDX-License-Identifier: Apache-2.0
// What an isolated plugin's worker and its host need of Linux and what Swift cannot import: sealed
// shared memory, descriptors sent over a socket, a futex shared between processes, and the sandbox.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#pragma clang assume_nonnull begin

// ---------------------------------------------------------------------------------------- slots

// A slot is shared memory that carries one call at a time: this header, the inputs behind it, the
// outputs behind those. Either side may be the other's enemy: the host believes nothing that it
// reads here, and reads every word once.
enum {
  cs_max_tensor_count = 64,
  cs_max_rank = 8,
  cs_message_capacity = 2048,
  // A W3C traceparent has 55 bytes.
  cs_trace_capacity = 64,
  // Where the inputs begin.
  cs_header_byte_count = 16384,
};

// Values of cs_signal that are no number of a call.
static const uint32_t cs_stop = 0xFFFFFFFFu;
static const uint32_t cs_gone = 0xFFFFFFFEu;

// A word that one side sets and the other waits for, alone on its cache line.
typedef struct cs_signal {
  uint32_t value;
  uint32_t sleeping;  // how many
  uint32_t reserved[14];
} cs_signal;

typedef struct cs_tensor {
  int32_t data_type;
  uint32_t rank;
  int64_t extents[cs_max_rank];
  uint64_t offset;  // from the beginning of the slot
  uint64_t byte_count;
  int32_t alias;  // of an output: the input whose bytes it is, or -1
  uint32_t is_set;
} cs_tensor;

typedef struct cs_slot {
  cs_signal request;   // the host counts it up
  cs_signal response;  // the worker sets it to the number of the request that it has answered
  uint32_t cancelled;
  uint32_t model;
  int64_t batch_size;
  int32_t status;
  uint32_t message_size;
  uint32_t trace_size;  // of the request's traceparent; 0: none
  uint32_t reserved;
  cs_tensor inputs[cs_max_tensor_count];
  cs_tensor outputs[cs_max_tensor_count];
  char message[cs_message_capacity];
  char trace[cs_trace_capacity];
} cs_slot;

cs_signal *cs_slot_request(cs_slot *slot);
cs_signal *cs_slot_response(cs_slot *slot);
uint32_t *cs_slot_cancelled(cs_slot *slot);
cs_tensor *cs_slot_input(cs_slot *slot, uint32_t index);
cs_tensor *cs_slot_output(cs_slot *slot, uint32_t index);
char *cs_slot_message(cs_slot *slot);
char *cs_slot_trace(cs_slot *slot);
int64_t *cs_tensor_extents(cs_tensor *tensor);
// Reads from memory that another process may be writing: exactly once, whatever the compiler sees.
cs_tensor cs_tensor_copy(const cs_tensor *shared);
uint32_t cs_load(const uint32_t *shared);
void cs_store(uint32_t *shared, uint32_t value);

uint32_t cs_signal_value(const cs_signal *signal);
// Copies into memory that another core has read: a store to a line in another core's cache takes ten
// times as long as one past the caches.
void cs_copy_across(void *to, const void *from, size_t byte_count);

// Sets the value and wakes all who sleep.
void cs_post(cs_signal *signal, uint32_t value);
// Waits while the value is `old`: spins for `spin_nanoseconds`, then sleeps, for `timeout` in all
// (negative: without end). Returns the value, `old` when the time is up.
uint32_t cs_await(cs_signal *signal, uint32_t old, int64_t spin_nanoseconds,
                  int64_t timeout_nanoseconds);
int64_t cs_now_nanoseconds(void);

// --------------------------------------------------------------------------------------- memory

// A file in memory of this size that can be neither cut short nor made longer; or -1 and errno.
int cs_memory_create(const char *name, size_t byte_count);
// The bytes of the file that have memory behind them, or -1.
int64_t cs_memory_resident(int descriptor);
// Gives back the memory behind a range.
int cs_memory_discard(int descriptor, int64_t offset, int64_t byte_count);

// -------------------------------------------------------------------------------------- channel

enum { cs_max_descriptors = 4 };

// A pair of connected stream sockets that no other program inherits. 0, or -1 and errno.
int cs_socket_pair(int *pair);
// Sends all bytes, the descriptors with the first of them. 0, or -1 and errno.
int cs_send(int socket, const void *bytes, size_t count, const int *_Nullable descriptors,
            int descriptor_count);
// Receives up to `count` bytes, and descriptors that came with them (close-on-exec), which the
// caller owns. The number of bytes, 0 at the end, or -1 and errno.
ssize_t cs_receive(int socket, void *bytes, size_t count, int *descriptors,
                   int *descriptor_count);

// -------------------------------------------------------------------------------------- sandbox

typedef struct cs_limits {
  uint64_t memory_byte_count;  // private writable memory; 0: no limit
  uint64_t open_files;
  uint64_t processes;  // threads of the user; has no effect on root
} cs_limits;

// What a step of the sandbox came to.
typedef int32_t cs_outcome;
enum { cs_applied = 0, cs_not_supported = 1, cs_failed = 2 };

// This process ends when the thread that started it does.
cs_outcome cs_end_with_parent(void);
// Closes every descriptor from `first` on.
cs_outcome cs_close_from(unsigned first);
cs_outcome cs_limit_resources(const cs_limits *limits);
// No file of the process grows beyond this size.
cs_outcome cs_limit_files(uint64_t byte_count);
// No new privileges, no capabilities.
cs_outcome cs_drop_privileges(void);
// Landlock: of the file system only `readable` and `writable` directories and files (each list with
// NULL at its end), of the network nothing, no signal to another process. For the calling thread and
// those that it starts. *abi is the kernel's version, 0 without.
cs_outcome cs_restrict_files(const char *_Nullable const *_Nonnull readable,
                             const char *_Nullable const *_Nonnull writable, int *abi);
// The same, with the folders of shared libraries to be read as well.
cs_outcome cs_restrict_files_to_libraries(const char *_Nullable const *_Nonnull readable,
                                          const char *_Nullable const *_Nonnull writable,
                                          int *abi);
// The stages of the system call filter.
typedef int32_t cs_stage;
enum {
  cs_stage_loading = 0,  // what a library needs to be loaded: files may be opened to be read
  cs_stage_running = 1,  // no path is opened, looked at or changed
  cs_stage_training = 2,  // files may be made and changed, where Landlock lets them
};
// seccomp: a list of what is allowed; everything else fails with EPERM. On every thread.
// `channel` is the one descriptor that may be talked on.
cs_outcome cs_filter_system_calls(cs_stage stage, int channel);

#pragma clang assume_nonnull end
