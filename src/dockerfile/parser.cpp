// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "dockerfile/ast.hpp"
#include "dockerfile/directives.hpp"
#include "dockerfile/json_list.hpp"
#include "dockerfile/text.hpp"
#include "dockerfile/words.hpp"

namespace bottle::dockerfile {
namespace {

struct RawLine {
  std::string_view text;   // without the line end
  std::string_view whole;  // with it
};

std::vector<RawLine> raw_lines(std::string_view text) {
  std::vector<RawLine> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view whole = text.substr(0, end == std::string_view::npos ? text.size() : end + 1);
    std::string_view line = whole;
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r'))
      line.remove_suffix(1);
    lines.push_back({line, whole});
    text.remove_prefix(whole.size());
  }
  return lines;
}

bool is_comment(std::string_view line) {
  line = trim_left_space(line);
  return !line.empty() && line.front() == '#';
}

// Takes the escape character that continues a line off its end. One that is itself escaped continues nothing.
bool take_continuation(std::string_view& line, char escape) {
  std::string_view rest = line;
  while (!rest.empty() && (rest.back() == ' ' || rest.back() == '\t'))
    rest.remove_suffix(1);
  if (rest.empty() || rest.back() != escape) return false;
  rest.remove_suffix(1);
  if (!rest.empty() && rest.back() == escape) return false;
  line = rest;
  return true;
}

// Takes the flags off the front of `line`, starting at `at`; returns where the arguments start.
std::size_t take_flags(Node& node, std::size_t at, char escape) {
  const std::string_view line = node.text;
  for (;;) {
    while (at < line.size()) {
      const Rune rune = decode_rune(line, at);
      if (!is_space(rune.value)) break;
      at += rune.width;
    }
    if (line.substr(at, 2) != "--") return at;
    Flag flag{.text = {}, .position = node.position_at(at)};
    bool word_ends = false;
    char quote = '\0';
    bool was_quoted = false;
    while (at < line.size() && !word_ends) {
      const Rune rune = decode_rune(line, at);
      const char character = line[at];
      if (quote == '\0' && is_space(rune.value)) {
        word_ends = true;
      } else if (quote == '\0' && (character == '\'' || character == '"')) {
        quote = character;
        was_quoted = true;
        ++at;
      } else if (quote != '\0' && character == quote) {
        quote = '\0';
        ++at;
      } else if (character == escape) {
        ++at;
        if (at < line.size()) {
          const std::size_t width = decode_rune(line, at).width;
          flag.text += line.substr(at, width);
          at += width;
        }
      } else {
        flag.text += line.substr(at, rune.width);
        at += rune.width;
      }
    }
    if (flag.text == "--") return at;
    if (was_quoted || !flag.text.empty()) node.flags.push_back(std::move(flag));
  }
}

bool has_json_form(const std::string& keyword) {
  constexpr std::string_view kKeywords[] = {"add", "cmd", "copy", "entrypoint", "run", "shell", "volume"};
  return std::find(std::begin(kKeywords), std::end(kKeywords), keyword) != std::end(kKeywords);
}

// For HEALTHCHECK the list comes after the word CMD.
std::string_view json_part(const Node& node, const std::string& keyword) {
  if (has_json_form(keyword)) return node.arguments;
  if (keyword != "healthcheck") return {};
  std::string_view text = node.arguments;
  while (!text.empty() && !is_space(static_cast<unsigned char>(text.front())))
    text.remove_prefix(1);
  return trim_left_space(text);
}

// Splits a logical line; node.text and node.segments are set.
void split_line(Node& node, const SourceText& source, char escape) {
  const std::string_view line = node.text;
  const std::string_view trimmed = trim_space(line);
  const std::size_t start = static_cast<std::size_t>(trimmed.data() - line.data());
  std::size_t end = start;
  while (end < start + trimmed.size() && !is_blank(line[end]))
    ++end;
  node.keyword = std::string(line.substr(start, end - start));
  const std::size_t after = take_flags(node, end, escape);
  const std::string_view arguments = trim_space(line.substr(after));
  node.arguments = std::string(arguments);
  node.arguments_offset =
      arguments.empty() ? after : static_cast<std::size_t>(arguments.data() - line.data());
  const std::string_view form = json_part(node, to_lower(node.keyword));
  if (form.empty()) return;
  JsonList list = parse_json_list(form);
  if (list.kind == JsonList::Kind::other_values) {
    throw SourceError(source, node.position_at(node.arguments_offset),
                      "the JSON list holds a value that is not a string",
                      "put each value between double quotes");
  }
  if (list.kind == JsonList::Kind::strings) node.json = std::move(list.strings);
}

bool takes_heredocs(const Node& node, const SourceText& source, char escape) {
  std::string keyword = to_lower(node.keyword);
  bool is_list = node.json.has_value();
  if (keyword == "onbuild" && !node.arguments.empty()) {
    const Node trigger = parse_line(node.arguments, escape, source, node.position_at(node.arguments_offset));
    keyword = to_lower(trigger.keyword);
    is_list = trigger.json.has_value();
  }
  return (keyword == "run" || keyword == "copy" || keyword == "add") && !is_list;
}

std::vector<Heredoc> heredocs_of_line(std::string_view line) {
  std::vector<Heredoc> found;
  Expansion expansion;
  try {
    expansion = expand(line, {}, {.raw_quotes = true, .raw_escapes = true, .skip_unset = true});
  } catch (const WordError&) {
    return found;  // only the shell may report such a line
  }
  for (const std::string& word : expansion.words) {
    if (auto heredoc = heredoc_of(word)) found.push_back(std::move(*heredoc));
  }
  return found;
}

class Parser {
 public:
  Parser(std::string_view text, std::string_view file_name)
      : text_(text), lines_(raw_lines(text)), source_(std::make_shared<SourceText>(file_name, text)) {}

