// SPDX-License-Identifier: Apache-2.0
#include "gate/render.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "gate/script_check.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::gate {
namespace {

constexpr std::string_view kSuffix = ".mustache";
constexpr std::uint64_t kLargestTemplate = 1u << 20;
constexpr const char* kFacts = "gate.json";

// Which parts of a template an item makes appear; with marked values nothing else of it matters.
std::string shape(const Scope& scope) {
  std::string text;
  for (const auto& [name, flag] : scope.flags)
    text += name + (flag ? "+" : "-");
  for (const auto& [name, items] : scope.lists) {
    text += name + "(";
    for (const Scope& item : items)
      text += shape(item) + ",";
    text += ")";
  }
  return text;
}

// Two items of each shape suffice to check where values stand.
Scope reduced(const Scope& scope) {
  Scope result = scope;
  for (auto& [name, items] : result.lists) {
    std::map<std::string, int> seen;
    std::vector<Scope> kept;
    for (const Scope& item : items) {
      Scope small = reduced(item);
      if (seen[shape(small)]++ < 2) kept.push_back(std::move(small));
    }
    items = std::move(kept);
  }
  return result;
}

std::vector<fs::path> template_files(const fs::path& directory) {
  std::error_code error;
  fs::directory_iterator entries(directory, error);
  if (error)
    throw Error("cannot read the template directory: " + error.message(), {.where = directory.native()});
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : entries)
    if (entry.path().extension() == kSuffix) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  if (files.empty())
    throw Error("expected files with the ending .mustache, found none", {.where = directory.native()});
  return files;
}

void check_name(const std::string& name, const std::string& where) {
  for (const char c : name)
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '"' || c == '\\')
      throw Error("expected a file name without blanks, control characters, quotes and backslashes",
                  {.where = where});
  if (name.empty() || name.front() == '.')
    throw Error("expected a file name before .mustache", {.where = where});
}

void refuse_unused(const Description& description, const std::set<std::string>& used,
                   const fs::path& templates) {
  for (const std::string& name : description.given) {
    if (used.count(name) > 0) continue;
    const std::vector<std::string> candidates(used.begin(), used.end());
    const auto near = nearest(name, candidates);
    throw Error(fmt::format("the description sets \"{}\", which no template uses", name),
                {.where = templates.native(),
                 .hint = near ? "the templates use {{" + *near + "}}"
                              : "add {{" + name + "}} to a template, or remove the member"});
  }
}

std::vector<std::string> files_of_earlier(const fs::path& directory) {
  const auto text = read_file_if_exists(directory / kFacts);
  if (!text) return {};
  const Json json = parse_json(*text, (directory / kFacts).native());
  return JsonView(json, (directory / kFacts).native() + "#").at("files").strings();
}

}  // namespace

RenderedScripts render_gate(const Description& description, const std::string& slug,
                            const fs::path& templates) {
  RenderedScripts result;
  const fs::path directory = fs::absolute(templates).lexically_normal();
  result.inputs.push_back(directory.native());
  const Scope scope = variables_of(description, slug);
  const Scope small = reduced(scope);
  std::set<std::string> used;
  std::map<std::string, std::string> scripts;
  std::map<std::string, std::string> marked;
  for (const fs::path& file : template_files(directory)) {
    const std::string name = file.stem().native();
    check_name(name, file.native());
    result.inputs.push_back(file.native());
    const std::string text = read_file(file, kLargestTemplate);
    RenderedFile rendered;
    rendered.content = render_template(text, file.native(), scope, Values::real, used);
    rendered.executable = rendered.content.compare(0, 2, "#!") == 0;
    marked[name] = render_template(text, file.native(), small, Values::marked, used);
    check_places_of_values(marked[name], file.native());
    scripts[name] = rendered.content;
    result.files[name] = std::move(rendered);
  }
  refuse_unused(description, used, directory);
  check_scripts(scripts, marked, directory.native());
  const auto add = [&](const std::string& name, std::string content) {
    if (!result.files.insert({name, {std::move(content), false}}).second)
      throw Error("unexpected template for " + name + ", which is generated from the description",
                  {.where = (directory / (name + std::string(kSuffix))).native()});
  };
  add("known_hosts", known_hosts_of(description));
  if (description.kind == Kind::git) add("gitleaks.toml", scanner_rules_of(description));
  std::vector<std::string> names{kFacts};
  for (const auto& [name, file] : result.files)
    names.push_back(name);
  std::sort(names.begin(), names.end());
  add(kFacts, launch_facts_of(description, slug, names));
  return result;
}

WriteOutcome write_rendered(const RenderedScripts& rendered, const fs::path& directory) {
  WriteOutcome outcome;
  make_directories(directory);
  const std::vector<std::string> earlier = files_of_earlier(directory);
  std::vector<std::string> gone;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().native();
    if (rendered.files.count(name) > 0) continue;
    if (name.front() == '.' && name.size() > 4 && name.compare(name.size() - 4, 4, ".tmp") == 0) continue;
    if (std::find(earlier.begin(), earlier.end(), name) == earlier.end())
      throw Error("expected a directory with rendered files only, found \"" + name + "\"",
                  {.where = directory.native(), .hint = "choose a separate directory for this gate"});
    gone.push_back(name);
  }
  // What is gone goes first: were the list of files written before, a crash in between would leave a
  // stranger.
  for (const std::string& name : gone) {
    fs::remove(directory / name);
    outcome.removed.push_back(name);
  }
  for (const auto& [name, file] : rendered.files) {
    const fs::path path = directory / name;
    const mode_t mode = file.executable ? 0755 : 0644;
    struct stat status {};
    const bool there = ::lstat(path.c_str(), &status) == 0;
    if (there && S_ISREG(status.st_mode) && (status.st_mode & 07777) == mode &&
        read_file(path) == file.content)
      continue;
    AtomicFile out(path, mode);
    out.write(file.content);
    if (::fchmod(out.descriptor(), mode) != 0) throw_errno("cannot set the permissions of", path.native());
    out.commit();
    outcome.written.push_back(name);
  }
  return outcome;
}

}  // namespace bottle::gate
