// SPDX-License-Identifier: Apache-2.0
// SwiftPM compiles a C target of at least one file: here the header's layout assertions are checked.
#include "massif_plugin.h"
