// SPDX-License-Identifier: Apache-2.0
#include "util/shared_text.hpp"

#include <cstring>
#include <limits>
#include <new>
#include <stdexcept>

namespace bottle {

SharedText::Bytes* SharedText::make(std::string_view text) {
  if (text.empty()) return nullptr;
  if (text.size() > std::numeric_limits<std::uint32_t>::max()) throw std::length_error("SharedText");
  void* memory = ::operator new(sizeof(Bytes) + text.size() + 1);
  auto* bytes = new (memory) Bytes{.owners = 1, .size = static_cast<std::uint32_t>(text.size())};
  char* begin = static_cast<char*>(memory) + sizeof(Bytes);
  std::memcpy(begin, text.data(), text.size());
  begin[text.size()] = '\0';
  return bytes;
}

void SharedText::destroy(Bytes* bytes) {
  bytes->~Bytes();
  ::operator delete(bytes);
}

}  // namespace bottle
