// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/instructions.hpp"

#include <algorithm>
#include <charconv>
#include <map>

#include "dockerfile/arguments.hpp"
#include "dockerfile/duration.hpp"
#include "dockerfile/flags.hpp"
#include "dockerfile/run_flags.hpp"
#include "dockerfile/text.hpp"
#include "dockerfile/words.hpp"

namespace bottle::dockerfile {
namespace {

using Kind = FlagSet::Kind;

class InstructionBuilder {
 public:
  InstructionBuilder(const Node& node, char escape, const SourceText& source)
      : node_(node), escape_(escape), source_(source), keyword_(to_upper(node.keyword)) {}

  Body build() const {
    using Make = Body (InstructionBuilder::*)() const;
    static const std::map<std::string_view, Make> kMakers{
        {"ADD", &InstructionBuilder::add},
        {"ARG", &InstructionBuilder::arg},
        {"CMD", &InstructionBuilder::cmd},
        {"COPY", &InstructionBuilder::copy},
        {"ENTRYPOINT", &InstructionBuilder::entrypoint},
        {"ENV", &InstructionBuilder::env},
        {"EXPOSE", &InstructionBuilder::expose},
        {"FROM", &InstructionBuilder::from},
        {"HEALTHCHECK", &InstructionBuilder::healthcheck},
        {"LABEL", &InstructionBuilder::label},
        {"MAINTAINER", &InstructionBuilder::maintainer},
        {"ONBUILD", &InstructionBuilder::onbuild},
        {"RUN", &InstructionBuilder::run},
        {"SHELL", &InstructionBuilder::shell},
        {"STOPSIGNAL", &InstructionBuilder::stop_signal},
        {"USER", &InstructionBuilder::user},
        {"VOLUME", &InstructionBuilder::volume},
        {"WORKDIR", &InstructionBuilder::workdir},
    };
    const auto maker = kMakers.find(keyword_);
    if (maker == kMakers.end()) unknown_instruction();
    return (this->*maker->second)();
  }

 private:
  [[noreturn]] void fail(std::string message, std::string hint = {}) const {
    throw SourceError(source_, node_.position_at(node_.arguments_offset), std::move(message),
                      std::move(hint));
  }

  [[noreturn]] void unknown_instruction() const {
    std::string near = nearest(keyword_, std::span<const std::string>(instruction_names()));
    if (node_.keyword == to_lower(node_.keyword)) near = to_lower(near);
    throw SourceError(source_, node_.position(), "unknown instruction " + node_.keyword,
                      near.empty() ? "end the line above with the escape character if this line continues it"
                                   : "did you mean " + near + "?");
  }

  FlagSet flags(std::vector<FlagSet::Declared> declared = {}) const {
    return {node_, source_, std::move(declared)};
  }

  // The JSON list, or the words between blanks.
  std::vector<std::string> list() const { return node_.json ? *node_.json : split_blanks(node_.arguments); }

  void need_arguments(bool present) const {
    if (!present) fail(keyword_ + " requires at least one argument");
  }

  std::string single() const {
    if (node_.arguments.empty()) fail(keyword_ + " requires exactly one argument");
    return node_.arguments;
  }

  Command command() const {
    Command result;
    result.shell_form = !node_.json;
    result.heredocs = node_.heredocs;
    if (node_.json) {
      result.words = *node_.json;
    } else if (!node_.arguments.empty()) {
      result.words = {node_.arguments};
    }
    return result;
  }

  static std::optional<Heredoc> heredoc_if(const std::string& word) {
    try {
      return heredoc_of(word);
    } catch (const WordError&) {
      return std::nullopt;
    }
  }

  Transfer transfer() const {
    std::vector<std::string> words = list();
    if (words.size() < 2) {
      fail(keyword_ + " requires at least two arguments, but " + (words.empty() ? "none" : "only one") +
               " was provided",
           "write the sources, then the destination");
    }
    Transfer result;
    result.destination = std::move(words.back());
    words.pop_back();
    if (heredoc_if(result.destination)) fail(keyword_ + " cannot accept a heredoc as a destination");
    for (std::string& word : words) {
      const auto heredoc = heredoc_if(word);
      if (!heredoc) {
        result.sources.push_back(std::move(word));
        continue;
      }
      InlineFile file{heredoc->name, {}, heredoc->expand};
      for (const Heredoc& each : node_.heredocs) {
        if (each.name == heredoc->name) file.content = each.content;
      }
      if (heredoc->strip_tabs) file.content = without_leading_tabs(file.content);
      result.files.push_back(std::move(file));
    }
    return result;
  }

