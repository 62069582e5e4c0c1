// SPDX-License-Identifier: Apache-2.0
// Landlock without the C library, which has no wrapper, and with the structs of a newer kernel than
// the headers may be of. Source: Documentation/userspace-api/landlock.rst.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "CSandbox.h"

typedef struct ruleset {
  uint64_t files;
  uint64_t network;  // from version 4
  uint64_t scoped;   // from version 6
} ruleset;

enum {
  all_files_1 = (1 << 13) - 1,
  refer_2 = 1 << 13,
  truncate_3 = 1 << 14,
  device_ioctl_5 = 1 << 15,
  bind_and_connect_4 = 3,
  abstract_sockets_and_signals_6 = 3,
};

// What of the rights may be had for something that is no directory.
static const uint64_t file_rights = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                    LANDLOCK_ACCESS_FS_READ_FILE | truncate_3;

static bool add(int rules, const char *path, uint64_t rights) {
  int descriptor = open(path, O_PATH | O_CLOEXEC);
  if (descriptor < 0) return true;  // what is not there needs no right
  struct stat status;
  struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = descriptor};
  if (fstat(descriptor, &status) == 0 && !S_ISDIR(status.st_mode))
    rule.allowed_access &= file_rights;
  bool added = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
  close(descriptor);
  return added;
}

cs_outcome cs_restrict_files(const char *_Nullable const *_Nonnull readable,
                             const char *_Nullable const *_Nonnull writable, int *abi) {
  long version =
      syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  *abi = version > 0 ? (int)version : 0;
  if (version < 1) return cs_not_supported;
  ruleset handled = {.files = all_files_1};
  size_t size = sizeof handled.files;
  if (version >= 2) handled.files |= refer_2;
  if (version >= 3) handled.files |= truncate_3;
  if (version >= 4) handled.network = bind_and_connect_4, size = offsetof(ruleset, scoped);
  if (version >= 5) handled.files |= device_ioctl_5;
  if (version >= 6) handled.scoped = abstract_sockets_and_signals_6, size = sizeof handled;
  int rules = (int)syscall(SYS_landlock_create_ruleset, &handled, size, 0);
  if (rules < 0) return cs_failed;
  bool done = true;
  const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
  const uint64_t writing =
      handled.files & ~(uint64_t)(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                  LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                                  LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM);
  for (; done && *readable != NULL; readable++) done = add(rules, *readable, reading);
  for (; done && *writable != NULL; writable++) done = add(rules, *writable, writing);
  done = done && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
  close(rules);
  return done ? cs_applied : cs_failed;
}

enum { most_folders = 32 };

typedef struct folders {
  char *paths[most_folders + 1];
  size_t count;
} folders;

// The folder of a library that is loaded, once.
static int add_folder(struct dl_phdr_info *object, size_t size, void *context) {
  (void)size;
  folders *list = context;
  const char *slash = strrchr(object->dlpi_name, '/');
  if (slash == NULL || slash == object->dlpi_name || list->count == most_folders) return 0;
  size_t length = (size_t)(slash - object->dlpi_name);
  for (size_t i = 0; i < list->count; i++)
    if (strlen(list->paths[i]) == length && memcmp(list->paths[i], object->dlpi_name, length) == 0)
      return 0;
  char *path = strndup(object->dlpi_name, length);
  if (path != NULL) list->paths[list->count++] = path;
  return 0;
}

cs_outcome cs_restrict_files_to_libraries(const char *_Nullable const *_Nonnull readable,
                                          const char *_Nullable const *_Nonnull writable,
                                          int *abi) {
  static const char *const usual[] = {"/lib",       "/lib64",         "/usr/lib",
                                      "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"};
  folders list = {.count = 0};
  for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
    char *path = strdup(usual[i]);
    if (path != NULL) list.paths[list.count++] = path;
  }
  for (; *readable != NULL && list.count < most_folders; readable++) {
    char *path = strdup(*readable);
    if (path != NULL) list.paths[list.count++] = path;
  }
  dl_iterate_phdr(add_folder, &list);
  cs_outcome outcome = cs_restrict_files((const char *const *)list.paths, writable, abi);
  for (size_t i = 0; i < list.count; i++) free(list.paths[i]);
  return outcome;
}
