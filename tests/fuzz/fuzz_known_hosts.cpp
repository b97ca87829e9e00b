// SPDX-License-Identifier: Apache-2.0
// A public key, as in a .pub file or a line of ssh-keyscan: what is read is one line that is read the same.
#include "gate/host_key.hpp"
#include "input.hpp"

using namespace bottle;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  fuzz::may_refuse([&] {
    const gate::PublicKey key = gate::parse_public_key(text, "fuzz");
    fuzz::check(gate::parse_public_key(key.line(), "fuzz") == key);
    for (const gate::Names names : {gate::Names::plain, gate::Names::hashed})
      fuzz::check(gate::known_hosts_line("h.example", 2222, key, names).find_first_of("\r\n") ==
                  std::string::npos);
  });
  return 0;
}
