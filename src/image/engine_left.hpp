// What a build has put into an engine and must take out again, written down before it is there: so a build
// that was killed is cleaned up by the next one in the same build directory.
#pragma once

#include <string>
#include <vector>

#include "util/file.hpp"

namespace bottle::image {

// The file `engine.left` in a build directory. The caller holds the directory's lock.
class EngineLeft {
 public:
  static constexpr const char* kFile = "engine.left";

  // Takes out what a killed build left. What cannot be taken out (its engine cannot be reached) stays noted.
  explicit EngineLeft(fs::path build_directory);
  // Takes out what this one has noted, also after an error or an interrupt.
  ~EngineLeft();
  EngineLeft(EngineLeft&&) = delete;

  // Before the image gets this name in the engine of this program.
  void note_image(const std::string& program, const std::string& name);
  // Before containers with this label ("name=value") are created.
  void note_containers(const std::string& program, const std::string& label);

 private:
  struct Item {
    std::string program;
    std::string kind;  // "image" or "containers"
    std::string name;
  };
  void remove_all() noexcept;
  void write() const;

  fs::path file_;
  std::vector<Item> items_;
};

}  // namespace bottle::image
