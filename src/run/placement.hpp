// SPDX-License-Identifier: Apache-2.0
// Mounts without mounting: what a RUN is to see at a target is moved there for the time of the command, and
// moved back afterwards. What was at the target waits beside the tree.
//
// Everything is on one file system, so moving is rename(2), and a cache of any size costs nothing. What a
// mount would have refused to the command (writing to a read-only one, removing a target) is found afterwards
// and is an error, so that a layer is never one that another grade of isolation would not have made.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "run/bundle.hpp"
#include "run/tree_stamps.hpp"
#include "util/file.hpp"

namespace bottle::run {

class Placement {
 public:
  // Places the bundle's mounts, whose targets have no links on them (run/targets.hpp), in its root, after
  // /dev, /proc and /sys. `work` is a directory on the same file system.
  Placement(const Bundle& bundle, fs::path work);
  // Moves back what undo() has not, and does not look at it.
  ~Placement();
  Placement(Placement&&) = delete;

  // Moves all back. Throws an Error without a place if the command did what a mount would have refused.
  void undo();

 private:
  struct Item {
    std::string target;  // in the image, for errors
    fs::path place;      // on the disk
    fs::path source;     // where it goes back to
    bool is_read_only = false;
    bool was_there = false;  // `hidden` goes back to `place`
    fs::path hidden;
    dev_t device = 0;
    ino_t inode = 0;
    std::optional<TreeStamps> stamps;
  };

  void place_system();
  void place(const BundleMount& mount);
  void put(Item item);
  void hide(Item& item);
  void stamp();
  std::string violation(const Item& item) const;
  bool has_real_parents(const Item& item) const;
  std::string take_back(Item& item) noexcept;
  std::string take_all_back() noexcept;

  const Bundle& bundle_;
  fs::path work_;
  std::vector<Item> items_;
  int number_ = 0;
};

}  // namespace bottle::run
