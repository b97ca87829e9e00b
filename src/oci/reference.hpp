// SPDX-License-Identifier: Apache-2.0
// References of images and other artifacts in registries, with Docker's familiar short names.
// Source: distribution/reference, the grammar in its documentation; OCI distribution-spec 1.1 "Pulling
// manifests" (names and tags).
//
//   reference  = [registry "/"] repository [":" tag] ["@" digest]
//   registry   = host [":" port], host = a DNS name, an IPv4 address or an IPv6 address in brackets. The
//                first component is a registry if it has a '.', a ':' or an upper-case letter, or is
//                "localhost"
//   repository = component *("/" component), at most 255 bytes
//   component  = runs of [a-z0-9] separated by ".", "_", "__" or any number of "-"
//   tag        = [A-Za-z0-9_][A-Za-z0-9_.-]{0,127}
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "oci/content_digest.hpp"
#include "util/digest.hpp"

namespace bottle::oci {

struct Reference {
  std::string registry;    // "docker.io", "localhost:5000", "[::1]:5000"
  std::string repository;  // "library/debian"
  std::string tag;         // "latest" if there was neither tag nor digest; "" if there was a digest only
  std::optional<Digest> digest;
  // A digest of another algorithm, "sha512:...", in place of `digest`. What it names is verified with it, and
  // has a SHA-256 digest for everything after that.
  std::optional<ContentDigest> other_digest = std::nullopt;

  // Canonical and in full: "docker.io/library/debian:12".
  std::string string() const;
  // As people write it: "debian:12"; without the tag "latest".
  std::string familiar() const;
  // Registry and repository without tag and digest.
  std::string name() const { return registry + "/" + repository; }
  Reference with_tag(std::string new_tag) const;
  Reference with_digest(const Digest& new_digest) const;  // and without a tag
  // What manifests are addressed by: the digest if there is one, else the tag.
  std::string target() const {
    return digest ? digest->string() : other_digest ? other_digest->string() : tag;
  }
  bool has_digest() const { return digest || other_digest; }

  bool operator==(const Reference&) const = default;

  // Throws an Error that says what was expected and found. "debian" is docker.io/library/debian:latest,
  // index.docker.io is docker.io. Digests other than SHA-256 and SHA-512 are refused as unsupported.
  static Reference parse(std::string_view text);
  static std::optional<Reference> parse_if_valid(std::string_view text);
};

bool is_repository(std::string_view text);
bool is_tag(std::string_view text);
// A host with an optional port.
bool is_registry(std::string_view text);

}  // namespace bottle::oci
