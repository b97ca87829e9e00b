// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/directives.hpp"

#include "dockerfile/ast.hpp"
#include "dockerfile/text.hpp"

namespace bottle::dockerfile {
namespace {

bool ascii_space(char character) {
  return character == ' ' || character == '\t' || character == '\n' || character == '\f' || character == '\r';
}

bool ascii_letter(char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z');
}

std::string_view next_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::string_view first_word(std::string_view value) {
  return value.substr(0, value.find(' '));
}

}  // namespace

std::optional<DirectiveReader::Found> DirectiveReader::take(std::string_view line) {
  if (done_) return std::nullopt;
  done_ = true;  // until this line turns out to be a directive
  if (line.substr(0, comment_.size()) != comment_) return std::nullopt;
  line = trim_left_space(line.substr(comment_.size()));
  std::size_t end = 0;
  while (end < line.size() && (ascii_letter(line[end]) || (end > 0 && line[end] >= '0' && line[end] <= '9')))
    ++end;
  if (end == 0) return std::nullopt;
  std::size_t at = end;
  while (at < line.size() && ascii_space(line[at]))
    ++at;
  if (at == line.size() || line[at] != '=') return std::nullopt;
  std::string_view value = line.substr(at + 1);
  while (!value.empty() && ascii_space(value.front()))
    value.remove_prefix(1);
  while (!value.empty() && ascii_space(value.back()))
    value.remove_suffix(1);
  if (value.empty()) return std::nullopt;
  Found found{to_lower(line.substr(0, end)), std::string(value)};
  if (found.name != "syntax" && found.name != "escape" && found.name != "check") return std::nullopt;
  done_ = false;
  const std::string marked = "," + found.name + ",";
  found.repeated = seen_.find(marked) != std::string::npos;
  seen_ += marked;
  return found;
}

Directives read_directives(std::string_view text, std::string_view file_name) {
  const std::string_view whole = text;
  Directives directives;
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  // "syntax" and "check" may follow a "#!" line; "escape" may not, since for the parser that line is a
  // comment.
  int number = 1;
  const bool shebang = text.substr(0, 2) == "#!";
  if (shebang) {
    next_line(text);
    ++number;
  }
  DirectiveReader reader;
  for (; !text.empty(); ++number) {
    const auto found = reader.take(next_line(text));
    if (!found) break;
    const Position position{number, 1};
    const auto fail = [&](const std::string& message, const std::string& hint) {
      throw SourceError(SourceText(file_name, whole), position, message, hint);
    };
    if (found->repeated) fail("only one " + found->name + " parser directive can be used", "remove this one");
    if (found->name == "syntax") {
      directives.syntax = Directive{std::string(first_word(found->value)), number};
    } else if (found->name == "check") {
      directives.check = Directive{std::string(first_word(found->value)), number};
    } else if (!shebang) {
      if (found->value != "\\" && found->value != "`") {
        fail("invalid escape character '" + found->value + "'", "use \\ or `");
      }
      directives.escape = Directive{found->value, number};
      directives.escape_character = found->value.front();
    }
  }
  return directives;
}

}  // namespace bottle::dockerfile
