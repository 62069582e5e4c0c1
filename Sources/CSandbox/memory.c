// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "CSandbox.h"

int cs_memory_create(const char *name, size_t byte_count) {
  int descriptor = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor < 0) return -1;
  // Nobody can cut the file short under a mapping of ours, which would be SIGBUS. memfd_create(2).
  if (ftruncate(descriptor, (off_t)byte_count) != 0 ||
      fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    int number = errno;
    close(descriptor);
    errno = number;
    return -1;
  }
  return descriptor;
}

int64_t cs_memory_resident(int descriptor) {
  struct stat status;
  // st_blocks counts 512 bytes, whatever the page. stat(2).
  return fstat(descriptor, &status) == 0 ? (int64_t)status.st_blocks * 512 : -1;
}

int cs_memory_discard(int descriptor, int64_t offset, int64_t byte_count) {
  return fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, byte_count);
}
