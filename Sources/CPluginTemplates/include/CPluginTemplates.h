// SPDX-License-Identifier: Apache-2.0
// The files that `massif plugins new` writes, as they are in this checkout: the header of the plugin
// ABI, PluginKit, and what stands in templates/.
#pragma once
#include <stddef.h>

typedef struct cpt_file {
  const char *path;      // in the new plugin's directory; @NAME@ stands for its name
  const char *contents;  // not ended by a NUL; @NAME@ and @MODULE@ (a Swift identifier) likewise
  size_t size;
} cpt_file;

extern const cpt_file *const cpt_c_files;
extern const size_t cpt_c_file_count;
extern const cpt_file *const cpt_swift_files;
extern const size_t cpt_swift_file_count;
