// SPDX-License-Identifier: Apache-2.0
// h2load has no option for a client certificate, and Massif talks to nobody without one. This library, loaded with
// LD_PRELOAD, gives every SSL_CTX that h2load makes the certificate and key named by two environment variables;
// h2load itself stays as Debian ships it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

SSL_CTX *SSL_CTX_new(const SSL_METHOD *method) {
  SSL_CTX *(*next)(const SSL_METHOD *) = (SSL_CTX * (*)(const SSL_METHOD *)) dlsym(RTLD_NEXT, "SSL_CTX_new");
  SSL_CTX *context = next ? next(method) : NULL;
  const char *certificate = getenv("BENCH_CERTIFICATE"), *key = getenv("BENCH_KEY");
  if (context && certificate && key &&
      (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
       SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)) {
    fprintf(stderr, "client_certificate: cannot use %s and %s\n", certificate, key);
    exit(1);
  }
  return context;
}
