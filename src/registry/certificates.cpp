// SPDX-License-Identifier: Apache-2.0
#include "registry/certificates.hpp"

#include <algorithm>
#include <array>

#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

constexpr std::uint64_t kMaximumCertificate = 16u << 20;

// Where distributions have their bundle, as Go knows them.
constexpr std::array<const char*, 6> kBundles{"/etc/ssl/certs/ca-certificates.crt",
                                              "/etc/pki/tls/certs/ca-bundle.crt",
                                              "/etc/ssl/ca-bundle.pem",
                                              "/etc/pki/tls/cacert.pem",
                                              "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
                                              "/etc/ssl/cert.pem"};

std::vector<fs::path> sorted_files(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code error;  // a directory that is not there or cannot be searched has nothing in it
  for (fs::directory_iterator entry(directory, error); !error && entry != fs::directory_iterator();
       entry.increment(error))
    files.push_back(entry->path());
  std::sort(files.begin(), files.end());
  return files;
}

// The certificates of a text that may have anything else beside them.
void append_certificates(std::string& all, std::string_view text) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  for (std::size_t at = 0; (at = text.find(kBegin, at)) != std::string_view::npos;) {
    const std::size_t end = text.find(kEnd, at);
    if (end == std::string_view::npos) return;
    all += text.substr(at, end + kEnd.size() - at);
    all += '\n';
    at = end;
  }
}

void append_directory(std::string& all, const fs::path& directory) {
  for (const fs::path& file : sorted_files(directory)) {
    std::error_code error;
    // Names by hash are links to the files beside them.
    if (fs::is_symlink(file, error) && !fs::read_symlink(file, error).has_parent_path()) continue;
    if (!fs::is_regular_file(file, error)) continue;
    append_certificates(all, read_file(file, kMaximumCertificate));
  }
}

}  // namespace

SystemAuthorities system_authorities() {
  SystemAuthorities system;
  const std::string file = environment::value(environment::kSslCertFile);
  const std::string directories = environment::value(environment::kSslCertDir);
  // libcurl knows the bundle of the system that it was built for, which need not be this one
  // (packaging/archive).
  std::error_code ignored;
  if (file.empty() && directories.empty() && fs::exists(kBundles[0], ignored)) return system;
  if (!file.empty()) {
    try {
      append_certificates(system.certificates, read_file(file, kMaximumCertificate));
    } catch (const Error& error) {
      throw Error("SSL_CERT_FILE: " + error.message(),
                  {.where = file, .hint = "correct or unset SSL_CERT_FILE"});
    }
  } else {
    for (const char* bundle : kBundles)
      if (const auto text = read_file_if_exists(bundle, kMaximumCertificate)) {
        append_certificates(system.certificates, *text);
        break;
      }
  }
  if (!directories.empty()) {
    system.has_directory = false;
    for (const std::string_view directory : split(directories, ':'))
      if (!directory.empty()) append_directory(system.certificates, fs::path(directory));
  }
  if (system.certificates.empty() && !(file.empty() && directories.empty()))
    throw Error("SSL_CERT_FILE and SSL_CERT_DIR hold no certificate",
                {.where = file.empty() ? directories : file});
  return system;
}

Certificates find_certificates(const std::vector<fs::path>& directories, const Url& url,
                               const HostSettings* settings, const SystemAuthorities& system) {
  Certificates found{.authorities = system.certificates,
                     .has_directory = system.has_directory,
                     .certificate = {},
                     .key = {}};
  if (settings != nullptr) {
    for (const fs::path& file : settings->authorities)
      found.authorities += read_file(file, kMaximumCertificate) + "\n";
    found.certificate = settings->certificate;
    found.key = settings->key;
  }
  std::vector<std::string> names{url.host + ":" + std::to_string(url.port)};
  if (url.port == 443) names.push_back(url.host);
  for (const fs::path& directory : directories) {
    for (const std::string& name : names) {
      const std::vector<fs::path> files = sorted_files(directory / name);
      if (files.empty()) continue;
      for (const fs::path& file : files) {
        if (file.extension() == ".crt") {
          found.authorities += read_file(file, kMaximumCertificate) + "\n";
        } else if (file.extension() == ".cert" && found.certificate.empty()) {
          fs::path key = file;
          key.replace_extension(".key");
          if (!fs::exists(key))
            throw Error("the client certificate has no key",
                        {.where = file.native(), .hint = "store its key as " + key.native()});
          found.certificate = file;
          found.key = key;
        }
      }
      return found;
    }
  }
  return found;
}

}  // namespace bottle::registry
