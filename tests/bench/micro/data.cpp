// SPDX-License-Identifier: Apache-2.0
#include "data.hpp"

#include <fmt/core.h>

#include <random>

#include "util/digest.hpp"

namespace bottle::bench {

std::string some_bytes(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::string> words;
  for (int i = 0; i < 512; ++i)
    words.push_back(fmt::format("{:016x}{:08x}\n", random(), random() >> 32));
  std::string text;
  while (text.size() < size / 2)
    text += words[random() % words.size()];
  text.resize(size / 2);
  while (text.size() < size)
    text += static_cast<char>(random());
  return text;
}

std::string file_name(std::size_t number) {
  return fmt::format("data/{:03}/file-{:05}.dat", number / 100, number);
}

void write_tree(const fs::path& directory, std::size_t files, std::size_t size) {
  for (std::size_t number = 0; number < files; ++number) {
    const fs::path file = directory / file_name(number);
    if (number % 100 == 0) make_directories(file.parent_path());
    write_file(file, some_bytes(size, number), Durable::no);
  }
}

std::vector<oci::Entry> tree_entries(std::size_t files, std::uint64_t size) {
  std::vector<oci::Entry> entries;
  oci::Entry directory;
  directory.type = oci::EntryType::directory;
  directory.mode = 0755;
  entries.push_back(directory);
  directory.path = "data";
  entries.push_back(directory);
  for (std::size_t number = 0; number < files; ++number) {
    oci::Entry entry;
    entry.path = file_name(number);
    if (number % 100 == 0) {
      directory.path = std::string(oci::parent_path(entry.path));
      entries.push_back(directory);
    }
    entry.mode = 0644;
    entry.size = size;
    entry.digest = sha256(entry.path);
    entry.place = {.root = 0, .offset = 0, .path = entry.path};
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace bottle::bench
