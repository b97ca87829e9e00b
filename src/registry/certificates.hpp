// SPDX-License-Identifier: Apache-2.0
// Which authorities a TLS connection trusts, and which certificate it shows. For the files of this room only.
// Source: Docker, "Verify repository client with certificates" (certs.d); OpenSSL and Go's crypto/x509 for
// SSL_CERT_FILE and SSL_CERT_DIR.
#pragma once

#include <string>
#include <vector>

#include "registry/http_types.hpp"

namespace bottle::registry {

// The authorities of the environment: $SSL_CERT_FILE in place of the system's bundle, $SSL_CERT_DIR
// (directories with ':' between) in place of the system's directory. Read once.
struct SystemAuthorities {
  std::string certificates;   // PEM; empty: what libcurl was built with
  bool has_directory = true;  // beside them the directory that libcurl was built with
};
// Throws if $SSL_CERT_FILE cannot be read. Directories that do not exist have nothing in them.
SystemAuthorities system_authorities();

struct Certificates {
  std::string authorities;  // PEM; empty: what libcurl was built with
  bool has_directory = true;
  fs::path certificate;  // of the client; empty: none
  fs::path key;
};

// For the URL's host: what `settings` (may be nullptr) says, and what the first of the directories has that
// has a folder for the host and port.
Certificates find_certificates(const std::vector<fs::path>& directories, const Url& url,
                               const HostSettings* settings, const SystemAuthorities& system);

}  // namespace bottle::registry
