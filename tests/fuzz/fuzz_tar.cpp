// SPDX-License-Identifier: Apache-2.0
// A tar as layers and ADD read it. What comes out must be where it says it is, below the root.
#include "input.hpp"
#include "oci/tar_reader.hpp"

using namespace bottle;

namespace {

void check_path(std::string_view path) {
  fuzz::check(path.find('\0') == std::string_view::npos);
  fuzz::check(!path.starts_with('/') && !path.starts_with("../") && path != ".." &&
              path.find("/../") == std::string_view::npos && !path.ends_with("/.."));
}

void read_all(std::string_view text, oci::Whiteouts whiteouts, bool hash) {
  oci::TarReader reader(oci::memory_source(std::as_bytes(std::span(text))), "fuzz", whiteouts);
  std::uint64_t last = 0;
  while (const auto member = reader.next()) {
    fuzz::check(member->header_offset >= last && member->data_offset > member->header_offset);
    last = member->data_offset;
    check_path(member->entry.path);
    if (member->entry.type == oci::EntryType::hardlink) check_path(member->entry.link.string());
    if (hash && member->entry.type == oci::EntryType::file && member->entry.size <= text.size())
      reader.hash_data();
  }
  reader.drain();
  fuzz::check(reader.offset() <= text.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  for (const oci::Whiteouts whiteouts : {oci::Whiteouts::interpret, oci::Whiteouts::literal})
    for (const bool hash : {false, true})
      fuzz::may_refuse([&] { read_all(text, whiteouts, hash); });
  return 0;
}
