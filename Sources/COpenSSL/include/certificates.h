// SPDX-License-Identifier: Apache-2.0
// What issuing certificates needs of OpenSSL's X.509 API and Swift cannot import: macros, variadic
// functions and type-safe stacks.
#pragma once
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// A new key on the curve P-256, or NULL. EVP_EC_gen is a macro over a variadic function.
static inline EVP_PKEY *co_generate_p256_key(void) { return EVP_EC_gen("P-256"); }

// Adds the extension `nid` in the notation of x509v3_config(5); `value` is a constant of ours, never
// a name from outside, because that notation has a syntax of its own. Returns 1, or 0 on failure.
static inline int co_add_extension(X509 *certificate, X509 *issuer, int nid, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &context, nid, value);
  if (extension == NULL) return 0;
  int added = X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return added;
}

// sk_GENERAL_NAME_* are inline functions made by macros.
static inline GENERAL_NAMES *co_general_names_new(void) { return sk_GENERAL_NAME_new_null(); }

// Adds a name of `kind` (GEN_DNS, GEN_URI: characters; GEN_IPADD: 4 or 16 bytes). Returns 1, or 0
// on failure.
static inline int co_general_names_add(GENERAL_NAMES *names, int kind, const void *bytes,
                                       int count) {
  GENERAL_NAME *name = GENERAL_NAME_new();
  ASN1_STRING *value =
      ASN1_STRING_type_new(kind == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
  if (name == NULL || value == NULL || !ASN1_STRING_set(value, bytes, count)) {
    GENERAL_NAME_free(name);
    ASN1_STRING_free(value);
    return 0;
  }
  GENERAL_NAME_set0_value(name, kind, value);
  if (sk_GENERAL_NAME_push(names, name) > 0) return 1;
  GENERAL_NAME_free(name);
  return 0;
}

// What the memory BIO holds; BIO_get_mem_data is a macro.
static inline long co_bio_contents(BIO *bio, char **contents) {
  return BIO_get_mem_data(bio, contents);
}
