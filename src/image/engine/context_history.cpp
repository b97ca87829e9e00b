// SPDX-License-Identifier: Apache-2.0
#include "image/engine/context_history.hpp"

#include <fcntl.h>
#include <sys/random.h>

#include <array>
#include <vector>

#include "util/digest.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::image::engine {
namespace {

constexpr std::string_view kHistorySchema = "bottle-sent 1 ";
constexpr std::uint64_t kMaximumHistory = 1u << 30;
constexpr std::size_t kNameLength = 32;
// A name is used until so many lines a file of the context are noted for it; then the next is begun, and all
// is sent again.
constexpr std::size_t kLinesAnEntry = 20;
constexpr std::size_t kLinesAtLeast = 20'000;

std::string random_name() {
  std::array<char, 32> bytes;
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw_errno("cannot get random bytes", "getrandom");
  return sha256(std::string_view(bytes.data(), bytes.size())).hex().substr(0, kNameLength);
}

}  // namespace

ContextHistory::ContextHistory(fs::path file) : file_(std::move(file)) {
  const auto text = read_file_if_exists(file_, kMaximumHistory);
  // The last line may have been cut off by a crash: then what is known is not all that was sent.
  if (!text || !text->starts_with(kHistorySchema) || !text->ends_with('\n')) return;
  const std::vector<std::string_view> lines = split(*text, '\n');
  for (std::size_t i = 1; i + 1 < lines.size(); ++i) {
    const std::size_t end = lines[i].rfind(' ');
    if (end == std::string_view::npos) return;
    sent_.emplace(lines[i].substr(0, end), lines[i].substr(end + 1));
  }
  random_ = lines[0].substr(kHistorySchema.size());
}

void ContextHistory::add(const std::string& path, const std::string& looks, const std::string& what) {
  const std::string key = escape_word(path) + " " + looks;
  const std::string line = key + " " + what + "\n";
  current_ += line;
  ++entries_;
  const auto [before, is_new] = sent_.emplace(key, what);
  if (is_new) added_ += line;
  is_ambiguous_ = is_ambiguous_ || before->second != what;
}

std::string ContextHistory::name() {
  const bool is_long = sent_.size() > kLinesAtLeast + kLinesAnEntry * entries_;
  if (random_.empty() || is_ambiguous_ || is_long) {
    random_ = random_name();
    write_file(file_, std::string(kHistorySchema) + random_ + "\n" + current_, Durable::no);
  } else if (!added_.empty()) {
    const Fd file(::open(file_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    if (!file) throw_errno("cannot write", file_.native());
    write_all(file.get(), std::as_bytes(std::span(added_)), file_.native());
  }
  // A copy of the build directory has another name.
  return sha256(random_ + " " + fs::absolute(file_).native()).hex().substr(0, kNameLength);
}

}  // namespace bottle::image::engine
