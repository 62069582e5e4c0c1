// SPDX-License-Identifier: Apache-2.0
// OpenSSL frees its tables in an exit handler by default. A process of ours ends (a command's main
// returns, a test run is over) while event loops still hold sessions, and a loop that then touches a
// freed table ends in SIGSEGV or SIGABRT. The kernel takes the memory back in any case, so no handler
// is wanted; the option counts only before the first other call of the library, hence a constructor.
#include <openssl/crypto.h>

__attribute__((constructor)) static void co_keep_tables_until_the_end(void) {
  OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}
