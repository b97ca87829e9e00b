// SPDX-License-Identifier: Apache-2.0
// Templates of shell scripts: Mustache (mustache(5)) of which only what is safe in a script is left.
//
//   {{name}}                     the value as one quoted word (util/shell_quote.hpp)
//   {{#name}}...{{/name}}        once for each item of a list, or if a flag is set
//   {{^name}}...{{/name}}        if the list is empty or the flag is not set
//   {{! comment }}
//
// The unescaped forms {{{name}}} and {{&name}}, partials and other delimiters are errors.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace bottle::gate {

// What a template can name. Inside a section of a list, an item's names go before those around it.
struct Scope {
  std::map<std::string, std::string> values;
  std::map<std::string, bool> flags;
  std::map<std::string, std::vector<Scope>> lists;
  std::map<std::string, std::vector<std::string>>
      item_values;  // for a list that may be empty: its items' values
};

enum class Values {
  real,
  // Each value is a word that means nothing, so that a check of the script (gate/script_check.hpp) sees where
  // words come to stand.
  marked,
};
// What Values::marked puts in place of each value.
inline constexpr const char* kMarkedWord = "'bottle gate value'";

// Renders `text`. Adds to `used` each name that the template has, whether or not its part of the template was
// rendered. Throws an Error with where = "<name>:<line>": a name that `scope` does not have, a forbidden
// form, a section that is not closed.
std::string render_template(const std::string& text, const std::string& name, const Scope& scope,
                            Values values, std::set<std::string>& used);

}  // namespace bottle::gate
