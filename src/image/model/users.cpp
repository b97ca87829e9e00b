// SPDX-License-Identifier: Apache-2.0
#include "image/model/users.hpp"

#include <fmt/format.h>

#include <charconv>

#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::image {
inline namespace model {
namespace {

constexpr std::uint64_t kMaximumFile = 10u << 20;

std::string_view trimmed(std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r\v\f";
  const std::size_t first = line.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kBlanks) + 1 - first);
}

std::uint32_t number_or_zero(std::string_view text) {
  const auto number = parse_unsigned(text);
  return number && *number <= UINT32_MAX ? static_cast<std::uint32_t>(*number) : 0;
}

// The fields of the first line whose first field is the name.
std::optional<std::vector<std::string_view>> find_line(std::string_view text, std::string_view name) {
  for (const std::string_view line : split(text, '\n')) {
    auto fields = split(trimmed(line), ':');
    if (!fields.empty() && !fields.front().empty() && fields.front() == name) return fields;
  }
  return std::nullopt;
}

// BuildKit's numbers: decimal with an optional sign (Go's strconv.ParseInt for 32 bits), and the word "root".
// A negative number becomes unsigned; lchown(2) leaves the owner alone for -1, which is that of a new file,
// 0.
std::optional<std::uint32_t> as_number(std::string_view text) {
  if (text == "root") return 0;
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::int32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number == -1 ? 0 : static_cast<std::uint32_t>(number);
}

std::optional<std::string> read_system_file(const oci::MergedTree& tree, const std::string& path,
                                            const ReadContent& read) {
  const auto resolved = tree.resolve(path, true);
  const oci::MergedTree::Node* node = resolved ? tree.find(*resolved) : nullptr;
  if (node == nullptr) return std::nullopt;
  const oci::Entry& entry = *node->inode;
  if (entry.type != oci::EntryType::file)
    throw Error(fmt::format("/{} in the image is not a regular file", path));
  if (entry.size > kMaximumFile) {
    throw Error(fmt::format("/{} in the image is {}, expected at most {}", path, human_size(entry.size),
                            human_size(kMaximumFile)));
  }
  return entry.size == 0 ? std::string() : read(entry, tree.roots());
}

}  // namespace

std::optional<Owner> find_in_passwd(std::string_view text, std::string_view name) {
  const auto fields = find_line(text, name);
  if (!fields) return std::nullopt;
  return Owner{fields->size() > 2 ? number_or_zero((*fields)[2]) : 0,
               fields->size() > 3 ? number_or_zero((*fields)[3]) : 0};
}

std::optional<std::uint32_t> find_in_group(std::string_view text, std::string_view name) {
  const auto fields = find_line(text, name);
  if (!fields) return std::nullopt;
  return fields->size() > 2 ? number_or_zero((*fields)[2]) : 0;
}

Owner resolve_owner(std::string_view text, const oci::MergedTree& tree, const ReadContent& read,
                    const Warn& warn) {
  const auto look_up = [&](const char* path, std::string_view name) {
    if (tree.root().children.empty()) {
      throw Error(fmt::format("cannot look up \"{}\": the image has no /{}", name, path),
                  {.hint = "write the number instead of the name"});
    }
    return read_system_file(tree, path, read);
  };
  const auto unknown = [&](const char* kind, const char* path, std::string_view name) {
    if (warn) warn(fmt::format("{} \"{}\" is not in /{} of the image: 0 is used", kind, name, path));
  };

  Owner owner;
  const std::size_t colon = text.find(':');
  const std::string_view user = text.substr(0, colon);
  if (const auto number = as_number(user)) {
    owner = {*number, *number};
  } else {
    const auto passwd = look_up("etc/passwd", user);
    const auto found = passwd ? find_in_passwd(*passwd, user) : std::nullopt;
    if (!found) unknown("user", "etc/passwd", user);
    owner = found.value_or(Owner{});
  }
  if (colon == std::string_view::npos) return owner;
  const std::string_view group = text.substr(colon + 1);
  if (const auto number = as_number(group)) {
    owner.gid = *number;
  } else {
    const auto groups = look_up("etc/group", group);
    const auto found = groups ? find_in_group(*groups, group) : std::nullopt;
    if (!found) unknown("group", "etc/group", group);
    owner.gid = found.value_or(owner.gid);
  }
  return owner;
}

}  // namespace model
}  // namespace bottle::image
