#include "image/engine_left.hpp"

#include <algorithm>
#include <system_error>

#include "image/docker_client.hpp"
#include "image/engine_drivers.hpp"
#include "util/text.hpp"

namespace bottle::image {
namespace {

bool remove_image(const std::string& program, const std::string& name) {
  const auto done = run_uninterrupted({program, "rmi", "--force", name});
  if (!done) return false;
  if (done->status.success()) return true;
  const DockerStatus status{.code = 1, .output = {}, .message = done->output};
  return status.is_absent();
}

bool remove_containers(const std::string& program, const std::string& label) {
  const auto list = run_uninterrupted({program, "ps", "--all", "--quiet", "--filter", "label=" + label});
  if (!list || !list->status.success()) return false;
  std::vector<std::string> words{program, "rm", "--force", "--volumes"};
  const std::size_t options = words.size();
  for (const std::string_view id : split(list->output, '\n'))
    if (!id.empty()) words.emplace_back(id);
  if (words.size() == options) return true;
  const auto done = run_uninterrupted(words);
  return done && done->status.success();
}

}  // namespace

EngineLeft::EngineLeft(fs::path build_directory) : file_(std::move(build_directory) / kFile) {
  const auto text = read_file_if_exists(file_);
  if (!text) return;
  for (const std::string_view line : split(*text, '\n')) {
    const std::vector<std::string_view> words = split(line, ' ');
    if (words.size() == 3)
      items_.push_back({std::string(words[0]), std::string(words[1]), std::string(words[2])});
  }
  remove_all();
}

EngineLeft::~EngineLeft() {
  remove_all();
}

void EngineLeft::note_image(const std::string& program, const std::string& name) {
  items_.push_back({program, "image", name});
  write();
}

void EngineLeft::note_containers(const std::string& program, const std::string& label) {
  items_.push_back({program, "containers", label});
  write();
}

void EngineLeft::write() const {
  std::string text;
  for (const Item& item : items_)
    text += item.program + " " + item.kind + " " + item.name + "\n";
  write_file(file_, text, Durable::no);
}

void EngineLeft::remove_all() noexcept {
  try {
    // The last first: a container goes before the image that it was made from.
    for (auto item = items_.rbegin(); item != items_.rend(); ++item)
      if (item->kind == "containers" ? remove_containers(item->program, item->name)
                                     : remove_image(item->program, item->name))
        item->kind.clear();
    std::erase_if(items_, [](const Item& item) { return item.kind.empty(); });
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
