#include "image/engine_left.hpp"

#include <algorithm>
#include <system_error>

#include "image/docker_client.hpp"
#include "image/engine_drivers.hpp"
#include "util/text.hpp"

namespace bottle::image {
namespace {

bool remove_name(const std::string& program, const std::string& name) {
  const auto done = run_uninterrupted({program, "rmi", "--force", name});
  if (!done) return false;
  if (done->status.success()) return true;
  const DockerStatus status{.code = 1, .output = {}, .message = done->output};
  return status.is_absent();
}

}  // namespace

EngineLeft::EngineLeft(fs::path build_directory) : file_(std::move(build_directory) / "engine.left") {
  const auto text = read_file_if_exists(file_);
  if (!text) return;
  for (const std::string_view line : split(*text, '\n')) {
    const std::size_t blank = line.find(' ');
    if (blank != std::string_view::npos)
      items_.push_back({std::string(line.substr(0, blank)), std::string(line.substr(blank + 1))});
  }
  remove_all();
}

EngineLeft::~EngineLeft() {
  remove_all();
}

void EngineLeft::note_image(const std::string& program, const std::string& name) {
  items_.push_back({program, name});
  write();
}

void EngineLeft::write() const {
  std::string text;
  for (const Item& item : items_)
    text += item.program + " " + item.name + "\n";
  write_file(file_, text, Durable::no);
}

void EngineLeft::remove_all() noexcept {
  try {
    std::erase_if(items_, [](const Item& item) { return remove_name(item.program, item.name); });
    if (items_.empty()) {
      std::error_code error;
      fs::remove(file_, error);
    } else {
      write();
    }
  } catch (...) {
    // The file still names them.
  }
}

}  // namespace bottle::image