  Body add() const {
    Add result;
    result.transfer = transfer();
    const FlagSet set = flags({{"chown", Kind::text},
                               {"chmod", Kind::text},
                               {"link", Kind::boolean},
                               {"keep-git-dir", Kind::boolean},
                               {"checksum", Kind::text},
                               {"unpack", Kind::boolean},
                               {"exclude", Kind::texts}});
    result.chown = set.text("chown").value_or("");
    result.chmod = set.text("chmod").value_or("");
    result.checksum = set.text("checksum").value_or("");
    result.link = set.boolean("link").value_or(false);
    result.keep_git_dir = set.boolean("keep-git-dir");
    result.unpack = set.boolean("unpack");
    result.excludes = set.texts("exclude");
    return result;
  }

  Body copy() const {
    Copy result;
    result.transfer = transfer();
    const FlagSet set = flags({{"chown", Kind::text},
                               {"from", Kind::text},
                               {"chmod", Kind::text},
                               {"link", Kind::boolean},
                               {"exclude", Kind::texts},
                               {"parents", Kind::boolean}});
    result.from = set.text("from").value_or("");
    result.chown = set.text("chown").value_or("");
    result.chmod = set.text("chmod").value_or("");
    result.link = set.boolean("link").value_or(false);
    result.parents = set.boolean("parents").value_or(false);
    result.excludes = set.texts("exclude");
    return result;
  }

  Body arg() const {
    Arg result;
    for (const std::string& word : argument_words(node_.arguments, escape_)) {
      const std::size_t equals = word.find('=');
      if (equals == 0) fail("ARG names can not be blank");
      ArgDefinition definition{word.substr(0, equals), std::nullopt};
      if (equals != std::string::npos) definition.value = word.substr(equals + 1);
      result.definitions.push_back(std::move(definition));
    }
    need_arguments(!result.definitions.empty());
    return result;
  }

  std::vector<KeyValue> pairs() const {
    std::vector<KeyValue> result = key_values(node_, escape_, source_);
    flags();
    need_arguments(!result.empty());
    for (const KeyValue& pair : result) {
      if (pair.key.empty()) fail(keyword_ + " names can not be blank");
    }
    return result;
  }
  Body env() const { return Env{pairs()}; }
  Body label() const { return Label{pairs()}; }

  Body from() const {
    const std::vector<std::string> words = split_blanks(node_.arguments);
    From result;
    if (words.size() == 3 && equal_fold(words[1], "as")) {
      result.as_keyword = words[1];
      result.name_as_written = words[2];
      result.name = to_lower(words[2]);
      const auto allowed = [](char character) {
        return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9') ||
               character == '-' || character == '_' || character == '.';
      };
      if (!std::all_of(result.name.begin(), result.name.end(), allowed) || result.name[0] < 'a') {
        fail("invalid name for build stage: " + in_quotes(words[2]),
             "begin the name with a letter, and use letters, digits, '-', '_' and '.' only");
      }
    } else if (words.size() != 1) {
      fail("FROM requires either one or three arguments, found " + std::to_string(words.size()),
           "write FROM <image> or FROM <image> AS <name>");
    }
    result.base = words.front();
    result.platform = flags({{"platform", Kind::text}}).text("platform").value_or("");
    return result;
  }

  Body run() const {
    const FlagSet set = flags(
        {{"mount", Kind::texts}, {"network", Kind::text}, {"security", Kind::text}, {"device", Kind::texts}});
    Run result;
    result.command = command();
    result.flags_used = set.used();
    result.mount_texts = set.texts("mount");
    result.network = set.text("network").value_or(result.network);
    result.security = set.text("security").value_or(result.security);
    if (result.network != "default" && result.network != "none" && result.network != "host") {
      throw SourceError(source_, set.position("network"), "invalid network mode " + in_quotes(result.network),
                        "use default, none or host");
    }
    if (result.security != "sandbox" && result.security != "insecure") {
      throw SourceError(source_, set.position("security"),
                        "security " + in_quotes(result.security) + " is not valid",
                        "use sandbox or insecure");
    }
    std::string_view flag = "mount";
    try {
      for (const std::string& text : result.mount_texts)
        result.mounts.push_back(parse_mount_unexpanded(text));
      flag = "device";
      for (const std::string& text : set.texts("device"))
        result.devices.push_back(parse_device(text));
    } catch (const FieldError& error) {
      throw SourceError(source_, set.position(flag), error.message(), error.hint());
    }
    return result;
  }

  Body cmd() const {
    flags();
    return Cmd{command()};
  }
  Body entrypoint() const {
    flags();
    return Entrypoint{command()};
  }

