// SPDX-License-Identifier: Apache-2.0
#include "gate/template.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include <kainjow/mustache.hpp>

#include "util/error.hpp"
#include "util/shell_quote.hpp"
#include "util/text.hpp"

namespace bottle::gate {
namespace {

namespace mustache = kainjow::mustache;

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// All the names a section's items may have: those of every item, since a list may be empty or its items may
// differ.
struct TagNames {
  std::set<std::string> values;
  std::set<std::string> flags;
  std::map<std::string, TagNames> lists;
};

void gather(const Scope& scope, TagNames& names) {
  for (const auto& [name, value] : scope.values)
    names.values.insert(name);
  for (const auto& [name, flag] : scope.flags)
    names.flags.insert(name);
  for (const auto& [name, items] : scope.lists)
    for (TagNames& inner = names.lists[name]; const Scope& item : items)
      gather(item, inner);
  for (const auto& [name, values] : scope.item_values)
    names.lists[name].values.insert(values.begin(), values.end());
}

class TagCheck {
 public:
  TagCheck(const std::string& text, const std::string& name, const TagNames& names,
           std::set<std::string>& used)
      : text_(text), name_(name), used_(used) {
    scopes_.push_back(&names);
  }

  void run() {
    std::size_t at = 0;
    while ((at = text_.find("{{", at)) != std::string::npos) {
      if (text_.compare(at, 3, "{{{") == 0) fail(at, "the unescaped form {{{...}}}");
      const std::size_t end = text_.find("}}", at);
      if (end == std::string::npos) fail(at, "a tag without \"}}\"");
      tag(at, trimmed(text_.substr(at + 2, end - at - 2)));
      at = end + 2;
    }
    if (!open_.empty())
      fail(open_.back().at, "the section {{#" + open_.back().name + "}}, which is not closed");
  }

 private:
  struct Open {
    std::string name;
    std::size_t at;
    bool entered;
  };

  [[noreturn]] void fail(std::size_t at, const std::string& found, std::string hint = "") const {
    const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    throw Error(
        "expected a template of {{name}}, {{#name}}, {{^name}}, {{/name}} and {{! comment }}, found " + found,
        {.where = fmt::format("{}:{}", name_, line), .hint = std::move(hint)});
  }

  void tag(std::size_t at, const std::string& content) {
    if (content.empty()) fail(at, "an empty tag");
    const char sigil = content.front();
    const std::string rest = trimmed(content.substr(1));
    switch (sigil) {
      case '!':
        return;
      case '&':
        fail(at, "the unescaped form {{&...}}");
      case '>':
        fail(at, "a partial, {{>...}}");
      case '=':
        fail(at, "a change of delimiters, {{=...=}}");
      case '#':
      case '^':
        section(at, rest, sigil == '#');
        return;
      case '/':
        end(at, rest);
        return;
      default:
        variable(at, content);
    }
  }

  void variable(std::size_t at, const std::string& name) {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
      if ((*scope)->values.count(name) > 0) {
        used_.insert(name);
        return;
      }
    unknown(at, name);
  }

  void section(std::size_t at, const std::string& name, bool entered) {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      const auto list = (*scope)->lists.find(name);
      if (list == (*scope)->lists.end() && (*scope)->flags.count(name) == 0) continue;
      used_.insert(name);
      static const TagNames none;
      open_.push_back({name, at, entered});
      scopes_.push_back(entered && list != (*scope)->lists.end() ? &list->second : &none);
      return;
    }
    unknown(at, name);
  }

  void end(std::size_t at, const std::string& name) {
    if (open_.empty() || open_.back().name != name)
      fail(at, "the end of a section that is not open, {{/" + name + "}}");
    open_.pop_back();
    scopes_.pop_back();
  }

  [[noreturn]] void unknown(std::size_t at, const std::string& name) const {
    std::vector<std::string> candidates;
    for (const TagNames* scope : scopes_) {
      candidates.insert(candidates.end(), scope->values.begin(), scope->values.end());
      candidates.insert(candidates.end(), scope->flags.begin(), scope->flags.end());
      for (const auto& [list, inner] : scope->lists)
        candidates.push_back(list);
    }
    const auto near = nearest(name, candidates);
    std::string known;
    for (const std::string& candidate : candidates)
      known += (known.empty() ? "" : ", ") + candidate;
    fail(at, "the unknown name \"" + name + "\"; known names are: " + known,
         near ? "did you mean {{" + *near + "}}?" : "");
  }

  const std::string& text_;
  const std::string& name_;
  std::set<std::string>& used_;
  std::vector<const TagNames*> scopes_;
  std::vector<Open> open_;
};

mustache::data data_of(const Scope& scope) {
  mustache::data data;
  for (const auto& [name, value] : scope.values)
    data.set(name, value);
  for (const auto& [name, flag] : scope.flags)
    data.set(name, flag ? mustache::data::type::bool_true : mustache::data::type::bool_false);
  for (const auto& [name, items] : scope.lists) {
    mustache::data list{mustache::data::type::list};
    for (const Scope& item : items)
      list << data_of(item);
    data.set(name, list);
  }
  return data;
}

}  // namespace

std::string render_template(const std::string& text, const std::string& name, const Scope& scope,
                            Values values, std::set<std::string>& used) {
  TagNames names;
  gather(scope, names);
  TagCheck(text, name, names, used).run();
  mustache::mustache rendered(text);
  if (!rendered.is_valid())
    throw Error("not a Mustache template: " + rendered.error_message(), {.where = name});
  rendered.set_custom_escape([values](const std::string& value) {
    return values == Values::real ? shell_quote(value) : kMarkedWord;
  });
  std::string result = rendered.render(data_of(scope));
  if (!rendered.is_valid()) throw Error("cannot render: " + rendered.error_message(), {.where = name});
  return result;
}

}  // namespace bottle::gate
