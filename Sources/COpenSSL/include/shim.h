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
static inline int co_ctx_set_groups(SSL_CTX *context, const char *names) {
  return (int)SSL_CTX_set1_groups_list(context, names);
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

// Adds the revocation lists of a PEM file and has the certificates of peers looked up in them.
// Returns how many lists there are; 0 on failure.
static inline int co_load_revocation_lists(SSL_CTX *context, const char *path) {
  X509_STORE *store = SSL_CTX_get_cert_store(context);
  X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
  if (lookup == NULL) return 0;
  int count = X509_load_crl_file(lookup, path, X509_FILETYPE_PEM);
  if (count > 0) X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
  return count;
}

// Verifies the certificate that a client has proved, with the roots and lists of `context`. Returns
// X509_V_OK or why it is not accepted. A resumed session knows no intermediates.
static inline int co_verify_peer(SSL_CTX *context, const SSL *ssl) {
  X509 *certificate = SSL_get0_peer_certificate(ssl);
  X509_STORE_CTX *verification = X509_STORE_CTX_new();
  int result = X509_V_ERR_UNSPECIFIED;
  if (certificate != NULL && verification != NULL &&
      X509_STORE_CTX_init(verification, SSL_CTX_get_cert_store(context), certificate,
                          SSL_get_peer_cert_chain(ssl)) &&
      X509_STORE_CTX_set_default(verification, "ssl_client")) {
    result = X509_verify_cert(verification) == 1 ? X509_V_OK
                                                 : X509_STORE_CTX_get_error(verification);
  }
  X509_STORE_CTX_free(verification);
  ERR_clear_error();
  return result;
}
