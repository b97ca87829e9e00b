// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/history.hpp"

#include "dockerfile/duration.hpp"
#include "dockerfile/text.hpp"
#include "dockerfile/words.hpp"

namespace bottle::dockerfile {
namespace {

constexpr std::string_view kBuiltBy = " # buildkit";

std::vector<std::string> with_shell(std::span<const std::string> words, std::span<const std::string> shell,
                                    System system) {
  std::vector<std::string> result(shell.begin(), shell.end());
  if (shell.empty()) {
    result = system == System::windows ? std::vector<std::string>{"cmd", "/S", "/C"}
                                       : std::vector<std::string>{"/bin/sh", "-c"};
  }
  result.push_back(join(words, " "));
  return result;
}

std::string in_brackets(std::span<const std::string> words) {
  return "[" + join(words, " ") + "]";
}

std::string list_in_quotes(std::span<const std::string> words) {
  std::vector<std::string> result;
  for (const std::string& word : words)
    result.push_back(in_quotes(word));
  return in_brackets(result);
}

std::string pairs_text(std::string keyword, const std::vector<KeyValue>& pairs) {
  for (const KeyValue& pair : pairs)
    keyword += " " + pair.key + "=" + pair.value;
  return keyword;
}

std::string transfer_text(std::string text, bool parents, const std::string& chown, const std::string& chmod,
                          const Transfer& transfer) {
  if (parents) text += " --parents";
  if (!chown.empty()) text += " --chown=" + chown;
  if (!chmod.empty()) text += " --chmod=" + chmod;
  for (const std::string& source : transfer.sources)
    text += " " + source;
  for (const InlineFile& file : transfer.files)
    text += " <<" + file.name;
  return text + " " + transfer.destination + std::string(kBuiltBy);
}

// "|2 A=b C=d " : each declared argument once, at its first place, with the value the environment has now.
std::string arguments_text(const Scope* scope) {
  if (scope == nullptr) return {};
  std::vector<std::string> names;
  Environment values;
  for (const ArgDefinition& definition : scope->declared()) {
    const auto value = scope->environment().find(definition.key);
    values.set(definition.key, value ? *value : std::string_view(definition.value ? *definition.value : ""));
  }
  if (values.entries().empty()) return {};
  return "|" + std::to_string(values.entries().size()) + " " + join(values.lines(), " ") + " ";
}

class Teller {
 public:
  explicit Teller(const HistoryFacts& facts) : facts_(facts) {}

  std::optional<std::string> operator()(const From&) const { return std::nullopt; }
  std::optional<std::string> operator()(const Onbuild&) const { return std::nullopt; }
  std::optional<std::string> operator()(const Arg& arg) const {
    std::string text = "ARG";
    for (const ArgDefinition& definition : arg.definitions) {
      text += " " + definition.key;
      if (definition.value) text += "=" + *definition.value;
    }
    return text;
  }
  std::optional<std::string> operator()(const Env& env) const { return pairs_text("ENV", env.pairs); }
  std::optional<std::string> operator()(const Label& label) const { return pairs_text("LABEL", label.pairs); }
  std::optional<std::string> operator()(const Copy& copy) const {
    return transfer_text("COPY", copy.parents, copy.chown, copy.chmod, copy.transfer);
  }
  std::optional<std::string> operator()(const Add& add) const {
    return transfer_text("ADD", false, add.chown, add.chmod, add.transfer);
  }
  std::optional<std::string> operator()(const Run& run) const {
    const RunCommand command = run_command(run, facts_.shell, facts_.system);
    return "RUN " + arguments_text(facts_.scope) + join(command.arguments, " ") + std::string(kBuiltBy);
  }
  std::optional<std::string> operator()(const Cmd& cmd) const {
    return "CMD " + list_in_quotes(command_words(cmd.command, facts_.shell, facts_.system));
  }
  std::optional<std::string> operator()(const Entrypoint& entrypoint) const {
    return "ENTRYPOINT " + list_in_quotes(command_words(entrypoint.command, facts_.shell, facts_.system));
  }
  std::optional<std::string> operator()(const Shell& shell) const {
    return "SHELL " + in_brackets(shell.words);
  }
  std::optional<std::string> operator()(const Healthcheck& check) const {
    return "HEALTHCHECK {Test:" + in_brackets(check.test) + " Interval:" + format_duration(check.interval) +
           " Timeout:" + format_duration(check.timeout) +
           " StartPeriod:" + format_duration(check.start_period) +
           " StartInterval:" + format_duration(check.start_interval) +
           " Retries:" + std::to_string(check.retries) + "}";
  }
  std::optional<std::string> operator()(const Expose& expose) const {
    return "EXPOSE " + in_brackets(expose.ports);
  }
  std::optional<std::string> operator()(const User& user) const { return "USER " + user.user; }
  std::optional<std::string> operator()(const Volume& volume) const {
    return "VOLUME " + in_brackets(volume.paths);
  }
  std::optional<std::string> operator()(const Workdir&) const {
    return "WORKDIR " + std::string(facts_.workdir);
  }
  std::optional<std::string> operator()(const StopSignal& stop) const { return "STOPSIGNAL " + stop.signal; }
  std::optional<std::string> operator()(const Maintainer& maintainer) const {
    return "MAINTAINER " + maintainer.name;
  }

 private:
  const HistoryFacts& facts_;
};

}  // namespace

RunCommand run_command(const Run& run, std::span<const std::string> shell, System system) {
  RunCommand result{run.command.words, std::nullopt};
  const std::vector<Heredoc>& heredocs = run.command.heredocs;
  if (!heredocs.empty() && !result.arguments.empty()) {
    std::optional<Heredoc> whole;
    try {
      whole = heredoc_of(result.arguments.front());
    } catch (const WordError&) {
      // Not a heredoc alone: the shell gets the line as it is.
    }
    if (whole) {
      // The command is one heredoc and nothing else: its content is the script, whatever the shell knows of
      // heredocs.
      const Heredoc& only = heredocs.front();
      std::string content = only.strip_tabs ? without_leading_tabs(only.content) : only.content;
      if (system != System::windows && content.rfind("#!", 0) == 0) {
        result.arguments = {"/dev/pipes/" + only.name};
        result.script = InlineFile{only.name, std::move(content), false};
      } else {
        result.arguments = {std::move(content)};
      }
    } else {
      std::string text = result.arguments.front();
      for (const Heredoc& heredoc : heredocs)
        text += "\n" + heredoc.content + heredoc.name;
      result.arguments = {std::move(text)};
    }
  }
  if (run.command.shell_form) result.arguments = with_shell(result.arguments, shell, system);
  return result;
}

std::vector<std::string> command_words(const Command& command, std::span<const std::string> shell,
                                       System system) {
  return command.shell_form ? with_shell(command.words, shell, system) : command.words;
}

std::optional<std::string> created_by(const Instruction& expanded, const HistoryFacts& facts) {
  return std::visit(Teller(facts), expanded.body);
}

bool makes_layer(const Instruction& expanded, std::string_view workdir) {
  if (expanded.as<Workdir>() != nullptr) return workdir != "/";
  return expanded.as<Copy>() != nullptr || expanded.as<Add>() != nullptr || expanded.as<Run>() != nullptr;
}

}  // namespace bottle::dockerfile
