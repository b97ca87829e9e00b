// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/lint_syntax.hpp"

#include <algorithm>
#include <set>

#include "dockerfile/text.hpp"

namespace bottle::dockerfile {
namespace {

bool is_upper(std::string_view text) {
  return text == to_upper(text);
}

template <typename Visit>
void for_each_in_stages(const Dockerfile& file, const Visit& visit) {
  for (const StageText& stage : file.stages) {
    visit(stage.from);
    for (const Instruction& instruction : stage.instructions)
      visit(instruction);
  }
}

// Warnings of one instruction.
class InstructionLinter {
 public:
  InstructionLinter(const LintOptions& options, const Instruction& instruction, LintWarnings& warnings)
      : options_(options), instruction_(instruction), warnings_(warnings) {}

  void run() const {
    if (const From* from = instruction_.as<From>()) {
      check_casing(*from);
      if (!from->name.empty()) check_description("FROM", {from->name});
    }
    if (instruction_.as<Maintainer>() != nullptr) warn_maintainer();
    if (const Arg* arg = instruction_.as<Arg>()) {
      std::vector<std::string> keys;
      for (const ArgDefinition& definition : arg->definitions)
        keys.push_back(definition.key);
      check_description("ARG", keys);
    }
  }

  void warn_maintainer() const {
    warn("MaintainerDeprecated", "Maintainer instruction is deprecated in favor of using label");
  }

  void check_casing(const From& from) const {
    if (!is_lower(from.name_as_written)) {
      warn("StageNameCasing", "Stage name '" + from.name_as_written + "' should be lowercase",
           from.name_as_written);
    }
    const std::string& keyword = instruction_.keyword;
    const bool lower = is_lower(keyword);
    const bool upper = is_upper(keyword);
    const bool fits = from.as_keyword.empty() || (!lower && !upper) ||
                      (lower ? is_lower(from.as_keyword) : is_upper(from.as_keyword));
    if (!fits) {
      warn("FromAsCasing", "'" + from.as_keyword + "' and '" + keyword + "' keywords' casing do not match",
           from.as_keyword);
    }
  }

 private:
  void warn(std::string_view rule, std::string message, std::string_view word = {}) const {
    warnings_.add(options_, rule, instruction_, std::move(message), word);
  }

  void check_description(const std::string& keyword, const std::vector<std::string>& keys) const {
    if (instruction_.comments.empty() || keys.empty()) return;
    const std::string& last = instruction_.comments.back();
    if (std::find(keys.begin(), keys.end(), last.substr(0, last.find(' '))) != keys.end()) return;
    const std::string key = keys.size() > 1 ? "<arg_key>" : keys.front();
    warn("InvalidDefinitionDescription",
         "Comment for " + keyword + " should follow the format: `# " + key + " <description>`");
  }

  const LintOptions& options_;
  const Instruction& instruction_;
  LintWarnings& warnings_;
};

}  // namespace

bool is_lower(std::string_view text) {
  return text == to_lower(text);
}

void LintWarnings::add(const LintOptions& options, std::string_view rule, LineRange lines, Position position,
                       std::string message) {
  if (options.wants(rule)) list_.push_back({std::string(rule), std::move(message), lines, position});
}

void LintWarnings::add(const LintOptions& options, std::string_view rule, const Instruction& at,
                       std::string message, std::string_view word) {
  add(options, rule, at.lines, word.empty() ? at.position : place_of(*source_, at, word), std::move(message));
}

std::vector<LintWarning> LintWarnings::sorted() {
  std::stable_sort(list_.begin(), list_.end(), [](const LintWarning& left, const LintWarning& right) {
    return left.lines.first < right.lines.first;
  });
  return std::move(list_);
}

void lint_syntax(const Dockerfile& file, const LintOptions& options, LintWarnings& warnings) {
  for (const int line : file.empty_continuations)
    warnings.add(options, "NoEmptyContinuation", {line, line}, {line, 1}, "Empty continuation line");
  const auto check = [&](const Instruction& instruction) {
    const LintOptions own = options.with(instruction.comments);
    InstructionLinter(own, instruction, warnings).run();
  };
  for (const Instruction& instruction : file.meta_args)
    check(instruction);
  for_each_in_stages(file, check);
}

void lint_wrong(const Node& node, const LintOptions& options, LintWarnings& warnings) {
  const LintOptions own = options.with(node.comments);
  Instruction instruction;
  instruction.keyword = node.keyword;
  instruction.lines = node.lines;
  instruction.position = node.position();
  const InstructionLinter linter(own, instruction, warnings);
  const std::string name = to_upper(node.keyword);
  if (name == "MAINTAINER") linter.warn_maintainer();
  const std::vector<std::string> words = split_blanks(node.arguments);
  if (name != "FROM" || words.size() != 3 || to_lower(words[1]) != "as") return;
  From from;
  from.as_keyword = words[1];
  from.name_as_written = words[2];
  linter.check_casing(from);
}

void lint_stage_names(const Dockerfile& file, const LintOptions& options, LintWarnings& warnings) {
  std::set<std::string> seen;
  for (const StageText& stage : file.stages) {
    const std::string& name = stage.header().name;
    if (name.empty()) continue;
    if (name == "context" || name == "scratch") {
      warnings.add(options, "ReservedStageName", stage.from,
                   "Stage name should not use the same name as reserved stage " + in_quotes(name),
                   stage.header().name_as_written);
    }
    if (!seen.insert(name).second) {
      warnings.add(options, "DuplicateStageName", stage.from,
                   "Duplicate stage name " + in_quotes(name) + ", stage names should be unique",
                   stage.header().name_as_written);
    }
  }
}

void lint_casing(const Dockerfile& file, const LintOptions& options, LintWarnings& warnings) {
  std::size_t lower = 0;
  std::size_t upper = 0;
  for_each_in_stages(file, [&](const Instruction& instruction) {
    if (is_lower(instruction.keyword)) {
      ++lower;
    } else if (is_upper(instruction.keyword)) {
      ++upper;
    }
  });
  const bool want_lower = lower > upper;
  for_each_in_stages(file, [&](const Instruction& instruction) {
    if (want_lower ? is_lower(instruction.keyword) : is_upper(instruction.keyword)) return;
    warnings.add(options, "ConsistentInstructionCasing", instruction,
                 "Command '" + instruction.keyword + "' should match the case of the command majority (" +
                     (want_lower ? "lowercase" : "uppercase") + ")");
  });
}

}  // namespace bottle::dockerfile
