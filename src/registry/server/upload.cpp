// SPDX-License-Identifier: Apache-2.0
#include "registry/server/upload.hpp"

#include "registry/server/reply.hpp"
#include "util/error.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <vector>

namespace bottle::registry {
namespace {

constexpr std::size_t kOpenUploads = 512;
constexpr std::string_view kFolder = ".uploads";

// A UUID, version 4 (RFC 9562, 5.4): the specification requires one in the location.
std::string new_session() {
  std::array<unsigned char, 16> bytes;
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw_errno("cannot get random bytes", "getrandom");
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    text.push_back(kDigits[bytes[i] >> 4]);
    text.push_back(kDigits[bytes[i] & 15]);
  }
  return text;
}

fs::path file_of(const fs::path& layout, const std::string& id, oci::Algorithm algorithm) {
  return layout / kFolder / (id + "." + std::string(name_of(algorithm)));
}

}  // namespace

UploadFile::UploadFile(fs::path file, oci::Algorithm algorithm, Durable durable)
    : file_(std::move(file)), durable_(durable), hasher_(algorithm) {
  const auto open = [&] {
    descriptor_ = Fd(::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
  };
  open();
  // expire() may have removed the folder between its making and this.
  if (!descriptor_ && errno == ENOENT) {
    make_directories(file_.parent_path());
    open();
  }
  if (!descriptor_) throw_errno("cannot write", file_.native());
  if (::flock(descriptor_.get(), LOCK_EX | LOCK_NB) != 0)
    throw Refusal(409, "BLOB_UPLOAD_INVALID", "another process is writing to this upload");
  size_ = static_cast<std::uint64_t>(stat_of(descriptor_.get(), file_.native()).st_size);
}

void UploadFile::check_not_finishing() const {
  if (finishing_.load())
    throw Refusal(409, "BLOB_UPLOAD_INVALID", "another request is completing this upload");
}

std::uint64_t UploadFile::size() const {
  check_not_finishing();
  const std::lock_guard guard(mutex_);
  return size_;
}

void UploadFile::check(std::uint64_t turn) const {
  if (turn != turn_ || !descriptor_)
    throw Refusal(409, "BLOB_UPLOAD_INVALID", "another request continued this upload");
}

std::optional<std::uint64_t> UploadFile::begin(std::optional<std::uint64_t> offset,
                                               std::optional<oci::Algorithm> algorithm) {
  check_not_finishing();
  const std::lock_guard guard(mutex_);
  if (!descriptor_) throw Refusal(404, "BLOB_UPLOAD_UNKNOWN", "the upload has ended");
  if (offset && *offset != size_) return std::nullopt;
  if (algorithm && size_ == 0 && *algorithm != hasher_.algorithm()) hasher_ = oci::Hasher(*algorithm);
  return ++turn_;
}

void UploadFile::write(std::uint64_t turn, std::span<const std::byte> data) {
  check_not_finishing();
  const std::lock_guard guard(mutex_);
  check(turn);
  for (std::size_t done = 0; done < data.size();) {
    const ssize_t count =
        ::pwrite(descriptor_.get(), data.data() + done, data.size() - done, static_cast<off_t>(size_ + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno("cannot write", file_.native());
    done += static_cast<std::size_t>(count);
  }
  if (hashed_ == size_) {
    hasher_.update(data);
    hashed_ += data.size();
  }
  size_ += data.size();
}

void UploadFile::truncate(std::uint64_t turn, std::uint64_t size) {
  const std::lock_guard guard(mutex_);
  check(turn);
  if (size >= size_) return;
  if (::ftruncate(descriptor_.get(), static_cast<off_t>(size)) != 0)
    throw_errno("cannot write", file_.native());
  size_ = size;
  if (hashed_ <= size) return;
  hasher_ = oci::Hasher(hasher_.algorithm());
  hashed_ = 0;
}

oci::ContentDigest UploadFile::finish(std::uint64_t turn, oci::Algorithm algorithm) {
  const std::lock_guard guard(mutex_);
  check(turn);
  finishing_ = true;
  // What cannot be completed now may be later.
  struct Reopen {
    std::atomic<bool>* flag;
    ~Reopen() {
      if (flag != nullptr) *flag = false;
    }
  } reopen{&finishing_};
  if (hasher_.algorithm() != algorithm) {
    hasher_ = oci::Hasher(algorithm);
    hashed_ = 0;
  }
  std::vector<std::byte> buffer(hashed_ < size_ ? 1u << 20 : 0);
  while (hashed_ < size_) {
    const std::size_t count = pread_some(descriptor_.get(), buffer, hashed_, file_.native());
    if (count == 0) throw Error("the file of an upload was truncated", {.where = file_.native()});
    hasher_.update(std::span(buffer).first(count));
    hashed_ += count;
  }
  if (durable_ == Durable::yes && ::fdatasync(descriptor_.get()) != 0)
    throw_errno("cannot write", file_.native());
  oci::ContentDigest digest = hasher_.finish();
  hasher_ = oci::Hasher(algorithm);
  hashed_ = 0;
  reopen.flag = nullptr;
  return digest;
}

void UploadFile::reopen() {
  finishing_ = false;
}

void UploadFile::cancel() {
  check_not_finishing();
  discard();
}

void UploadFile::discard() {
  const std::lock_guard guard(mutex_);
  if (!descriptor_) return;
  ::unlink(file_.c_str());
  descriptor_.reset();
}

void UploadFile::done() {
  const std::lock_guard guard(mutex_);
  descriptor_.reset();
}

std::shared_ptr<UploadFile> Uploads::remember(const std::string& id, std::shared_ptr<UploadFile> upload) {
  const auto known = known_.find(id);
  if (known != known_.end()) {
    uses_.splice(uses_.begin(), uses_, known->second.use);
    return known->second.upload;
  }
  uses_.push_front(id);
  known_.emplace(id, Known{upload, uses_.begin()});
  // A writing thread holds its own pointer: closing it here would create a second one.
  for (auto last = std::prev(uses_.end()); known_.size() > kOpenUploads && last != uses_.begin();) {
    const auto candidate = last--;
    const auto found = known_.find(*candidate);
    if (found->second.upload.use_count() > 1) continue;
    known_.erase(found);
    uses_.erase(candidate);
  }
  return upload;
}

Uploads::Session Uploads::create(const fs::path& layout, oci::Algorithm algorithm) {
  make_directories(layout / kFolder);
  std::string id = new_session();
  auto upload = std::make_shared<UploadFile>(file_of(layout, id, algorithm), algorithm, durable_);
  const std::lock_guard guard(mutex_);
  upload = remember(id, std::move(upload));
  return {std::move(id), std::move(upload)};
}

std::shared_ptr<UploadFile> Uploads::find(const fs::path& layout, const std::string& id) {
  const std::lock_guard guard(mutex_);
  const auto known = known_.find(id);
  if (known != known_.end()) {
    // A session belongs to its repository.
    if (known->second.upload->file().parent_path() != layout / kFolder) return nullptr;
    return remember(id, known->second.upload);
  }
  for (const oci::Algorithm algorithm : {oci::Algorithm::sha256, oci::Algorithm::sha512}) {
    const fs::path file = file_of(layout, id, algorithm);
    if (::access(file.c_str(), F_OK) == 0)
      return remember(id, std::make_shared<UploadFile>(file, algorithm, durable_));
  }
  return nullptr;
}

void Uploads::forget(const std::string& id) {
  const std::lock_guard guard(mutex_);
  const auto known = known_.find(id);
  if (known == known_.end()) return;
  uses_.erase(known->second.use);
  known_.erase(known);
}

void Uploads::expire(const fs::path& layout, std::uint64_t seconds) {
  const fs::path folder = layout / kFolder;
  DIR* stream = ::opendir(folder.c_str());
  if (stream == nullptr) return;
  const std::time_t now = std::time(nullptr);
  while (const dirent* entry = ::readdir(stream)) {
    struct stat status {};
    if (::fstatat(::dirfd(stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(status.st_mode) || now - status.st_mtime < static_cast<std::time_t>(seconds))
      continue;
    const Fd file(::openat(::dirfd(stream), entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    // An upload that is open does not expire.
    if (file && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlinkat(::dirfd(stream), entry->d_name, 0);
  }
  ::closedir(stream);
  ::rmdir(folder.c_str());
}

}  // namespace bottle::registry
