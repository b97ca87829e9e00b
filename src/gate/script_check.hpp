// SPDX-License-Identifier: Apache-2.0
// Whether a rendered script is one, and whether the values in it stand where they are words and nothing else.
#pragma once

#include <map>
#include <string>

namespace bottle::gate {

// `marked` is the script with Values::marked (gate/template.hpp). A single-quoted word is inert only outside
// of quotes, comments and here-documents. So a line that has values may hold nothing else but plain words
// ([A-Za-z0-9_./=:,+-]), and must begin where the shell reads commands: the shell itself is asked, by a line
// in front that is an error there and nowhere else. Throws an Error with where = "<name>:<line of the
// rendered script>".
void check_places_of_values(const std::string& marked, const std::string& name);

// `sh -n` for each of the rendered scripts, and shellcheck if it is installed: the marked ones have to be
// free of all that it finds, the rendered ones of errors (it comments on what is in quotes, where a value may
// hold anything). They are laid out in a temporary directory together, so that one may read another (`#
// shellcheck source=common.sh`). Throws an Error with what was said; `place` is where the scripts come from.
void check_scripts(const std::map<std::string, std::string>& rendered,
                   const std::map<std::string, std::string>& marked, const std::string& place);

}  // namespace bottle::gate
