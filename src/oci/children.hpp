// SPDX-License-Identifier: Apache-2.0
// What is below a node of a tree, by name. Most nodes are files, so nothing costs a pointer, not a map.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace bottle::oci {

// As std::map in what it has; end() of one without a map compares equal to what find() returns there.
template <typename Node>
class Children {
 public:
  using Map = std::map<std::string, Node, std::less<>>;
  using iterator = typename Map::iterator;
  using const_iterator = typename Map::const_iterator;

  bool empty() const { return !map_ || map_->empty(); }
  iterator begin() { return map().begin(); }
  iterator end() { return map().end(); }
  const_iterator begin() const { return map().begin(); }
  const_iterator end() const { return map().end(); }
  iterator find(std::string_view name) { return map().find(name); }
  const_iterator find(std::string_view name) const { return map().find(name); }

  void clear() { map_.reset(); }
  iterator erase(iterator child) { return map_->erase(child); }
  // The child of that name, made if there is none; `hint` is what find() returned, or end() for the last.
  iterator make(const_iterator hint, std::string_view name) {
    if (!map_) {
      map_ = std::make_unique<Map>();
      hint = map_->end();
    }
    return map_->try_emplace(hint, std::string(name));
  }

 private:
  Map& map() const {
    static Map none;  // stays empty: only make() adds
    return map_ ? *map_ : none;
  }

  std::unique_ptr<Map> map_;
};

}  // namespace bottle::oci
