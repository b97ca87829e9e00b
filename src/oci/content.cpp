// SPDX-License-Identifier: Apache-2.0
#include "oci/content.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <utility>

#include "oci/damage.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::oci {
namespace {

constexpr std::string_view kBlob = "blob:";

std::string description(std::uint64_t size, const Digest& digest) {
  return std::to_string(size) + " bytes " + digest.string();
}

// What was there when the context was read.
template <typename Open>
auto found_again(const std::string& name, const Open& open) {
  try {
    return open();
  } catch (const Error& error) {
    throw DamageError(Damage::file, error.message(),
                      {.where = error.where().empty() ? name : error.where(),
                       .hint = error.hint().empty() ? "build again" : error.hint()});
  }
}

}  // namespace

struct ContentReader::State {
  std::map<std::string, fs::path> context_roots;
  FindBlob find_blob;

  struct OpenRoot {
    std::shared_ptr<Fd> file;  // a directory or a blob's file
    std::string name;
    std::uint64_t size = 0;  // of a blob
  };
  std::mutex mutex;
  std::map<std::string, OpenRoot, std::less<>> open_roots;

  // Few roots serve many entries: each is opened once and stays open.
  OpenRoot root(const std::string& name) {
    const std::lock_guard lock(mutex);
    const auto found = open_roots.find(name);
    if (found != open_roots.end()) return found->second;
    return open_roots.emplace(name, name.starts_with(kBlob) ? open_blob(name) : open_context(name))
        .first->second;
  }

  OpenRoot open_blob(const std::string& name) const {
    const auto digest = Digest::parse(std::string_view(name).substr(kBlob.size()));
    if (!digest)
      throw Error("\"" + escape_word(name) +
                  "\" is not the name of a blob: expected blob:sha256:<64 hex digits>");
    const fs::path path = find_blob(*digest);
    auto file = std::make_shared<Fd>(open_for_reading(path));
    const struct stat status = stat_of(file->get(), path.native());
    return {std::move(file), path.native(), static_cast<std::uint64_t>(status.st_size)};
  }

  OpenRoot open_context(const std::string& name) const {
    const auto found = context_roots.find(name);
    if (found == context_roots.end())
      throw DamageError(Damage::plan,
                        "the directory of \"" + escape_word(name) + "\" on this machine is not recorded",
                        {.hint = "build the image again"});
    return {std::make_shared<Fd>(found_again(found->second.native(),
                                             [&] { return open_for_reading(found->second, O_DIRECTORY); })),
            found->second.native()};
  }
};

ContentReader::ContentReader(std::map<std::string, fs::path> context_roots, FindBlob find_blob)
    : state_(std::make_shared<State>()) {
  state_->context_roots = std::move(context_roots);
  state_->find_blob = std::move(find_blob);
}

ContentReader::Opened ContentReader::open(const Entry& entry, const std::vector<std::string>& roots) const {
  if (entry.type != EntryType::file || entry.place.root >= roots.size())
    throw Error("\"" + escape_word(entry.path) +
                "\" has no content: it is not a file, or its root is not in the table");
  const std::string& root_name = roots[entry.place.root];
  const State::OpenRoot root = state_->root(root_name);
  if (root_name.starts_with(kBlob)) {
    if (entry.place.offset > root.size || entry.size > root.size - entry.place.offset)
      throw DamageError(Damage::blob,
                        "the blob is too short: \"" + escape_word(entry.path) + "\" needs " +
                            std::to_string(entry.size) + " bytes at offset " +
                            std::to_string(entry.place.offset) + ", it has " + std::to_string(root.size),
                        {.where = root.name, .hint = "build again: the blob is rebuilt"});
    return {root.file, entry.place.offset, root.name, true};
  }
  // O_NONBLOCK: a FIFO that took the file's place must not stop the build.
  std::string name = root.name + "/" + entry.place.path.string();
  auto file = std::make_shared<Fd>(found_again(name, [&] {
    return open_beneath(root.file->get(), entry.place.path, O_RDONLY | O_NONBLOCK, root.name);
  }));
  const struct stat status = stat_of(file->get(), name);
  if (!S_ISREG(status.st_mode))
    throw DamageError(Damage::file, "no longer a regular file: it was one when the context was read",
                      {.where = std::move(name), .hint = "build again"});
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (entry.place.offset == 0 && size != entry.size)
    throw DamageError(Damage::file,
                      "the file changed while the build used it: it had " + std::to_string(entry.size) +
                          " bytes, now it has " + std::to_string(size),
                      {.where = std::move(name), .hint = "build again"});
  return {std::move(file), entry.place.offset, std::move(name), false};
}

void ContentReader::read_verified(const Entry& entry, const std::vector<std::string>& roots,
                                  std::span<std::byte> data) const {
  if (data.size() != entry.size)
    throw Error("\"" + escape_word(entry.path) + "\" has " + std::to_string(entry.size) +
                " bytes, the buffer " + std::to_string(data.size()));
  if (entry.size == 0 && entry.place.root == Place::kNone) return;
  const Opened opened = open(entry, roots);
  const std::size_t count = pread_some(opened.file->get(), data, opened.offset, opened.name);
  // A file may have grown since open() looked.
  std::array<std::byte, 1> more;
  const bool grown = !opened.is_blob && opened.offset == 0 && count == data.size() &&
                     pread_some(opened.file->get(), more, entry.size, opened.name) != 0;
  const Digest digest = sha256(std::span<const std::byte>(data.first(count)));
  if (count == data.size() && digest == entry.digest && !grown) return;
  fail_changed(opened, entry, grown ? count + 1 : count, digest);
}

void ContentReader::read_verified(const Entry& entry, const std::vector<std::string>& roots,
                                  const std::function<void(std::span<const std::byte>)>& sink) const {
  if (entry.size == 0 && entry.place.root == Place::kNone) return;
  const Opened opened = open(entry, roots);
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(entry.size, 256u << 10)));
  Sha256 hasher;
  std::uint64_t done = 0;
  while (done < entry.size) {
    const auto part = std::span(buffer).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), entry.size - done)));
    const std::size_t count = pread_some(opened.file->get(), part, opened.offset + done, opened.name);
    hasher.update(part.first(count));
    done += count;
    if (count < part.size()) break;
    sink(part);
  }
  const Digest digest = hasher.finish();
  if (done != entry.size || digest != entry.digest) fail_changed(opened, entry, done, digest);
}

void ContentReader::fail_changed(const Opened& opened, const Entry& entry, std::uint64_t size,
                                 const Digest& digest) {
  if (opened.is_blob)
    throw DamageError(Damage::blob,
                      "the blob is damaged at offset " + std::to_string(opened.offset) + ": \"" +
                          escape_word(entry.path) + "\" should be " + description(entry.size, entry.digest) +
                          ", found " + description(size, digest),
                      {.where = opened.name, .hint = "build again: the blob is rebuilt"});
  throw DamageError(Damage::file,
                    "the file changed while the build used it: it was " +
                        description(entry.size, entry.digest) + ", now it is " + description(size, digest),
                    {.where = opened.name, .hint = "build again"});
}

}  // namespace bottle::oci
