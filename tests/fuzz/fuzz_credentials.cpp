// SPDX-License-Identifier: Apache-2.0
// What credential helpers print, files of credentials, and base64. The first byte chooses which. No error
// shows the text.
#include "input.hpp"
#include "registry/credentials.hpp"
#include "util/base64.hpp"

using namespace bottle;

namespace {

constexpr std::string_view kSecret = "hunter2";

// As fuzz::may_refuse(), for texts that hold a secret.
template <typename Function>
void may_refuse_silently(Function&& function) {
  try {
    function();
  } catch (const Error& error) {
    fuzz::check(!error.message().empty());
    // The program of a helper is named in errors, and a file may call it as it likes.
    const std::string_view text = error.what();
    fuzz::check(text.find(kSecret) == std::string_view::npos ||
                text.find("docker-credential-") != std::string_view::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Choice choice(fuzz::text_of(data, size), 3);
  may_refuse_silently([&] {
    switch (choice.way) {
      case 0:
        registry::parse_helper_answer(choice.rest, "docker-credential-fuzz");
        break;
      case 1:
        registry::find_in_auth_file(choice.rest, "r.example:5000", "a/b", "fuzz");
        break;
      default:
        if (const auto bytes = decode_base64(choice.rest, Base64::loose))
          fuzz::check(decode_base64(encode_base64(*bytes), Base64::loose) == bytes);
    }
  });
  return 0;
}
