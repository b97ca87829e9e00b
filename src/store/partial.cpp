// Blobs that come in parts over an unreliable way.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <vector>

#include "store/shared.hpp"
#include "store/store.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"

namespace bottle::store {

struct Store::Partial::State {
  std::shared_ptr<Shared> shared;
  Digest digest;
  Fd file;
  fs::path path;
  bool kept = false;  // under the digest's own name, for the next one
  Sha256 hasher;
  std::uint64_t size = 0;

  State(std::shared_ptr<Shared> open_store, const Digest& wanted)
      : shared(std::move(open_store)), digest(wanted) {
    if (open_kept()) return;
    Shared::Temporary temporary = shared->make_temporary(0444);
    file = std::move(temporary.file);
    path = std::move(temporary.path);
  }
  ~State() {
    if (file && (!kept || size == 0)) ::unlink(path.c_str());
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // Opens the file that another may have left, unless somebody writes it now.
  bool open_kept() {
    path = shared->layout.temporaries() / (digest.hex() + ".part");
    file = Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    struct stat opened {};
    struct stat named {};
    if (!file || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0 || ::fstat(file.get(), &opened) != 0 ||
        ::stat(path.c_str(), &named) != 0 || opened.st_ino != named.st_ino || opened.st_dev != named.st_dev ||
        !S_ISREG(opened.st_mode)) {
      file.reset();
      return false;
    }
    kept = true;
    std::vector<std::byte> buffer(1u << 18);
    for (;;) {
      check_interrupted();
      const std::size_t count = read_some(file.get(), buffer, path.native());
      hasher.update(std::span(buffer).first(count));
      size += count;
      if (count < buffer.size()) return true;
    }
  }
};

Store::Partial::Partial(const Store& store, const Digest& digest)
    : state_(std::make_unique<State>(store.shared_, digest)) {}
Store::Partial::~Partial() = default;
Store::Partial::Partial(Partial&&) noexcept = default;

std::uint64_t Store::Partial::size() const {
  return state_->size;
}

void Store::Partial::write(std::span<const std::byte> data) {
  write_all(state_->file.get(), data, state_->shared->layout.root().native());
  state_->hasher.update(data);
  state_->size += data.size();
}

void Store::Partial::restart() {
  if (::ftruncate(state_->file.get(), 0) != 0 || ::lseek(state_->file.get(), 0, SEEK_SET) != 0)
    throw_errno("cannot write to the store", state_->path.native());
  state_->hasher = Sha256();
  state_->size = 0;
}

Output Store::Partial::commit() {
  const Output output{state_->hasher.finish(), state_->size};
  if (output.digest != state_->digest) {
    restart();
    throw Error("the content of " + std::to_string(output.size) + " bytes has digest " +
                    output.digest.string() + ", expected " + state_->digest.string(),
                {.hint = "it was altered on the way or at its source"});
  }
  const Layout& layout = state_->shared->layout;
  if (::fchmod(state_->file.get(), 0444) != 0)
    throw_errno("cannot write to the store", state_->path.native());
  publish(state_->path, layout.blob(output.digest));
  state_->file.reset();
  ::unlink(layout.tombstone(output.digest).c_str());
  return output;
}

}  // namespace bottle::store
