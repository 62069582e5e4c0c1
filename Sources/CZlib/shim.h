// SPDX-License-Identifier: Apache-2.0
// zlib's gzip files, for importing compressed data sets.
#pragma once
#include <zlib.h>
