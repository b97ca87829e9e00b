// SPDX-License-Identifier: Apache-2.0
#include "registry/registries_conf.hpp"

#include <algorithm>

#include "registry/toml.hpp"
#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

constexpr std::uint64_t kMaximumConf = 4u << 20;

// One table of a file, for members with a type.
class Table {
 public:
  Table(const OrderedJson& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) throw Error("expected a table", {.where = where_});
  }
  std::string text(const char* name) const {
    const auto found = object_.find(name);
    if (found == object_.end()) return {};
    if (!found->is_string()) throw Error("expected a string", {.where = member(name)});
    return found->get<std::string>();
  }
  bool flag(const char* name) const {
    const auto found = object_.find(name);
    if (found == object_.end()) return false;
    if (!found->is_boolean()) throw Error("expected true or false", {.where = member(name)});
    return found->get<bool>();
  }
  std::vector<Table> tables(const char* name) const {
    std::vector<Table> result;
    const auto found = object_.find(name);
    if (found == object_.end()) return result;
    if (!found->is_array()) throw Error("expected an array of tables", {.where = member(name)});
    for (std::size_t i = 0; i < found->size(); ++i)
      result.emplace_back((*found)[i], member(name) + "[" + std::to_string(i) + "]");
    return result;
  }
  std::string location(const char* name) const {
    std::string value = text(name);
    while (value.ends_with('/'))
      value.pop_back();
    if (value.find("://") != std::string::npos)
      throw Error(
          "expected host[:port][/path] without a scheme, found \"" + escape_word(value.substr(0, 300)) + '"',
          {.where = member(name)});
    return value;
  }
  const std::string& where() const { return where_; }

 private:
  std::string member(const char* name) const { return where_ + (where_.ends_with('#') ? "" : ".") + name; }

  const OrderedJson& object_;
  std::string where_;
};

RegistryMirror parse_mirror(const Table& table, bool by_digest_only) {
  RegistryMirror mirror{.location = table.location("location"), .insecure = table.flag("insecure")};
  if (mirror.location.empty()) throw Error("expected a location", {.where = table.where()});
  const std::string use = table.text("pull-from-mirror");
  if (use == "digest-only" || (use.empty() && by_digest_only)) {
    mirror.use = MirrorUse::digest_only;
  } else if (use == "tag-only") {
    mirror.use = MirrorUse::tag_only;
  } else if (!use.empty() && use != "all") {
    throw Error("expected all, digest-only or tag-only, found \"" + escape_word(use.substr(0, 100)) + '"',
                {.where = table.where() + ".pull-from-mirror"});
  }
  return mirror;
}

// The length of what the rule's prefix stands for at the beginning of `name`; nullopt if it has not the
// prefix.
std::optional<std::size_t> matched_length(const RegistryRule& rule, const std::string& name) {
  std::size_t length = rule.prefix.size();
  if (rule.prefix.starts_with("*.")) {
    const std::size_t end = std::min(name.find_first_of(":/"), name.size());
    if (!std::string_view(name).substr(0, end).ends_with(std::string_view(rule.prefix).substr(1)))
      return std::nullopt;
    length = end;
  } else if (!name.starts_with(rule.prefix)) {
    return std::nullopt;
  }
  if (length == name.size() || name[length] == '/') return length;
  // "example.com" is not a prefix of "example.com:5000/x", which is another registry.
  return name[length] == ':' && rule.prefix.starts_with("*.") ? std::optional(length) : std::nullopt;
}

void add_file(const fs::path& file, std::vector<RegistryRule>& rules) {
  const auto text = read_file_if_exists(file, kMaximumConf);
  if (!text) return;
  for (RegistryRule& rule : parse_registries_conf(*text, file.native()))
    rules.push_back(std::move(rule));
}

void add_directory(const fs::path& directory, std::vector<RegistryRule>& rules) {
  std::vector<fs::path> files;
  std::error_code error;  // most systems have no such directory
  for (fs::directory_iterator entry(directory, error); !error && entry != fs::directory_iterator();
       entry.increment(error))
    if (entry->path().extension() == ".conf") files.push_back(entry->path());
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files)
    add_file(file, rules);
}

}  // namespace

std::vector<RegistryRule> parse_registries_conf(std::string_view text, const std::string& file) {
  const OrderedJson document = parse_toml(text, file);
  std::vector<RegistryRule> rules;
  for (const Table& table : Table(document, file + "#").tables("registry")) {
    RegistryRule rule{.prefix = table.location("prefix"),
                      .location = table.location("location"),
                      .insecure = table.flag("insecure"),
                      .blocked = table.flag("blocked"),
                      .mirrors = {},
                      .file = file};
    if (rule.prefix.empty()) rule.prefix = rule.location;
    if (rule.prefix.empty()) throw Error("expected a prefix or a location", {.where = table.where()});
    for (const Table& mirror : table.tables("mirror"))
      rule.mirrors.push_back(parse_mirror(mirror, table.flag("mirror-by-digest-only")));
    rules.push_back(std::move(rule));
  }
  return rules;
}

RegistriesConf::RegistriesConf(const std::vector<RegistryRule>& rules) {
  for (const RegistryRule& rule : rules) {
    // Of a prefix the last file counts, and in it the first table, as with containers/image.
    const bool is_repeated = std::any_of(rules_.begin(), rules_.end(), [&](const RegistryRule& other) {
      return other.prefix == rule.prefix && other.file == rule.file;
    });
    if (is_repeated) continue;
    std::erase_if(rules_, [&](const RegistryRule& other) { return other.prefix == rule.prefix; });
    rules_.push_back(rule);
  }
}

RegistriesConf RegistriesConf::load() {
  const fs::path system = "/etc/containers";
  const std::string configuration = environment::value(environment::kXdgConfigHome);
  const std::string home = environment::value(environment::kHome);
  const fs::path user = !configuration.empty() ? fs::path(configuration) / "containers"
                        : !home.empty()        ? fs::path(home) / ".config/containers"
                                               : fs::path();
  std::vector<RegistryRule> rules;
  const std::string chosen = environment::value(environment::kContainersRegistriesConf);
  std::error_code error;
  const bool own = chosen.empty() && !user.empty() && fs::exists(user / "registries.conf", error);
  add_file(!chosen.empty() ? fs::path(chosen) : (own ? user : system) / "registries.conf", rules);
  if (!own) add_directory(system / "registries.conf.d", rules);
  if (!user.empty()) add_directory(user / "registries.conf.d", rules);
  return RegistriesConf(rules);
}

const RegistryRule* RegistriesConf::find(const std::string& name) const {
  const RegistryRule* best = nullptr;
  for (const RegistryRule& rule : rules_)
    if (matched_length(rule, name) && (best == nullptr || rule.prefix.size() > best->prefix.size()))
      best = &rule;
  return best;
}

std::string relocated(const RegistryRule& rule, const std::string& location, const std::string& name) {
  if (location.empty()) return name;
  const auto length = matched_length(rule, name);
  return length ? location + name.substr(*length) : name;
}

}  // namespace bottle::registry
