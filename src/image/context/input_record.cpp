// SPDX-License-Identifier: Apache-2.0
#include "image/context/input_record.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string_view>

#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/parallel.hpp"
#include "util/trace.hpp"

namespace bottle::image::context {

namespace {

constexpr std::string_view kMagic = "bottle-input-record 1\n";
constexpr std::uint64_t kLimit = 1ull << 30;
constexpr const char* kName = "inputs.record";
// Two ticks of the slowest clock that Linux takes file times from (HZ=100); ns.
constexpr std::int64_t kClockTicks = 20'000'000;
constexpr std::size_t kBlock = 2048;  // paths, for a thread

struct Header {
  std::uint64_t count = 0;
  std::uint64_t text_size = 0;
};

std::string epoch_line() {
  return environment::value(environment::kSourceDateEpoch) + "\n";
}

// One path after the other: a directory is looked up once for all names in it that follow each other.
class Looker {
 public:
  RecordedInput look(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string_view parent = std::string_view(path).substr(0, slash);
    if (parent != parent_ || !directory_) {
      parent_ = parent;
      directory_ = Fd(::open(parent.empty() ? "/" : parent_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
    const char* name = path.c_str() + slash + 1;
    struct stat status {};
    const bool is_there = directory_ && ::fstatat(directory_.get(), *name == '\0' ? "." : name, &status,
                                                  AT_SYMLINK_NOFOLLOW) == 0;
    if (!is_there) return {.status = {}, .mode = 0, .path_size = static_cast<std::uint32_t>(path.size())};
    return {.status = FileStatus::of(status),
            .mode = status.st_mode,
            .path_size = static_cast<std::uint32_t>(path.size())};
  }

 private:
  std::string parent_;
  Fd directory_;
};

struct Place {
  RecordedInput input;
  std::string_view path;
};

// Of the whole file; nullopt if it is not one.
std::optional<std::vector<Place>> parse(std::string_view data) {
  static_assert(sizeof(RecordedInput) == 48, "as the header of this file says");
  Header header;
  if (!data.starts_with(kMagic) || data.size() < kMagic.size() + sizeof header) return std::nullopt;
  std::memcpy(&header, data.data() + kMagic.size(), sizeof header);
  data.remove_prefix(kMagic.size() + sizeof header);
  if (header.count > data.size() / sizeof(RecordedInput) ||
      data.size() - header.count * sizeof(RecordedInput) != header.text_size)
    return std::nullopt;
  std::string_view text = data.substr(header.count * sizeof(RecordedInput));
  const std::string epoch = epoch_line();
  if (!text.starts_with(epoch)) return std::nullopt;
  text.remove_prefix(epoch.size());
  std::vector<Place> places(header.count);
  for (Place& place : places) {
    std::memcpy(static_cast<void*>(&place.input), data.data(), sizeof place.input);
    data.remove_prefix(sizeof place.input);
    if (place.input.path_size > text.size() || !text.starts_with('/')) return std::nullopt;
    place.path = text.substr(0, place.input.path_size);
    text.remove_prefix(place.input.path_size);
  }
  return places;
}

}  // namespace

InputRecord::InputRecord(const std::vector<Dependency>& dependencies, std::int64_t begin)
    : inputs_(dependencies.size()), text_(epoch_line()) {
  Looker looker;
  for (std::size_t i = 0; i < dependencies.size(); ++i) {
    const std::string& path = dependencies[i].path;
    inputs_[i] = looker.look(path);
    text_ += path;
    if (inputs_[i].status.ctime_ns <= begin - kClockTicks) continue;
    is_settled_ = false;
    inputs_[i] = {.status = {}, .mode = 0, .path_size = static_cast<std::uint32_t>(path.size())};
  }
}

void InputRecord::write(const fs::path& directory) const {
  const Header header{inputs_.size(), text_.size()};
  std::string whole(kMagic);
  whole.append(reinterpret_cast<const char*>(&header), sizeof header);
  whole.append(reinterpret_cast<const char*>(inputs_.data()), inputs_.size() * sizeof(RecordedInput));
  whole += text_;
  write_file(directory / kName, whole, Durable::no);
}

std::optional<std::string> InputRecord::find_change(const fs::path& directory) {
  const auto data = read_file_if_exists(directory / kName, kLimit);
  const auto places = data ? parse(*data) : std::nullopt;
  if (!places) return "";
  const std::size_t blocks = (places->size() + kBlock - 1) / kBlock;
  std::atomic<std::size_t> changed{places->size()};
  parallel_for(blocks, std::min(blocks, default_threads()), [&](std::size_t block) {
    Looker looker;
    const std::size_t end = std::min(places->size(), (block + 1) * kBlock);
    for (std::size_t i = block * kBlock; i < end && changed == places->size(); ++i)
      if (!(looker.look(std::string((*places)[i].path)) == (*places)[i].input)) changed = i;
  });
  if (changed == places->size()) return std::nullopt;
  return std::string((*places)[changed].path);
}

std::size_t scan_inputs(const fs::path& list) {
  const Json document = parse_json(read_file(list), list.native());
  std::size_t touched = 0;
  for (const std::string& name : JsonView(document, list.native() + "#").strings()) {
    const fs::path directory = name;
    const fs::path stamp = directory / "inputs.stamp";
    std::error_code none;
    const auto change = InputRecord::find_change(directory);
    if (!change && fs::exists(stamp, none)) continue;
    make_directories(directory);
    touch(stamp);
    ++touched;
  }
  trace_step("bottle-fingerprint", "", "scan", touched == 0 ? "unchanged" : "changed",
             {{"bottles", std::to_string(touched)}});
  return touched;
}

}  // namespace bottle::image::context
