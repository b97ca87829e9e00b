// SPDX-License-Identifier: Apache-2.0
// The step from a gate's description and its templates to the files that the gate runs from.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "gate/description.hpp"
#include "gate/template.hpp"
#include "util/file.hpp"

namespace bottle::gate {

struct RenderedFile {
  std::string content;
  bool executable = false;
};

struct RenderedScripts {
  std::map<std::string, RenderedFile> files;  // by name; all in one directory
  std::vector<std::string> inputs;            // absolute paths: the templates and their directory
};

// The values that templates get from a description. docs/gates.md lists them.
Scope variables_of(const Description& description, const std::string& slug);

// known_hosts, one line a key, ending in a newline; "" without keys.
std::string known_hosts_of(const Description& description);
// gitleaks.toml: the rules of the description, and the one that proves that a scan took place.
std::string scanner_rules_of(const Description& description);
// gate.json: what a launch has to know, as text. It names identities and holds none.
std::string launch_facts_of(const Description& description, const std::string& slug,
                            const std::vector<std::string>& files);

// Renders each "<name>.mustache" of the directory to "<name>" and adds the files above. A script begins with
// "#!" and becomes executable. Checks all of them (gate/script_check.hpp). An Error names the template and
// line, or the description's pointer: a variable that a template uses and the description does not give, or
// the reverse.
RenderedScripts render_gate(const Description& description, const std::string& slug,
                            const fs::path& templates);

struct WriteOutcome {
  std::vector<std::string> written;
  std::vector<std::string> removed;
};
// Writes the files that differ, each atomically, and removes those that an earlier rendering left there.
// Refuses a directory that holds what no rendering made.
WriteOutcome write_rendered(const RenderedScripts& rendered, const fs::path& directory);

}  // namespace bottle::gate
