// SPDX-License-Identifier: Apache-2.0
// OpenSSL 3 for Swift: the headers, and inline wrappers for what Swift cannot import (macros).
#pragma once
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

// SSL_CTX_set_mode and friends are macros over SSL_CTX_ctrl.
static inline void co_ctx_set_min_version(SSL_CTX *context, int version) {
  SSL_CTX_set_min_proto_version(context, version);
}
static inline void co_ctx_set_mode(SSL_CTX *context, long mode) { SSL_CTX_set_mode(context, mode); }
static inline void co_ctx_set_read_ahead(SSL_CTX *context, size_t byte_count) {
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, byte_count);
}
static inline void co_ctx_disable_session_cache(SSL_CTX *context) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}
static inline void co_ctx_set_safe_options(SSL_CTX *context) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
}
// Server name indication, a macro over SSL_ctrl.
static inline long co_set_server_name(SSL *ssl, const char *name) {
  return SSL_set_tlsext_host_name(ssl, name);
}
static inline const char *co_cipher_name(const SSL *ssl) { return SSL_get_cipher_name(ssl); }
static inline int co_print_name(BIO *bio, const X509_NAME *name) {
  return X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
}
static inline void co_bio_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }

// The general names of a subjectAltName; sk_GENERAL_NAME_* are inline functions made by macros.
static inline int co_general_names_count(const GENERAL_NAMES *names) {
  return sk_GENERAL_NAME_num(names);
}
static inline const GENERAL_NAME *co_general_name_at(const GENERAL_NAMES *names, int index) {
  return sk_GENERAL_NAME_value(names, index);
}
// The URI of a general name and its length, or NULL where it is another kind of name.
static inline const unsigned char *co_general_name_uri(const GENERAL_NAME *name, int *length) {
  if (name->type != GEN_URI) return NULL;
  *length = ASN1_STRING_length(name->d.uniformResourceIdentifier);
  return ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
}
