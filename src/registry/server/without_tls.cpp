// Stands in for GnuTLS under a libmicrohttpd that is linked statically. Debian's speaks TLS too, with GnuTLS
// and its ten libraries, which take longer to load than the registry takes to answer; it calls them only for
// daemons with MHD_USE_TLS, which ours has not, but for the two functions that start and end the library.
//
// The list is what the library refers to; it is used only if with it the library can be linked
// (CMakeLists.txt).
#include <cstdio>
#include <cstdlib>

namespace {

[[noreturn]] void refuse(const char* function) {
  std::fprintf(stderr, "bottle: %s: this program has no TLS (a fault in bottle, please report it)\n",
               function);
  std::abort();
}

}  // namespace

// Hidden: libraries that are loaded later may use the real GnuTLS.
#pragma GCC visibility push(hidden)
extern "C" {

int gnutls_global_init() {
  return 0;
}
void gnutls_global_deinit() {}

// A variable that holds a function.
void* (*gnutls_malloc)(std::size_t) = [](std::size_t) -> void* { refuse("gnutls_malloc"); };

#define BOTTLE_REFUSED(function)          \
  [[noreturn]] void gnutls_##function() { \
    refuse("gnutls_" #function);          \
  }
BOTTLE_REFUSED(alpn_set_protocols)
BOTTLE_REFUSED(bye)
BOTTLE_REFUSED(certificate_allocate_credentials)
BOTTLE_REFUSED(certificate_free_credentials)
BOTTLE_REFUSED(certificate_server_set_request)
BOTTLE_REFUSED(certificate_set_dh_params)
BOTTLE_REFUSED(certificate_set_retrieve_function2)
BOTTLE_REFUSED(certificate_set_retrieve_function3)
BOTTLE_REFUSED(certificate_set_x509_key_mem)
BOTTLE_REFUSED(certificate_set_x509_key_mem2)
BOTTLE_REFUSED(certificate_set_x509_trust_mem)
BOTTLE_REFUSED(cipher_get)
BOTTLE_REFUSED(credentials_set)
BOTTLE_REFUSED(deinit)
BOTTLE_REFUSED(dh_params_deinit)
BOTTLE_REFUSED(dh_params_import_pkcs3)
BOTTLE_REFUSED(dh_params_init)
BOTTLE_REFUSED(handshake)
BOTTLE_REFUSED(init)
BOTTLE_REFUSED(priority_deinit)
BOTTLE_REFUSED(priority_init)
BOTTLE_REFUSED(priority_set)
BOTTLE_REFUSED(protocol_get_version)
BOTTLE_REFUSED(psk_allocate_server_credentials)
BOTTLE_REFUSED(psk_free_server_credentials)
BOTTLE_REFUSED(psk_set_server_credentials_function)
BOTTLE_REFUSED(record_check_pending)
BOTTLE_REFUSED(record_get_direction)
BOTTLE_REFUSED(record_recv)
BOTTLE_REFUSED(record_send)
BOTTLE_REFUSED(session_get_ptr)
BOTTLE_REFUSED(session_set_ptr)
BOTTLE_REFUSED(strerror)
BOTTLE_REFUSED(transport_set_int2)

}  // extern "C"
#pragma GCC visibility pop
