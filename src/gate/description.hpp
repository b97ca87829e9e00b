// SPDX-License-Identifier: Apache-2.0
// A gate's description: a JSON file that says what the gate lets through. Format: docs/gates.md, and
// schema/gate.schema.json, which this room checks with before it looks at what a schema cannot say.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gate/host_key.hpp"
#include "util/file.hpp"

namespace bottle::gate {

enum class Kind { git, ssh };
const char* kind_name(Kind kind);  // "git-gate", "ssh-gate"

// Where a private key comes from when the gate is launched. Nothing here is ever opened by a build.
struct UpstreamIdentity {
  enum class Source { file, secret, agent } source = Source::file;
  std::string value;  // a path on the host that launches, or a secret's name; empty for the agent
};

struct Upstream {
  std::string name;
  std::string host;
  std::uint16_t port = 22;
  std::string user;
  std::string repository;  // as the upstream's shell gets it: "/srv/x.git", "team/x.git"
  UpstreamIdentity identity;
  std::vector<PublicKey> host_keys;
  std::vector<std::string> refs;
  bool allow_force = false;
  bool allow_delete = false;
  std::uint64_t max_blob_bytes = 0;
  std::uint64_t max_push_bytes = 0;
  std::uint64_t max_refs = 0;

  std::string url() const;  // ssh://user@host:port/repository, without anything secret
};

struct Host {
  std::string name;
  std::string host;
  std::uint16_t port = 0;
  std::vector<PublicKey> host_keys;
};

struct ScannerRule {
  std::string id;
  std::string description;
  std::string regex;
  std::optional<std::uint64_t> secret_group;
  std::optional<double> entropy;
  std::vector<std::string> keywords;
};

struct Scanner {
  bool use_default = true;
  std::uint64_t timeout_seconds = 0;
  std::vector<ScannerRule> rules;
  std::vector<std::string> allow;
};

struct Description {
  Kind kind = Kind::git;
  std::string listen_address;  // empty: all addresses
  std::uint16_t listen_port = 0;
  std::vector<Upstream> upstreams;  // of a git-gate
  std::vector<Host> hosts;          // of an ssh-gate
  std::vector<PublicKey> clients;   // of an ssh-gate
  bool hash_known_hosts = false;
  Scanner scanner;
  std::map<std::string, std::string> environment;
  std::map<std::string, std::string> variables;
  // What the file itself says, as names that templates use ("max_blob_bytes"): a template that does not use
  // one of these would drop it silently.
  std::vector<std::string> given;
};

// Throws an Error whose place is `name` + '#' + the JSON pointer.
Description parse_description(std::string_view text, const std::string& name);
Description load_description(const fs::path& file);

}  // namespace bottle::gate