  Body shell() const {
    flags();
    need_arguments(node_.json ? !node_.json->empty() : !node_.arguments.empty());
    if (!node_.json)
      fail("SHELL requires the arguments to be in JSON form",
           "write for example SHELL [\"/bin/bash\", \"-c\"]");
    return Shell{*node_.json};
  }

  static std::chrono::nanoseconds interval(const FlagSet& set, const SourceText& source,
                                           std::string_view name) {
    const std::string text = set.text(name).value_or("");
    if (text.empty()) return std::chrono::nanoseconds(0);
    const auto duration = parse_duration(text);
    if (!duration) {
      throw SourceError(source, set.position(name),
                        "invalid duration " + in_quotes(text) + " for --" + std::string(name),
                        "write for example 30s or 1m30s");
    }
    if (duration->count() != 0 && *duration < std::chrono::milliseconds(1)) {
      throw SourceError(source, set.position(name),
                        "--" + std::string(name) + " cannot be less than 1ms, found " + text);
    }
    return *duration;
  }

  Body healthcheck() const {
    need_arguments(!node_.arguments.empty());
    std::string_view rest = node_.arguments;
    std::size_t end = 0;
    while (end < rest.size() && !is_space(static_cast<unsigned char>(rest[end])))
      ++end;
    const std::string type = to_upper(rest.substr(0, end));
    rest = trim_left_space(rest.substr(end));
    Healthcheck result;
    if (type == "NONE") {
      if (!rest.empty() && !(node_.json && node_.json->empty())) fail("HEALTHCHECK NONE takes no arguments");
      result.test = {"NONE"};
      return result;
    }
    const FlagSet set = flags({{"interval", Kind::text},
                               {"timeout", Kind::text},
                               {"start-period", Kind::text},
                               {"start-interval", Kind::text},
                               {"retries", Kind::text}});
    if (type != "CMD") fail("unknown type " + in_quotes(type) + " in HEALTHCHECK", "use CMD or NONE");
    result.test = {node_.json ? "CMD" : "CMD-SHELL"};
    if (node_.json) {
      result.test.insert(result.test.end(), node_.json->begin(), node_.json->end());
    } else if (!rest.empty()) {
      result.test.emplace_back(rest);
    }
    if (result.test.size() == 1) fail("missing command after HEALTHCHECK CMD");
    result.interval = interval(set, source_, "interval");
    result.timeout = interval(set, source_, "timeout");
    result.start_period = interval(set, source_, "start-period");
    result.start_interval = interval(set, source_, "start-interval");
    std::string retries = set.text("retries").value_or("");
    if (retries.size() > 1 && retries[0] == '+') retries.erase(0, 1);
    if (!retries.empty()) {
      const char* stop = retries.data() + retries.size();
      const auto [at, error] = std::from_chars(retries.data(), stop, result.retries);
      if (at != stop || error != std::errc() || result.retries < 0) {
        throw SourceError(source_, set.position("retries"),
                          "invalid --retries: expected a number from 0, found " + retries);
      }
    }
    return result;
  }

  Body onbuild() const {
    need_arguments(!node_.arguments.empty());
    const Node trigger =
        parse_line(node_.arguments, escape_, source_, node_.position_at(node_.arguments_offset));
    flags();
    const std::string name = to_upper(trigger.keyword);
    if (name == "ONBUILD") fail("chaining ONBUILD via ONBUILD ONBUILD isn't allowed");
    if (name == "MAINTAINER" || name == "FROM") fail(name + " isn't allowed as an ONBUILD trigger");
    if (name == "ENV" || name == "LABEL") key_values(trigger, escape_, source_);
    std::string_view text = trim_left_space(node_.text);
    text.remove_prefix(node_.keyword.size());
    while (!text.empty() && (is_blank(text.front()) && text.front() != '\v'))
      text.remove_prefix(1);
    Onbuild result{std::string(text)};
    for (const Heredoc& heredoc : node_.heredocs)
      result.expression += "\n" + heredoc.content + heredoc.name;
    return result;
  }

  Body expose() const {
    std::vector<std::string> ports = split_blanks(node_.arguments);
    need_arguments(!ports.empty());
    flags();
    std::sort(ports.begin(), ports.end());
    return Expose{std::move(ports)};
  }

  Body volume() const {
    Volume result;
    for (const std::string& path : list()) {
      result.paths.emplace_back(trim_space(path));
      if (result.paths.back().empty()) fail("VOLUME specified can not be an empty string");
    }
    need_arguments(!result.paths.empty());
    flags();
    return result;
  }

