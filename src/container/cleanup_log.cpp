// SPDX-License-Identifier: Apache-2.0
#include "container/cleanup_log.hpp"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <system_error>
#include <thread>

#include "container/client.hpp"
#include "container/leftover_processes.hpp"
#include "util/digest.hpp"
#include "util/environment.hpp"
#include "util/json.hpp"
#include "util/process.hpp"
#include "util/text.hpp"

namespace bottle::container {
namespace {

constexpr std::uint64_t kSeconds = 30;
constexpr std::uint64_t kMostSeconds = 3600;
// The runtimes that Buildah and Podman are built to look for.
constexpr const char* kRuntimes[] = {"crun", "runc"};

// The first of the names that the object has, as a text.
std::string text_at(const Json& object, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (object.is_object() && object.contains(name) && object[name].is_string())
      return object[name].get<std::string>();
  return {};
}

// Where the containers that builders work in keep what is known of them, from `podman info` or `buildah
// info`: "" if it cannot be seen here, as with a machine of Podman's.
fs::path containers_directory(const std::string& info) {
  const std::size_t begin = info.find('{');  // behind warnings
  const Json document =
      begin == std::string::npos ? Json() : Json::parse(std::string_view(info).substr(begin), nullptr, false);
  if (!document.is_object() || !document.contains("store")) return {};
  const std::string root = text_at(document["store"], {"graphRoot", "GraphRoot"});
  const std::string driver = text_at(document["store"], {"graphDriverName", "GraphDriverName"});
  return root.empty() || driver.empty() ? fs::path() : fs::path(root) / (driver + "-containers");
}

// The containers with a bundle in this directory, of a runtime's `list --format json`.
std::vector<std::string> containers_below(const fs::path& directory, const std::string& list) {
  std::vector<std::string> found;
  const Json containers = Json::parse(list, nullptr, false);
  if (!containers.is_array()) return found;
  for (const Json& container : containers)
    if (text_at(container, {"bundle"}).starts_with(directory.native() + "/"))
      found.push_back(text_at(container, {"id"}));
  return found;
}

// The containers of builds that had the argument.
std::vector<std::string> containers_of_builds(const fs::path& directory, const std::string& value) {
  std::vector<std::string> found;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    const auto text = read_file_if_exists(entry.path() / "userdata" / "buildah.json");
    const Json document = text ? Json::parse(*text, nullptr, false) : Json();
    if (document.is_object() && document.contains("Args") &&
        text_at(document["Args"], {CleanupLog::kBuilderArgument}) == value)
      found.push_back(entry.path().filename().native());
  }
  return found;
}

}  // namespace

CleanupLog::CleanupLog(fs::path build_directory, std::function<void(const std::string&)> warn, fs::path locks)
    : directory_(std::move(build_directory)),
      file_(directory_ / kFile),
      locks_(std::move(locks)),
      warn_(std::move(warn)) {
  const auto text = read_file_if_exists(file_);
  if (!text) return;
  for (const std::string_view line : split(*text, '\n')) {
    const std::vector<std::string_view> words = split(line, ' ');
    if (words.size() == 3)
      items_.push_back({std::string(words[0]), std::string(words[1]), std::string(words[2])});
  }
  remove_all();
}

CleanupLog::~CleanupLog() {
  remove_all();
}

void CleanupLog::note(Item item) {
  items_.push_back(std::move(item));
  write();
}

void CleanupLog::note_image(const std::string& program, const std::string& name) {
  note({program, "image", name});
}

void CleanupLog::note_containers(const std::string& program, const std::string& label) {
  note({program, "containers", label});
}

void CleanupLog::note_builder(const std::string& program, const fs::path& temporary) {
  builder_ = temporary.lexically_relative(directory_).native();
  note({program, "builder", builder_});
}

void CleanupLog::note_client(const std::string& program) {
  note({program, "client", client_mark(directory_)});
}

void CleanupLog::forget_builder() {
  // Of another, which was killed, something may still be there.
  std::erase_if(items_, [&](const Item& item) {
    return item.kind == "client" || (item.kind == "builder" && item.name == builder_);
  });
  write();
}

std::string CleanupLog::builder_id(const fs::path& build_directory) {
  return sha256(build_directory.native()).hex();
}

std::string CleanupLog::client_mark(const fs::path& build_directory) {
  return std::string(kBuilderArgument) + "=" + builder_id(build_directory);
}

std::chrono::milliseconds CleanupLog::time_limit() {
  const auto wanted = parse_unsigned(environment::value(environment::kCleanupSeconds));
  return std::chrono::seconds(std::min(wanted.value_or(kSeconds), kMostSeconds));
}

void CleanupLog::write() const {
  std::string text;
  for (const Item& item : items_)
    text += item.program + " " + item.kind + " " + item.name + "\n";
  write_file(file_, text, Durable::no);
}

