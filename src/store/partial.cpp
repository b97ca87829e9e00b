// SPDX-License-Identifier: Apache-2.0
// Blobs that come in parts over an unreliable way.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "store/shared.hpp"
#include "store/store.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"

namespace bottle::store {
namespace {

constexpr std::size_t kBlock = 256u << 10;
constexpr std::size_t kWaiting = 8;  // blocks: more than that and who receives waits for who hashes

// Hashes blocks in order on a separate thread, which begins with the first block: data from a network is
// received and written at the same time.
class BackgroundHash {
 public:
  ~BackgroundHash() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      waiting_.clear();
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  // Takes the block, and gives an empty one with room in its place.
  void update(std::vector<std::byte>& block) {
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_.size() < kWaiting; });
    waiting_.push_back(std::move(block));
    block = {};
    if (!spare_.empty()) {
      block = std::move(spare_.back());
      spare_.pop_back();
    }
    changed_.notify_all();
  }

  // When all that was given has been hashed: the caller's until the next update().
  Sha256& settled() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_.empty() && !busy_; });
    return hasher_;
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return ended_ || !waiting_.empty(); });
      if (ended_) return;
      std::vector<std::byte> block = std::move(waiting_.front());
      waiting_.pop_front();
      busy_ = true;
      lock.unlock();
      hasher_.update(block);
      block.clear();
      lock.lock();
      busy_ = false;
      spare_.push_back(std::move(block));
      changed_.notify_all();
    }
  }

  Sha256 hasher_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<std::byte>> waiting_;
  std::vector<std::vector<std::byte>> spare_;
  bool busy_ = false;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace

struct Store::Partial::State {
  std::shared_ptr<Shared> shared;
  Digest digest;
  Fd file;
  fs::path path;
  bool kept = false;  // under the digest's own name, for the next one
  BackgroundHash hash;
  std::vector<std::byte> block;  // received, not written yet
  std::uint64_t size = 0;        // with it
  bool writing = false;          // a write has begun that may have failed in its middle

  State(std::shared_ptr<Shared> open_store, const Digest& wanted)
      : shared(std::move(open_store)), digest(wanted) {
    if (open_kept()) return;
    Shared::Temporary temporary = shared->make_temporary(0444);
    file = std::move(temporary.file);
    path = std::move(temporary.path);
  }
  ~State() {
    // Kept for the next one if it can be.
    if (file && kept && !writing && !block.empty())
      static_cast<void>(!::write(file.get(), block.data(), block.size()));
    if (file && (!kept || size == 0)) ::unlink(path.c_str());
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void write_block() {
    writing = true;
    write_all(file.get(), block, shared->layout.root().native());
    writing = false;
  }

  // Opens the file that another process may have left, unless a process is writing to it.
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
      hash.settled().update(std::span(buffer).first(count));
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
  std::vector<std::byte>& block = state_->block;
  state_->size += data.size();
  while (!data.empty()) {
    block.reserve(kBlock);
    const std::size_t count = std::min(kBlock - block.size(), data.size());
    block.insert(block.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(count));
    data = data.subspan(count);
    if (block.size() < kBlock) return;
    state_->write_block();
    state_->hash.update(block);
  }
}

void Store::Partial::restart() {
  if (::ftruncate(state_->file.get(), 0) != 0 || ::lseek(state_->file.get(), 0, SEEK_SET) != 0)
    throw_errno("cannot write to the store", state_->path.native());
  state_->hash.settled() = Sha256();
  state_->block.clear();
  state_->size = 0;
}

Output Store::Partial::commit() {
  state_->write_block();
  Sha256& hasher = state_->hash.settled();
  hasher.update(state_->block);
  state_->block.clear();
  const Output output{hasher.finish(), state_->size};
  if (output.digest != state_->digest) {
    restart();
    throw Error("the content of " + std::to_string(output.size) + " bytes has digest " +
                    output.digest.string() + ", expected " + state_->digest.string(),
                {.hint = "repeat the command; if the error remains, the content was altered at its source"});
  }
  const Layout& layout = state_->shared->layout;
  if (::fchmod(state_->file.get(), state_->shared->masked(0444)) != 0)
    throw_errno("cannot write to the store", state_->path.native());
  state_->shared->publish(state_->path, layout.blob(output.digest));
  state_->file.reset();
  ::unlink(layout.tombstone(output.digest).c_str());
  return output;
}

}  // namespace bottle::store
