// SPDX-License-Identifier: Apache-2.0
#include "gate/script_check.hpp"

#include <vector>

#include <fmt/format.h>

#include "gate/template.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/process.hpp"
#include "util/text.hpp"

namespace bottle::gate {
namespace {

ProcessResult shell_reads(const fs::path& file) {
  return run_program({.arguments = {"/bin/sh", "-n", file.native()}});
}

bool plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view(" _./=:,+-").find(c) != std::string_view::npos;
}

// Shells name the line of an error as "file: 12: ..." or "file: line 12: ...".
bool names_line(const std::string& output, std::size_t line) {
  return output.find(fmt::format(": {}: ", line)) != std::string::npos ||
         output.find(fmt::format(": line {}: ", line)) != std::string::npos;
}

std::string without_path(std::string text, const fs::path& directory) {
  const std::string prefix = directory.native() + "/";
  for (std::size_t at; (at = text.find(prefix)) != std::string::npos;)
    text.erase(at, prefix.size());
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text;
}

}  // namespace

void check_places_of_values(const std::string& marked, const std::string& name) {
  const TemporaryDirectory directory;
  const fs::path file = directory.path() / "script";
  const std::vector<std::string_view> lines = split(marked, '\n');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string rest(lines[i]);
    if (rest.find(kMarkedWord) == std::string::npos) continue;
    const std::string where = fmt::format("{}:{} (rendered)", name, i + 1);
    for (std::size_t at; (at = rest.find(kMarkedWord)) != std::string::npos;)
      rest.erase(at, std::string_view(kMarkedWord).size());
    for (const char c : rest)
      if (!plain(c))
        throw Error(
            fmt::format("expected only plain words and values in the line, found \"{}\" next to a value", c),
            {.where = where, .hint = "assign the value to a variable, name={{name}}, and use the variable"});
    std::string probe;
    for (std::size_t line = 0; line < lines.size(); ++line) {
      if (line == i) probe += ")\n";
      probe += std::string(lines[line]) + "\n";
    }
    write_file(file, probe, Durable::no);
    const ProcessResult finished = shell_reads(file);
    if (finished.status.success() || !names_line(finished.output, i + 1))
      throw Error(
          "expected a value outside quotes, comments and here-documents",
          {.where = where, .hint = "assign the value to a variable, name={{name}}, and use the variable"});
  }
}

void check_scripts(const std::map<std::string, std::string>& rendered,
                   const std::map<std::string, std::string>& marked, const std::string& place) {
  const bool lint = find_program("shellcheck").has_value();
  for (const auto& [scripts, severity] : {std::pair{&rendered, "error"}, std::pair{&marked, "info"}}) {
    const TemporaryDirectory directory;
    std::vector<std::string> command{"shellcheck",
                                     "--norc",
                                     "--external-sources",
                                     "--source-path=SCRIPTDIR",
                                     "--shell=sh",
                                     "--format=gcc",
                                     std::string("--severity=") + severity};
    for (const auto& [name, script] : *scripts) {
      const fs::path file = directory.path() / name;
      write_file(file, script, Durable::no);
      command.push_back(file.native());
      const ProcessResult syntax = shell_reads(file);
      if (!syntax.status.success())
        throw Error("sh -n rejected the rendered script: " + without_path(syntax.output, directory.path()),
                    {.where = (fs::path(place) / name).native()});
    }
    if (!lint || scripts->empty()) continue;
    const ProcessResult finished = run_program({.arguments = command});
    if (!finished.status.success())
      throw Error(
          "shellcheck rejected a rendered script:\n" + without_path(finished.output, directory.path()),
          {.where = place});
  }
}

}  // namespace bottle::gate