  SyntaxTree run() {
    SyntaxTree tree;
    tree.source = source_;
    tree.directives = read_directives(text_, source_->name);
    escape_ = tree.directives.escape_character;
    DirectiveReader reader;
    std::vector<std::string> comments;
    while (at_ < lines_.size()) {
      std::string_view line = lines_[at_].text;
      if (at_ == 0 && line.substr(0, 3) == "\xEF\xBB\xBF") line.remove_prefix(3);
      const bool directive = reader.take(trim_left_space(line)).has_value();
      if (is_comment(line)) {
        take_comment(line, directive, comments);
        ++at_;
        continue;
      }
      Node node;
      if (!read_logical_line(line, node, tree)) continue;
      split_line(node, *source_, escape_);
      read_heredocs(node);
      node.comments = std::move(comments);
      comments.clear();
      tree.nodes.push_back(std::move(node));
    }
    if (tree.nodes.empty()) {
      throw SourceError(*source_, {}, "the file has no instructions", "add a FROM instruction");
    }
    return tree;
  }

 private:
  // A comment of blanks only ends the comments that belong to the next instruction; a directive does not.
  static void take_comment(std::string_view line, bool directive, std::vector<std::string>& comments) {
    const std::string_view comment = trim_space(line.substr(1));
    if (comment.empty()) {
      comments.clear();
    } else if (!directive) {
      comments.emplace_back(comment);
    }
  }

  // False for a blank line. Moves past all lines taken.
  bool read_logical_line(std::string_view line, Node& node, SyntaxTree& tree) {
    node.lines.first = static_cast<int>(at_) + 1;
    line = trim_left_space(line);
    bool continued = take_continuation(line, escape_);
    if (!continued && line.empty()) {
      ++at_;
      return false;
    }
    append_segment(node, line);
    ++at_;
    bool empty_line = false;
    while (continued && at_ < lines_.size()) {
      std::string_view next = lines_[at_].text;
      if (is_comment(next)) {
        ++at_;
        continue;
      }
      if (trim_left_space(next).empty()) {
        empty_line = true;
        ++at_;
        continue;
      }
      continued = take_continuation(next, escape_);
      append_segment(node, next);
      ++at_;
    }
    node.lines.last = static_cast<int>(at_);
    if (empty_line) tree.empty_continuations.push_back(node.lines.last);
    return true;
  }

