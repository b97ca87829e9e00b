// SPDX-License-Identifier: Apache-2.0
// The syntax of a Dockerfile: directives, logical lines, flags, heredocs (Dockerfile reference, "Format",
// "Parser directives", "Here-Documents"). What the words of an instruction mean is decided in
// instructions.hpp.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dockerfile/source.hpp"

namespace bottle::dockerfile {

struct Directive {
  std::string value;
  int line = 0;
};

struct Directives {
  std::optional<Directive> syntax;  // the image of an outside frontend, first word of the value
  std::optional<Directive> check;   // options of the lint rules
  std::optional<Directive> escape;
  char escape_character = '\\';  // '\\' or '`'
};

struct Heredoc {
  std::string name;         // without quotes
  bool expand = true;       // the word had no quotes
  bool strip_tabs = false;  // "<<-": leading tabs of each line are not part of the content
  std::string content;      // lines as they stand in the file, tabs not yet stripped
};

struct Flag {
  std::string text;  // "--from=build", quotes and escapes removed
  Position position;
};

// A part of a logical line that is on one physical line.
struct Segment {
  std::size_t offset = 0;  // in Node::text
  Position position;       // of its first character
};

// One instruction as it is written.
struct Node {
  std::string keyword;               // in its own case
  std::string text;                  // the logical line: continuations joined, comment lines left out
  std::vector<Flag> flags;           // the words that start with "--" right after the keyword
  std::string arguments;             // the rest of the logical line, trimmed
  std::size_t arguments_offset = 0;  // of `arguments` in `text`
  std::optional<std::vector<std::string>>
      json;  // the arguments, where they are (for HEALTHCHECK: end with) a JSON list
  std::vector<Heredoc> heredocs;
  std::vector<std::string> comments;  // comment lines right above, without "#"
  LineRange lines;                    // heredocs included
  std::vector<Segment> segments;

  Position position_at(std::size_t offset) const;  // of the byte `offset` of `text` in the file
  Position position() const { return position_at(0); }
};

struct SyntaxTree {
  std::shared_ptr<const SourceText> source;
  Directives directives;
  std::vector<Node> nodes;
  std::vector<int>
      empty_continuations;  // last lines of instructions that have an empty line between continued ones
};

// Throws SourceError. A Dockerfile without instructions is an error.
SyntaxTree parse_syntax(std::string_view text, std::string_view file_name = "Dockerfile");

// One logical line without continuations, as the trigger of an ONBUILD is kept.
Node parse_line(std::string_view line, char escape, const SourceText& source, Position position);

// The directives of a Dockerfile without parsing the rest.
Directives read_directives(std::string_view text, std::string_view file_name = "Dockerfile");

// A heredoc word ("<<EOF", "3<<-'END'") without content; nullopt if `word` is not a heredoc. Throws WordError
// for unbalanced quotes.
std::optional<Heredoc> heredoc_of(std::string_view word);
std::string without_leading_tabs(std::string_view content);

}  // namespace bottle::dockerfile
