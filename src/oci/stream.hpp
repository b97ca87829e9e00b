// SPDX-License-Identifier: Apache-2.0
// Bytes in motion: what readers of archives pull from and writers push to.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

namespace bottle::oci {

// Fills as much of the span as there is; fewer bytes than asked for only at the end. Throws when it cannot
// read.
using Source = std::function<std::size_t(std::span<std::byte>)>;
using Sink = std::function<void(std::span<const std::byte>)>;

// Reads an open file from its position on; the caller keeps it open. `name` is for messages.
Source file_source(int descriptor, std::string name);
// Reads `data`, which the caller keeps alive.
Source memory_source(std::span<const std::byte> data);

}  // namespace bottle::oci
