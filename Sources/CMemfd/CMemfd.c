// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CMemfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#ifndef MFD_EXEC  // Linux 6.3; without it the kernel assumes it, with a line in its log
#define MFD_EXEC 0x0010U
#endif

static const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

int cm_create(const char *name) {
  int descriptor = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  if (descriptor < 0 && errno == EINVAL)  // an older kernel does not know the flag
    descriptor = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  return descriptor;
}

int cm_seal(int descriptor) { return fcntl(descriptor, F_ADD_SEALS, seals); }

bool cm_is_sealed(int descriptor) {
  int present = fcntl(descriptor, F_GET_SEALS);
  return present >= 0 && (present & seals) == seals;
}
