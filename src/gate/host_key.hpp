// SPDX-License-Identifier: Apache-2.0
// SSH public keys and lines of known_hosts (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"; RFC 4253 section 6.6, RFC
// 5656 section 3.1, RFC 8709 section 4, OpenSSH's PROTOCOL.u2f).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bottle::gate {

struct PublicKey {
  std::string type;    // "ssh-ed25519"
  std::string base64;  // the key's blob, canonical base64

  std::string line() const { return type + " " + base64; }
  bool operator==(const PublicKey&) const = default;
};

// "<type> <base64> [<comment>]", as in a .pub file or after the host name of ssh-keyscan's output. Checked to
// the last byte: the type, the blob's own idea of its type, and that it holds what that type has. Types:
// ssh-ed25519, ecdsa-sha2-nistp256, -384 and -521, ssh-rsa (1024 bits at least), ssh-dss, and the two of
// security keys (sk-...@openssh.com). Throws an Error with where = `place`.
PublicKey parse_public_key(std::string_view text, const std::string& place);

// The name under which ssh looks a host up: "host", or "[host]:port" where the port is not 22. In lower case.
std::string known_hosts_name(std::string_view host, std::uint16_t port);

// A line of known_hosts, without the newline. A hashed name ("|1|salt|hash", HMAC-SHA1) has a salt that is
// made from the name and the key, so that the same input gives the same file.
enum class Names { plain, hashed };
std::string known_hosts_line(std::string_view host, std::uint16_t port, const PublicKey& key, Names names);

}  // namespace bottle::gate
