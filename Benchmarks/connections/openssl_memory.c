// SPDX-License-Identifier: Apache-2.0
// Prints the resident memory, in bytes, that OpenSSL needs for one accepted TLS 1.3 session with a
// client certificate, with the options of TLSContext.swift: openssl_memory CERTIFICATES COUNT.
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static long resident(void) {
  long size = 0, pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%ld %ld", &size, &pages) != 2) exit(1);
  fclose(file);
  return pages * sysconf(_SC_PAGESIZE);
}

static SSL_CTX *context(const SSL_METHOD *method, const char *directory, const char *name) {
  char certificate[4096], key[4096], authority[4096];
  snprintf(certificate, sizeof certificate, "%s/%s.pem", directory, name);
  snprintf(key, sizeof key, "%s/%s.key", directory, name);
  snprintf(authority, sizeof authority, "%s/ca.pem", directory);
  SSL_CTX *made = SSL_CTX_new(method);
  SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(made, 1);
  SSL_CTX_set_default_read_buffer_len(made, 64 << 10);
  SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_session_id_context(made, (const unsigned char *)"massif", 6);
  if (SSL_CTX_use_certificate_chain_file(made, certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(made, key, SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_load_verify_locations(made, authority, NULL) != 1) {
    ERR_print_errors_fp(stderr);
    exit(1);
  }
  SSL_CTX_set_verify(made, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  return made;
}

// A handshake in memory; the client is freed and the server kept.
static void connect_one(SSL_CTX *server_context, SSL_CTX *client_context) {
  SSL *server = SSL_new(server_context), *client = SSL_new(client_context);
  BIO *there = NULL, *back = NULL;
  BIO_new_bio_pair(&there, 64 << 10, &back, 64 << 10);
  SSL_set_bio(server, there, there);
  SSL_set_bio(client, back, back);
  SSL_set_accept_state(server);
  SSL_set_connect_state(client);
  for (int i = 0; i < 10 && !(SSL_is_init_finished(server) && SSL_is_init_finished(client)); i++) {
    SSL_do_handshake(client);
    SSL_do_handshake(server);
  }
  if (!SSL_is_init_finished(server)) exit(1);
  char byte;
  SSL_read(client, &byte, 1);
  SSL_read(server, &byte, 1);
  SSL_free(client);
  // The pipes of this program are not OpenSSL's cost of a connection.
  SSL_set_bio(server, BIO_new(BIO_s_null()), BIO_new(BIO_s_null()));
}

int main(int count_of_arguments, char **arguments) {
  if (count_of_arguments != 3) return 2;
  SSL_CTX *server = context(TLS_server_method(), arguments[1], "server");
  SSL_CTX *client = context(TLS_client_method(), arguments[1], "alice");
  int count = atoi(arguments[2]);
  for (int i = 0; i < 20; i++) connect_one(server, client);
  long before = resident();
  for (int i = 0; i < count; i++) connect_one(server, client);
  printf("%.0f\n", (double)(resident() - before) / count);
  return 0;
}
