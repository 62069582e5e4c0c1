// SPDX-License-Identifier: Apache-2.0
// OpenSSL 3 for Swift: the headers, and inline wrappers for what Swift cannot import (macros).
#pragma once
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
