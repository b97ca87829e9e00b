// SPDX-License-Identifier: Apache-2.0
// Credentials as people have them: Docker's configuration file and its credential helpers.
// Source: Docker CLI reference, "Configuration files" and "docker login"; the protocol of
// docker-credential-helpers; containers-auth.json(5) for keys with a path.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "util/file.hpp"

namespace bottle::registry {

struct Credential {
  std::string user;
  std::string secret;
  std::string identity_token;  // to be exchanged at the token service, instead of user and secret
  std::string registry_token;  // a bearer token itself
  std::string source;          // the file, or "docker-credential-x": for messages
};

// Whether credentials are below "auths" (config.json, auth.json) or the document itself (~/.dockercfg).
enum class AuthFormat { current, legacy };

// What the file's text has for a repository of a registry: the name of a helper to ask, or a credential.
// `source` is the file's name. Errors never show any part of the text.
struct ConfiguredCredential {
  std::string helper;                    // "osxkeychain"; asked first
  std::optional<Credential> credential;  // if there is no helper or it knows none
};
ConfiguredCredential find_in_auth_file(std::string_view text, const std::string& registry,
                                       const std::string& repository, const std::string& source,
                                       AuthFormat format = AuthFormat::current);

// What a helper printed for `get`. nullopt: it knows none.
std::optional<Credential> parse_helper_answer(std::string_view text, const std::string& source);

// Looks in the sources of registry/auth_files.hpp, once for each repository, when asked. May be used by
// several threads at once.
class Credentials {
 public:
  explicit Credentials(fs::path auth_file) : auth_file_(std::move(auth_file)) {}
  // nullopt: anonymous. Throws for a file or helper that does not work, naming it.
  std::optional<Credential> find(const std::string& registry, const std::string& repository);

 private:
  fs::path auth_file_;
  std::mutex mutex_;
  std::map<std::string, std::optional<Credential>> known_;
  std::map<std::string, std::optional<Credential>> answers_;  // of "<helper> <registry>"
};

}  // namespace bottle::registry