  Body user() const {
    User result{single()};
    flags();
    return result;
  }
  Body workdir() const {
    Workdir result{single()};
    flags();
    return result;
  }
  Body maintainer() const {
    Maintainer result{single()};
    flags();
    return result;
  }
  Body stop_signal() const { return StopSignal{single()}; }

  const Node& node_;
  char escape_;
  const SourceText& source_;
  std::string keyword_;
};

}  // namespace

Position place_of(const SourceText& source, const Instruction& instruction, std::string_view text) {
  const Position start = instruction.position;
  if (text.empty()) return start;
  const auto in_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  const int last = std::min(instruction.lines.last, static_cast<int>(source.lines.size()));
  for (int number = start.line; number > 0 && number <= last; ++number) {
    const std::string& line = source.lines[static_cast<std::size_t>(number) - 1];
    if (number > start.line && trim_left_space(line).starts_with('#')) continue;
    std::size_t from = 0;
    if (number == start.line && start.column > 0)
      from = static_cast<std::size_t>(start.column) - 1 + instruction.keyword.size();
    for (; (from = line.find(text, from)) != std::string::npos; ++from) {
      const std::size_t end = from + text.size();
      const bool begins = from == 0 || !in_name(line[from - 1]) || !in_name(text.front());
      const bool ends = end == line.size() || !in_name(line[end]) || !in_name(text.back());
      if (begins && ends) return {number, static_cast<int>(from) + 1};
    }
  }
  return start;
}

const std::vector<std::string>& instruction_names() {
  static const std::vector<std::string> kNames{
      "ADD",   "ARG",        "CMD",     "COPY", "ENTRYPOINT", "ENV",        "EXPOSE", "FROM",   "HEALTHCHECK",
      "LABEL", "MAINTAINER", "ONBUILD", "RUN",  "SHELL",      "STOPSIGNAL", "USER",   "VOLUME", "WORKDIR"};
  return kNames;
}

Instruction make_instruction(const Node& node, char escape, const SourceText& source) {
  return {.keyword = node.keyword,
          .text = std::string(trim_space(node.text)),
          .lines = node.lines,
          .position = node.position(),
          .comments = node.comments,
          .body = InstructionBuilder(node, escape, source).build()};
}

PartialDockerfile parse_partial_dockerfile(std::string_view text, std::string_view file_name) {
  const SyntaxTree tree = parse_syntax(text, file_name);
  PartialDockerfile result;
  Dockerfile& file = result.file;
  file.source = tree.source;
  file.directives = tree.directives;
  file.empty_continuations = tree.empty_continuations;
  for (const Node& node : tree.nodes) {
    try {
      Instruction instruction = make_instruction(node, file.escape(), *file.source);
      if (instruction.as<From>() != nullptr) {
        file.stages.push_back({std::move(instruction), {}});
      } else if (!file.stages.empty()) {
        file.stages.back().instructions.push_back(std::move(instruction));
      } else if (instruction.as<Arg>() != nullptr) {
        file.meta_args.push_back(std::move(instruction));
      } else {
        throw SourceError(
            *file.source, instruction.position,
            "no build stage in current context: " + instruction.keyword + " precedes the first FROM",
            "move it below FROM: only ARG may precede it");
      }
    } catch (const SourceError& error) {
      result.error = error;
      result.wrong = node;
      return result;
    }
  }
  if (file.stages.empty())
    result.error = SourceError(*file.source, {}, "the file has no stage to build", "add a FROM instruction");
  return result;
}

Dockerfile parse_dockerfile(std::string_view text, std::string_view file_name) {
  PartialDockerfile result = parse_partial_dockerfile(text, file_name);
  if (result.error) throw SourceError(*result.error);
  return std::move(result.file);
}

Instruction parse_onbuild(std::string_view expression, const SourceText& source, const Instruction& from) {
  const std::string place = "ONBUILD trigger of the base";
  SyntaxTree tree;
  try {
    tree = parse_syntax(expression, place);
    if (tree.nodes.size() != 1) {
      throw SourceError(*tree.source, {},
                        "expected one instruction, found " + std::to_string(tree.nodes.size()));
    }
    Instruction instruction =
        make_instruction(tree.nodes.front(), tree.directives.escape_character, *tree.source);
    if (instruction.as<From>() != nullptr)
      throw SourceError(*tree.source, {}, "FROM isn't allowed as an ONBUILD trigger");
    instruction.lines = from.lines;
    instruction.position = from.position;
    return instruction;
  } catch (const SourceError& error) {
    throw SourceError(source, from.position, place + " (" + in_quotes(expression) + "): " + error.summary(),
                      error.hint());
  }
}

}  // namespace bottle::dockerfile
