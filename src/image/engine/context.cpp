// SPDX-License-Identifier: Apache-2.0
#include "image/engine/context.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <set>
#include <system_error>

#include "image/engine/context_history.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/text.hpp"

namespace bottle::image::engine {
namespace {

constexpr const char* kTree = "tree";
constexpr const char* kSent = "sent";
// One line an entry: what it is, how the file system describes it, its path; words of escape_word().
constexpr const char* kRecord = "record";
constexpr const char* kSchema = "bottle-context 1";

struct Staged {
  std::string what;
  std::string status;
};
using Record = std::map<std::string, Staged>;  // by path

char letter(oci::EntryType type) {
  switch (type) {
    case oci::EntryType::directory:
      return 'd';
    case oci::EntryType::file:
      return 'f';
    case oci::EntryType::symlink:
      return 'l';
    case oci::EntryType::hardlink:
      return 'h';
    case oci::EntryType::fifo:
      return 'p';
    default:
      return 'x';
  }
}

std::string what(const oci::Entry& entry) {
  std::string text(1, letter(entry.type));
  text += ":" + std::to_string(entry.mode) + ":" + std::to_string(entry.mtime) + ":";
  if (entry.type == oci::EntryType::file) text += entry.digest.hex();
  return text + escape_word(entry.link);
}

std::string status_of(const fs::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return "absent";
  const auto time = [](const timespec& value) {
    return std::to_string(value.tv_sec) + "." + std::to_string(value.tv_nsec);
  };
  return std::to_string(status.st_ino) + ":" + std::to_string(status.st_mode) + ":" +
         std::to_string(status.st_size) + ":" + time(status.st_mtim) + ":" + time(status.st_ctim);
}

// Of all that is in the entry: no builder has to look at more than a time.
std::int64_t nanoseconds_of(const oci::Entry& entry, ContextTimes times) {
  if (times == ContextTimes::whole || entry.type == oci::EntryType::directory) return 0;
  const std::string digits = sha256(what(entry)).hex().substr(0, 12);
  return static_cast<std::int64_t>(parse_unsigned(digits, 16).value_or(0) % 1'000'000'000);
}

// The last part of the path of the tree. See engine/sent.hpp.
std::string tree_name(const oci::LayerIndex& index, const fs::path& directory, ContextTimes times) {
  if (times == ContextTimes::whole) return kTree;
  ContextHistory history(directory / kSent);
  for (const oci::Entry& entry : index.entries) {
    const bool is_directory = entry.type == oci::EntryType::directory;
    const std::uint64_t size = entry.type == oci::EntryType::file ? entry.size : entry.link.size();
    history.add(entry.path,
                is_directory ? "d"
                             : std::to_string(size) + ":" + std::to_string(entry.mtime) + "." +
                                   std::to_string(nanoseconds_of(entry, times)),
                what(entry));
  }
  return history.name();
}

void set_time(const fs::path& path, std::int64_t seconds, std::int64_t nanoseconds) {
  const timespec time{.tv_sec = seconds, .tv_nsec = nanoseconds};
  const timespec times[2] = {time, time};
  if (::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
    throw_errno("cannot set the times of", path.native());
}

class ContextWriter {
 public:
  ContextWriter(const oci::LayerIndex& index, const oci::ContentReader& reader, const fs::path& directory,
                std::int64_t seconds, ContextTimes times)
      : index_(index),
        reader_(reader),
        directory_(directory),
        tree_(directory / tree_name(index, directory, times)),
        record_(directory / kRecord),
        seconds_(seconds),
        times_(times) {}

  fs::path run() {
    std::optional<Record> before = read_record();
    if (before && !is_as(*before)) before.reset();
    // Until all is done, the content of the directory is unknown.
    std::error_code error;
    fs::remove(record_, error);
    if (!before) {
      for (const fs::directory_entry& old : fs::directory_iterator(directory_))
        if (old.path().filename() != kSent) fs::remove_all(old.path());
      make_directories(tree_);
      before.emplace();
    }
    std::set<std::string> kept;
    for (const oci::Entry& entry : index_.entries) {
      const auto old = before->find(entry.path);
      if (old != before->end() && old->second.what == what(entry)) kept.insert(entry.path);
    }
    remove_old(*before, kept);
    for (const oci::Entry& entry : index_.entries) {
      check_interrupted();
      if (!kept.contains(entry.path)) make(entry);
    }
    // From the last to the first: what is made in a directory changes its time.
    for (auto entry = index_.entries.rbegin(); entry != index_.entries.rend(); ++entry)
      if (entry->type == oci::EntryType::directory || !kept.contains(entry->path))
        set_time(tree_ / entry->path, entry->mtime, nanoseconds_of(*entry, times_));
    set_time(tree_, seconds_, 0);
    write_record();
    return tree_;
  }

 private:
  std::string header() const {
    return std::string(kSchema) + " " + tree_.filename().native() + " " + std::to_string(seconds_);
  }

  std::optional<Record> read_record() const {
    const auto text = read_file_if_exists(record_, std::uint64_t{1} << 30);
    if (!text) return std::nullopt;
    Record record;
    bool is_first = true;
    for (const std::string_view line : split(*text, '\n')) {
      if (is_first && line != header()) return std::nullopt;
      if (!is_first && !line.empty()) {
        const std::vector<std::string_view> words = split(line, ' ');
        const auto path = words.size() == 3 ? unescape_word(words[2]) : std::nullopt;
        if (!path || words[0].starts_with("h")) return std::nullopt;  // names of one file: recreated together
        record[*path] = {std::string(words[0]), std::string(words[1])};
      }
      is_first = false;
    }
    return record;
  }

  // The staged files are unchanged, and there are no others.
  bool is_as(const Record& record) const {
    for (const auto& [path, staged] : record)
      if (status_of(tree_ / path) != staged.status) return false;
    return true;
  }

  // What is no longer needed, or is recreated. A directory that remains a directory stays.
  void remove_old(const Record& before, const std::set<std::string>& kept) const {
    std::set<std::string> directories;
    for (const oci::Entry& entry : index_.entries)
      if (entry.type == oci::EntryType::directory) directories.insert(entry.path);
    for (auto old = before.rbegin(); old != before.rend(); ++old)
      if (!old->first.empty() && !kept.contains(old->first) &&
          !(old->second.what.starts_with("d") && directories.contains(old->first)))
        fs::remove_all(tree_ / old->first);
  }

  void make(const oci::Entry& entry) const {
    const fs::path path = tree_ / entry.path;
    switch (entry.type) {
      case oci::EntryType::directory:
        make_directories(path);
        if (::chmod(path.c_str(), entry.mode | 0700) != 0)
          throw_errno("cannot set the permissions of", path.native());
        break;
      case oci::EntryType::file:
        make_file(entry, path);
        break;
      case oci::EntryType::symlink:
        fs::create_symlink(entry.link.view(), path);
        break;
      case oci::EntryType::hardlink:
        fs::create_hard_link(tree_ / entry.link.view(), path);
        break;
      case oci::EntryType::fifo:
        if (::mkfifo(path.c_str(), entry.mode) != 0) throw_errno("cannot create", path.native());
        break;
      default:
        throw Error("cannot pass a device file to an engine other than builtin",
                    {.where = entry.path, .hint = "exclude it in .dockerignore"});
    }
  }

  void make_file(const oci::Entry& entry, const fs::path& path) const {
    const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) throw_errno("cannot create", path.native());
    reader_.read_verified(entry, index_.roots, [&](std::span<const std::byte> data) {
      write_all(file.get(), data, path.native());
    });
    if (::fchmod(file.get(), entry.mode) != 0) throw_errno("cannot set the permissions of", path.native());
  }

  void write_record() const {
    std::string text = header() + "\n";
    const auto add = [&](const std::string& path, const std::string& kind) {
      text += kind + " " + status_of(tree_ / path) + " " + escape_word(path) + "\n";
    };
    bool has_top = false;
    for (const oci::Entry& entry : index_.entries) {
      add(entry.path, what(entry));
      has_top = has_top || entry.path.empty();
    }
    if (!has_top) add("", "d");
    write_file(record_, text, Durable::no);
  }

  const oci::LayerIndex& index_;
  const oci::ContentReader& reader_;
  fs::path directory_;
  fs::path tree_;
  fs::path record_;
  std::int64_t seconds_;
  ContextTimes times_;
};

}  // namespace

fs::path stage_context(const oci::LayerIndex& index, const oci::ContentReader& reader,
                       const fs::path& directory, std::int64_t seconds, ContextTimes times) {
  make_directories(directory);
  return ContextWriter(index, reader, directory, seconds, times).run();
}

}  // namespace bottle::image::engine
