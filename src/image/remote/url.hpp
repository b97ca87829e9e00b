// SPDX-License-Identifier: Apache-2.0
// Files that ADD downloads, kept in the store by their content.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "image/model/lock.hpp"
#include "image/remote/access.hpp"
#include "store/store.hpp"
#include "util/digest.hpp"

namespace bottle::image::remote {

// The URL of a file or repository without user and password: its name in locks, keys and histories. The user
// of ssh stays: it is not a secret. Bytes that are not printable ASCII are percent-encoded.
std::string without_credentials(const std::string& url);

// What a URL must give; nothing of it when it is looked at for the first time.
struct UrlExpectation {
  std::optional<Digest> digest;
  std::optional<std::uint64_t> size;
  std::string hint;  // what to do when it gives something else
};

// The key by which the store keeps a file.
Digest url_action(const Digest& digest);

// Downloads it into the store, or finds it there by the digest. At most 64 GiB. Throws naming the URL.
store::Output fetch_url(const std::string& url, const UrlExpectation& expected, const store::Store& store,
                        const RemoteAccess& access);

// The lock entry of a URL: downloads the file into the store. Throws naming the URL.
LockedUrl resolve_url(const std::string& url, const store::Store& store, const RemoteAccess& access);

}  // namespace bottle::image::remote
