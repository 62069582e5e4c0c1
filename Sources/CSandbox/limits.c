// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "CSandbox.h"

cs_outcome cs_end_with_parent(void) {
  return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 ? cs_applied : cs_failed;
}

cs_outcome cs_close_from(unsigned first) {
  if (syscall(SYS_close_range, first, ~0u, 0) == 0) return cs_applied;
  // Linux before 5.9.
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return cs_failed;
  for (rlim_t descriptor = first; descriptor < limit.rlim_cur && descriptor < 65536; descriptor++)
    close((int)descriptor);
  return cs_applied;
}

static bool limit(int resource, uint64_t most) {
  struct rlimit wanted = {.rlim_cur = most, .rlim_max = most}, present;
  if (getrlimit((__rlimit_resource_t)resource, &present) != 0) return false;
  // A limit that is there already is not raised.
  if (present.rlim_max < wanted.rlim_max) wanted.rlim_cur = wanted.rlim_max = present.rlim_max;
  return setrlimit((__rlimit_resource_t)resource, &wanted) == 0;
}

cs_outcome cs_limit_resources(const cs_limits *limits) {
  // DATA counts what a plugin can make its own: private writable mappings, the heap. AS would count
  // reservations too, of which allocators and thread stacks make gigabytes. getrlimit(2).
  bool done = limits->memory_byte_count == 0 || limit(RLIMIT_DATA, limits->memory_byte_count);
  done = limit(RLIMIT_NOFILE, limits->open_files) && done;
  done = limit(RLIMIT_NPROC, limits->processes) && done;
  done = limit(RLIMIT_CORE, 0) && done;
  done = limit(RLIMIT_MEMLOCK, 0) && done;
  done = limit(RLIMIT_MSGQUEUE, 0) && done;
  return done ? cs_applied : cs_failed;
}

cs_outcome cs_limit_files(uint64_t byte_count) {
  return limit(RLIMIT_FSIZE, byte_count) ? cs_applied : cs_failed;
}

cs_outcome cs_drop_privileges(void) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return cs_failed;
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  // Fails for whoever is not root, and has nothing to lose then.
  for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
    prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
  return syscall(SYS_capset, &header, none) == 0 ? cs_applied : cs_failed;
}