  void append_segment(Node& node, std::string_view text) {
    const int column = static_cast<int>(text.data() - lines_[at_].text.data()) + 1;
    node.segments.push_back({node.text.size(), {static_cast<int>(at_) + 1, column}});
    node.text += text;
  }

  void read_heredocs(Node& node) {
    if (node.text.find("<<") == std::string::npos || !takes_heredocs(node, *source_, escape_)) return;
    try {
      node.heredocs = heredocs_of_line(node.text);
    } catch (const WordError& error) {
      throw SourceError(*source_, node.position_at(node.arguments_offset), error.message());
    }
    for (Heredoc& heredoc : node.heredocs) {
      bool ended = false;
      while (!ended && at_ < lines_.size()) {
        std::string_view line = lines_[at_].text;
        if (heredoc.strip_tabs) line.remove_prefix(std::min(line.find_first_not_of('\t'), line.size()));
        ended = line == heredoc.name;
        if (!ended) heredoc.content += lines_[at_].whole;
        ++at_;
      }
      if (!ended) {
        throw SourceError(*source_, node.position_at(node.text.find("<<")),
                          "unterminated heredoc: expected a line \"" + heredoc.name + "\"",
                          "end the heredoc with a line that holds " + heredoc.name + " only");
      }
    }
    node.lines.last = static_cast<int>(at_);
  }

  std::string_view text_;
  std::vector<RawLine> lines_;
  std::shared_ptr<const SourceText> source_;
  std::size_t at_ = 0;  // the index of the next line
  char escape_ = '\\';
};

}  // namespace

Position Node::position_at(std::size_t offset) const {
  const Segment* found = nullptr;
  for (const Segment& segment : segments) {
    if (segment.offset <= offset) found = &segment;
  }
  if (found == nullptr) return {lines.first, 0};
  return {found->position.line, found->position.column + static_cast<int>(offset - found->offset)};
}

SyntaxTree parse_syntax(std::string_view text, std::string_view file_name) {
  return Parser(text, file_name).run();
}

Node parse_line(std::string_view line, char escape, const SourceText& source, Position position) {
  Node node;
  node.text = std::string(line);
  node.segments.push_back({0, position});
  node.lines = {position.line, position.line};
  split_line(node, source, escape);
  return node;
}

// "[digits]<<[-]word": the word is read with and without its quotes; if both have the same number of quotes,
// nothing of it was quoted and the content is expanded.
std::optional<Heredoc> heredoc_of(std::string_view word) {
  const std::size_t marker = word.find_first_not_of("0123456789");
  if (marker == std::string_view::npos || word.substr(marker, 2) != "<<") return std::nullopt;
  Heredoc heredoc;
  std::string_view rest = word.substr(marker + 2);
  if (!rest.empty() && rest.front() == '-') {
    heredoc.strip_tabs = true;
    rest.remove_prefix(1);
  }
  while (!rest.empty() && std::string_view(" \t\n\f\r").find(rest.front()) != std::string_view::npos)
    rest.remove_prefix(1);
  if (rest.empty() || rest.find('<') != std::string_view::npos) return std::nullopt;
  const Expansion plain = expand(rest, {}, {.skip_unset = true});
  if (plain.words.size() != 1) return std::nullopt;
  const Expansion raw = expand(rest, {}, {.raw_quotes = true, .skip_unset = true});
  if (raw.words.size() != 1) throw WordError("the heredoc word " + in_quotes(rest) + " is not one word");
  const auto quotes = [](const std::string& text) {
    return std::count_if(text.begin(), text.end(),
                         [](char character) { return character == '\'' || character == '"'; });
  };
  heredoc.name = plain.words.front();
  heredoc.expand = quotes(plain.words.front()) == quotes(raw.words.front());
  return heredoc;
}

std::string without_leading_tabs(std::string_view content) {
  std::string result;
  bool line_start = true;
  for (const char character : content) {
    if (line_start && character == '\t') continue;
    result += character;
    line_start = character == '\n';
  }
  return result;
}

}  // namespace bottle::dockerfile
