// SPDX-License-Identifier: Apache-2.0
// What is a reference is the same reference in its full form.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "oci/reference.hpp"
#include "registry/loopback.hpp"
#include "util/error.hpp"

using namespace bottle;
using namespace bottle::oci;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const Reference reference = Reference::parse({reinterpret_cast<const char*>(data), size});
    if (!is_registry(reference.registry) || !is_repository(reference.repository)) __builtin_trap();
    if (!reference.tag.empty() && !is_tag(reference.tag)) __builtin_trap();
    if (reference.target().empty() || reference.target().find_first_of("/?#% ") != std::string::npos)
      __builtin_trap();
    // "library/" may make a path of 255 bytes too long to be written out.
    if (reference.string().size() <= 1024 && Reference::parse(reference.string()) != reference)
      __builtin_trap();
    registry::is_loopback(reference.registry);
  } catch (const Error& error) {
    if (error.message().find("expected") == std::string::npos) __builtin_trap();
  }
  return 0;
}
