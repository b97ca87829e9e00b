// SPDX-License-Identifier: Apache-2.0
// Blobs enter here: written below tmp/, hashed on the way, published by rename.
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "store/shared.hpp"
#include "store/store.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"

namespace bottle::store {
namespace {

constexpr std::size_t kCompared = 4u << 20;
constexpr std::size_t kHole = 64u << 10;

bool is_zero(std::span<const std::byte> data) {
  return data[0] == std::byte{0} && std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0;
}

}  // namespace

// Not flushed to disk one by one (a pack may put hundreds): after a power failure a blob may be short or
// empty, which find_action() sees by its size, and readers compare a checksum.
struct Store::Writer::State {
  std::shared_ptr<Shared> shared;
  Shared::Temporary temporary;
  Sha256 hasher;
  std::uint64_t size = 0;
  bool published = false;
  bool ends_in_hole = false;

  explicit State(std::shared_ptr<Shared> open_store)
      : shared(std::move(open_store)), temporary(shared->make_temporary(0444)) {}
  ~State() {
    if (!published) ::unlink(temporary.path.c_str());
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Store::Writer::Writer(const Store& store) : state_(std::make_unique<State>(store.shared_)) {}
Store::Writer::~Writer() = default;
Store::Writer::Writer(Writer&&) noexcept = default;

void Store::Writer::write(std::span<const std::byte> data) {
  const int file = state_->temporary.file.get();
  const std::string& name = state_->shared->layout.root().native();
  // A virtual disk's gigabytes of zeros take no room.
  state_->ends_in_hole = data.size() >= kHole && is_zero(data);
  if (state_->ends_in_hole) {
    if (::lseek(file, static_cast<off_t>(data.size()), SEEK_CUR) < 0) throw_errno("cannot seek in", name);
  } else {
    write_all(file, data, name);
  }
  state_->hasher.update(data);
  state_->size += data.size();
}

std::uint64_t Store::Writer::size() const {
  return state_->size;
}

Output Store::Writer::commit(const std::optional<Digest>& expected) {
  const Output output{state_->hasher.finish(), state_->size};
  if (expected && *expected != output.digest) {
    throw Error("the content of " + std::to_string(output.size) + " bytes has digest " +
                    output.digest.string() + ", expected " + expected->string(),
                {.hint = "repeat the command; if the error remains, the content was altered at its source"});
  }
  const Layout& layout = state_->shared->layout;
  if (state_->ends_in_hole &&
      ::ftruncate(state_->temporary.file.get(), static_cast<off_t>(state_->size)) != 0)
    throw_errno("cannot set the size of", state_->temporary.path.native());
  // An existing file is replaced: if its bytes were altered since, this heals it.
  state_->shared->publish(state_->temporary.path, layout.blob(output.digest));
  state_->published = true;
  state_->temporary.file.reset();
  ::unlink(layout.tombstone(output.digest).c_str());
  return output;
}

Output Store::put(std::string_view data) const {
  const Output known{sha256(data), data.size()};
  // Replacing a file makes some file systems write it out at once (ext4, auto_da_alloc). So an existing file
  // with the right content stays: a build puts most texts again.
  if (data.size() <= kCompared && find_blob(known.digest)) {
    const fs::path path = blob_path(known.digest);
    struct stat status {};
    const bool is_equal = ::stat(path.c_str(), &status) == 0 &&
                          static_cast<std::uint64_t>(status.st_size) == data.size() &&
                          read_file_if_exists(path, data.size()) == data;
    if (is_equal) return known;
  }
  // As by a Writer, but it is hashed already.
  const Shared::Temporary temporary = shared_->make_temporary(0444);
  try {
    write_all(temporary.file.get(), data, shared_->layout.root().native());
    shared_->publish(temporary.path, shared_->layout.blob(known.digest));
  } catch (...) {
    ::unlink(temporary.path.c_str());
    throw;
  }
  ::unlink(shared_->layout.tombstone(known.digest).c_str());
  return known;
}

Output Store::put_file(const fs::path& file) const {
  const Fd source = open_for_reading(file);
  Writer writer(*this);
  std::vector<std::byte> buffer(1u << 18);
  while (true) {
    check_interrupted();
    const std::size_t count = read_some(source.get(), buffer, file.native());
    writer.write(std::span(buffer).first(count));
    if (count < buffer.size()) return writer.commit();
  }
}

}  // namespace bottle::store