std::optional<std::string> CleanupLog::ask(const std::vector<std::string>& words) {
  message_.clear();
  if (silent_.contains(words[0])) return std::nullopt;
  const auto limit = time_limit();
  const auto begin = std::chrono::steady_clock::now();
  const auto done = run_uninterrupted(words, limit);
  if (done && done->status.success()) return done->output;
  if (done) message_ = done->output;
  if (!done && std::chrono::steady_clock::now() - begin >= limit) {
    silent_.insert(words[0]);
    if (warn_)
      warn_("warning: " + words[0] + " " + words[1] + " did not end within " +
            std::to_string(limit.count() / 1000) + " s; the objects to remove from it are still listed in " +
            file_.native() + ", and the next build retries");
  }
  return std::nullopt;
}

fs::path CleanupLog::lock_file(const std::string& program) const {
  return locks_.empty() || program == "docker" ? fs::path() : locks_ / ("lock." + program);
}

std::optional<FileLock> CleanupLog::lock(const std::string& program) const {
  const fs::path file = lock_file(program);
  if (file.empty()) return std::nullopt;
  return FileLock(file, FileLock::Mode::exclusive);
}

bool CleanupLog::remove_image(const Item& item) {
  std::optional<FileLock> held;
  if (const fs::path file = lock_file(item.program); !file.empty()) {
    // Who loads an image may hang.
    const auto end = std::chrono::steady_clock::now() + time_limit();
    while (!(held = FileLock::try_lock(file, FileLock::Mode::exclusive))) {
      if (std::chrono::steady_clock::now() >= end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  if (ask({item.program, "rmi", "--force", item.name})) return true;
  const CommandStatus status{.code = 1, .output = {}, .message = message_};
  return status.is_absent();
}

bool CleanupLog::remove_containers(const Item& item) {
  const auto list = ask({item.program, "ps", "--all", "--quiet", "--filter", "label=" + item.name});
  if (!list) return false;
  std::vector<std::string> words{item.program, "rm", "--force", "--volumes"};
  const std::size_t options = words.size();
  for (const std::string_view id : split(*list, '\n'))
    if (!id.empty()) words.emplace_back(id);
  return words.size() == options || ask(words);
}

bool CleanupLog::remove_runtime_containers(const Item& item) {
  for (const char* runtime : kRuntimes) {
    if (!find_program(runtime)) continue;
    std::vector<std::string> words{runtime};
    if (::geteuid() != 0) words.insert(words.begin(), {item.program, "unshare"});
    std::vector<std::string> list = words;
    list.insert(list.end(), {"list", "--format", "json"});
    words.insert(words.end(), {"delete", "--force"});
    const auto containers = ask(list);
    if (!containers) return false;
    for (const std::string& id : containers_below(directory_ / item.name, *containers)) {
      std::vector<std::string> command = words;
      command.push_back(id);
      if (!ask(command)) return false;
    }
  }
  return true;
}

bool CleanupLog::remove_builder(const Item& item) {
  // A RUN continues when its builder is killed, in a chroot as under a runtime; and whatever the runtime
  // says.
  const fs::path temporary = directory_ / item.name;
  bool is_ended = remove_runtime_containers(item);
  is_ended = end_processes_rooted_below(temporary, time_limit()) && is_ended;
  is_ended = end_processes_named_from(temporary, time_limit()) && is_ended;
  if (!is_ended) return false;
  // What an ordinary user's RUN has made there belongs to users that exist only in the engine's user
  // namespace.
  if (::geteuid() != 0 && fs::exists(temporary) &&
      !ask({item.program, "unshare", "rm", "-rf", "--", temporary.native()}))
    return false;
  const auto info =
      ask(item.program == "podman" ? std::vector<std::string>{"podman", "info", "--format", "json"}
                                   : std::vector<std::string>{item.program, "info"});
  if (!info) return false;
  std::vector<std::string> words{item.program, "rm"};
  if (item.program == "podman") words.emplace_back("--force");
  const std::size_t options = words.size();
  const std::vector<std::string> containers =
      containers_of_builds(containers_directory(*info), builder_id(directory_));
  words.insert(words.end(), containers.begin(), containers.end());
  return words.size() == options || ask(words);
}

bool CleanupLog::remove(const Item& item) {
  if (item.kind == "builder") return remove_builder(item);
  if (item.kind == "client") return end_processes_marked(item.name, time_limit());
  return item.kind == "containers" ? remove_containers(item) : remove_image(item);
}

void CleanupLog::remove_all() noexcept {
  try {
    // The last first: a container goes before the image that it was made from.
    for (auto item = items_.rbegin(); item != items_.rend(); ++item)
      if (remove(*item)) item->kind.clear();
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

void remove_leftovers(const fs::path& build_directory, const std::function<void(const std::string&)>& warn,
                      const fs::path& locks) {
  if (fs::exists(build_directory / CleanupLog::kFile)) CleanupLog log(build_directory, warn, locks);
}

}  // namespace bottle::container
