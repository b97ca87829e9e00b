// SPDX-License-Identifier: Apache-2.0
// bottle.lock: a lock that is read is written the same.
#include "image/model/lock.hpp"
#include "input.hpp"

using namespace bottle;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  fuzz::may_refuse([&] {
    const image::Lock lock = image::Lock::parse(text, "fuzz");
    fuzz::check(image::Lock::parse(lock.serialize(), "fuzz") == lock);
  });
  return 0;
}
