// SPDX-License-Identifier: Apache-2.0
// Text that is not changed, for what is held hundred thousands of times: a pointer, and copies share the
// bytes. Copies may be used by different threads.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace bottle {

class SharedText {
 public:
  SharedText() = default;
  // Implicit, so that it is given text as a string is. Throws std::length_error from 4 GiB on.
  SharedText(std::string_view text) : bytes_(make(text)) {}    // NOLINT(google-explicit-constructor)
  SharedText(const std::string& text) : bytes_(make(text)) {}  // NOLINT(google-explicit-constructor)
  SharedText(const char* text) : bytes_(make(text)) {}         // NOLINT(google-explicit-constructor)
  ~SharedText() { release(); }
  SharedText(const SharedText& other) : bytes_(other.bytes_) {
    if (bytes_ != nullptr) bytes_->owners.fetch_add(1, std::memory_order_relaxed);
  }
  SharedText(SharedText&& other) noexcept : bytes_(std::exchange(other.bytes_, nullptr)) {}
  SharedText& operator=(SharedText other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  // Ends with a NUL.
  const char* c_str() const { return bytes_ == nullptr ? "" : reinterpret_cast<const char*>(bytes_ + 1); }
  std::string_view view() const { return {c_str(), size()}; }
  operator std::string_view() const { return view(); }  // NOLINT(google-explicit-constructor)
  std::string string() const { return std::string(view()); }
  bool empty() const { return bytes_ == nullptr; }
  std::size_t size() const { return bytes_ == nullptr ? 0 : bytes_->size; }
  void clear() { *this = SharedText(); }

  friend bool operator==(const SharedText& a, const SharedText& b) {
    return a.bytes_ == b.bytes_ || a.view() == b.view();
  }
  friend bool operator==(const SharedText& a, std::string_view b) { return a.view() == b; }
  friend bool operator==(const SharedText& a, const std::string& b) { return a.view() == b; }
  friend bool operator==(const SharedText& a, const char* b) { return a.view() == b; }

 private:
  // The bytes follow it.
  struct Bytes {
    std::atomic<std::uint32_t> owners{1};
    std::uint32_t size;
  };
  static Bytes* make(std::string_view text);  // null for ""
  void release() {
    if (bytes_ != nullptr && bytes_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(bytes_);
  }
  static void destroy(Bytes* bytes);

  Bytes* bytes_ = nullptr;
};

}  // namespace bottle
