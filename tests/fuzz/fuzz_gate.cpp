// SPDX-License-Identifier: Apache-2.0
// gate.json, and the known_hosts that it gives: one line a key.
#include "gate/description.hpp"
#include "gate/render.hpp"
#include "input.hpp"

using namespace bottle;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  fuzz::may_refuse([&] {
    const gate::Description description = gate::parse_description(text, "fuzz");
    const std::string lines = gate::known_hosts_of(description);
    fuzz::check(lines.empty() || lines.ends_with('\n'));
    fuzz::check(lines.find('\r') == std::string::npos && lines.find('\0') == std::string::npos);
  });
  return 0;
}
