// SPDX-License-Identifier: Apache-2.0
// Extended attributes of an entry. Nearly no entry has any, so none cost a pointer.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bottle::oci {

// Names and values, which are bytes. Sorted by name once an entry is complete; the code that fills it sorts.
class Xattrs {
 public:
  using Pair = std::pair<std::string, std::string>;
  using List = std::vector<Pair>;
  using value_type = Pair;
  using const_iterator = const Pair*;

  Xattrs() = default;
  Xattrs(List list) {  // NOLINT(google-explicit-constructor)
    if (!list.empty()) list_ = std::make_unique<List>(std::move(list));
  }
  Xattrs(std::initializer_list<Pair> list) : Xattrs(List(list)) {}
  Xattrs(const Xattrs& other) : list_(other.list_ ? std::make_unique<List>(*other.list_) : nullptr) {}
  Xattrs(Xattrs&&) noexcept = default;
  Xattrs& operator=(Xattrs other) noexcept {
    list_ = std::move(other.list_);
    return *this;
  }
  ~Xattrs() = default;

  bool empty() const { return !list_ || list_->empty(); }
  std::size_t size() const { return list_ ? list_->size() : 0; }
  const Pair* begin() const { return list_ ? list_->data() : nullptr; }
  const Pair* end() const { return begin() + size(); }
  const Pair& back() const { return list_->back(); }
  Pair& add(std::string name, std::string value) {
    if (!list_) list_ = std::make_unique<List>();
    return list_->emplace_back(std::move(name), std::move(value));
  }
  void clear() { list_.reset(); }
  // Adds or replaces, in order.
  void set(std::string name, std::string value) {
    remove_if([&](const Pair& pair) { return pair.first == name; });
    add(std::move(name), std::move(value));
    std::sort(list_->begin(), list_->end());
  }
  template <typename Predicate>
  void remove_if(Predicate predicate) {
    if (list_) std::erase_if(*list_, predicate);
  }
  bool operator==(const Xattrs& other) const {
    return std::equal(begin(), end(), other.begin(), other.end());
  }

 private:
  std::unique_ptr<List> list_;
};

}  // namespace bottle::oci
