// SPDX-License-Identifier: Apache-2.0
// The typed instructions of a Dockerfile, with every flag of BuildKit's stable frontend (Dockerfile
// reference). Words are as written: expansion (scope.hpp) comes when the values of variables are known.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dockerfile/ast.hpp"
#include "dockerfile/instruction.hpp"
#include "dockerfile/source.hpp"

namespace bottle::dockerfile {

struct Dockerfile {
  std::shared_ptr<const SourceText> source;
  Directives directives;
  std::vector<Instruction> meta_args;  // ARG before the first FROM
  std::vector<StageText> stages;
  std::vector<int> empty_continuations;

  char escape() const { return directives.escape_character; }
};

// Throws SourceError naming the place: unknown instructions and flags (with the nearest known one as hint),
// missing or superfluous arguments, an instruction before FROM.
Dockerfile parse_dockerfile(std::string_view text, std::string_view file_name = "Dockerfile");

// A Dockerfile up to its first wrong instruction: what checks can still report.
struct PartialDockerfile {
  Dockerfile file;
  std::optional<SourceError> error;  // nullopt: `file` is all of it
  std::optional<Node> wrong;         // the instruction, if one is to blame
};
// Throws SourceError for what the syntax alone has wrong.
PartialDockerfile parse_partial_dockerfile(std::string_view text, std::string_view file_name = "Dockerfile");

// One instruction. `escape` is the file's escape character.
Instruction make_instruction(const Node& node, char escape, const SourceText& source);

// The trigger that an ONBUILD left in an image. A trigger always has "\" as its escape character, and its
// place is that of the FROM that brought it. Throws SourceError if it is not exactly one instruction that is
// allowed there.
Instruction parse_onbuild(std::string_view expression, const SourceText& source, const Instruction& from);

// Where the instruction has the text on its own (not as a part of a longer name), behind its keyword and not
// in a comment; the place of the instruction if nowhere.
Position place_of(const SourceText& source, const Instruction& instruction, std::string_view text);

// The names of all instructions, in upper case.
const std::vector<std::string>& instruction_names();

}  // namespace bottle::dockerfile
