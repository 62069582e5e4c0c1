// SPDX-License-Identifier: Apache-2.0
// Memory with a file descriptor, and seals on it, for Swift, whose Glibc module leaves both out
// (memfd_create(2), fcntl(2) "File Sealing").
#pragma once
#include <stdbool.h>

// A file in memory that closes on exec, may be executed from and takes seals, or -1 and errno.
int cm_create(const char *name);

// Forbids every change from now on: of bytes, of size and of the seals. 0, or -1 and errno: EBUSY
// while the file is mapped for writing.
int cm_seal(int descriptor);

// Whether cm_seal, or whoever else, has put all of these seals on.
bool cm_is_sealed(int descriptor);
