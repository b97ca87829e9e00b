// SPDX-License-Identifier: Apache-2.0
// Uploads: bytes on their way to becoming a blob. What has been received is in a file in the layout's
// directory, ".uploads/<session>.<algorithm>", so an upload continues after a crash of either side from the
// bytes on disk.
// Source: OCI distribution-spec 1.1 spec.md, "Pushing blobs".
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>

#include "oci/content_digest.hpp"
#include "util/file.hpp"

namespace bottle::registry {

// May be used by several threads. A thread that begins to write takes the upload over: a client that comes
// back after its connection broke need not wait until the old connection is found dead.
class UploadFile {
 public:
  // Opens, or creates, the file and holds a lock on it; throws a Refusal (409) if another process has it.
  UploadFile(fs::path file, oci::Algorithm algorithm, Durable durable);

  const fs::path& file() const { return file_; }
  std::uint64_t size() const;

  // Begins to write at `offset`, which must be the size: nullopt otherwise. The result is for write() and
  // finish(). `algorithm` is the one of the digest that is going to be asked for, if that is known.
  std::optional<std::uint64_t> begin(std::optional<std::uint64_t> offset,
                                     std::optional<oci::Algorithm> algorithm = std::nullopt);
  // Throws a Refusal when another thread has begun since.
  void write(std::uint64_t turn, std::span<const std::byte> data);
  // Forgets what is behind `size`.
  void truncate(std::uint64_t turn, std::uint64_t size);
  // The digest of all bytes; those that were not hashed when they came are read again. Flushed to the disk.
  // All other writers are refused until reopen().
  oci::ContentDigest finish(std::uint64_t turn, oci::Algorithm algorithm);
  void reopen();
  // Ends it, and removes the file. Later writes are refused. Throws a Refusal while another thread is
  // completing it.
  void cancel();
  // The same for who is completing it.
  void discard();
  // Ends it after its file has got another name.
  void done();

 private:
  void check(std::uint64_t turn) const;
  void check_not_finishing() const;

  fs::path file_;
  Durable durable_;
  std::atomic<bool> finishing_{false};
  mutable std::mutex mutex_;
  Fd descriptor_;
  std::uint64_t size_ = 0;
  std::uint64_t turn_ = 0;
  std::uint64_t hashed_ = 0;  // so many bytes are in hasher_
  oci::Hasher hasher_;
};

// The uploads of one server. The least recently used ones are closed and opened again on demand.
class Uploads {
 public:
  explicit Uploads(Durable durable) : durable_(durable) {}

  struct Session {
    std::string id;
    std::shared_ptr<UploadFile> upload;
  };
  // `layout` is a layout's directory.
  Session create(const fs::path& layout, oci::Algorithm algorithm);
  std::shared_ptr<UploadFile> find(const fs::path& layout, const std::string& id);
  // After it was published or cancelled.
  void forget(const std::string& id);

  // Removes the files of a layout that nothing has been written to for this time, and their directory if it
  // is empty.
  static void expire(const fs::path& layout, std::uint64_t seconds);

 private:
  std::shared_ptr<UploadFile> remember(const std::string& id, std::shared_ptr<UploadFile> upload);

  struct Known {
    std::shared_ptr<UploadFile> upload;
    std::list<std::string>::iterator use;
  };
  Durable durable_;
  std::mutex mutex_;
  std::unordered_map<std::string, Known> known_;
  std::list<std::string> uses_;  // the last used one first
};

}  // namespace bottle::registry
