// SPDX-License-Identifier: Apache-2.0
// Real Dockerfiles of public repositories against what the reference frontend makes of them. The data is not
// part of the project; without it these tests are skipped.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "dockerfile/ignore.hpp"
#include "dockerfile/instructions.hpp"
#include "dockerfile/lint.hpp"
#include "dockerfile/run_flags.hpp"
#include "dockerfile/text.hpp"

namespace bottle::dockerfile {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

const fs::path kData = fs::path(BOTTLE_CONFORMANCE_DIR) / "data";

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<json> rows_of(const fs::path& path) {
  std::vector<json> rows;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    rows.push_back(json::parse(line));
  return rows;
}

void put(json& object, const char* name, const std::string& value) {
  if (!value.empty()) object[name] = value;
}
void put(json& object, const char* name, const std::vector<std::string>& value) {
  if (!value.empty()) object[name] = value;
}
void put(json& object, const char* name, bool value) {
  if (value) object[name] = true;
}

// Instructions in the words of the recorded answers.
struct Renderer {
  json& out;

  void pairs(const char* name, const std::vector<KeyValue>& pairs) const {
    out[name] = json::array();
    for (const KeyValue& pair : pairs) {
      json each{{"Key", pair.key}};
      put(each, "Value", pair.value);
      put(each, "NoDelim", !pair.delimited);
      out[name].push_back(each);
    }
  }
  void transfer(const Transfer& transfer) const {
    put(out, "SourcePaths", transfer.sources);
    put(out, "DestPath", transfer.destination);
    for (const InlineFile& file : transfer.files) {
      json each{{"Path", file.name}};
      put(each, "Data", file.content);
      put(each, "Expand", file.expand);
      out["SourceContents"].push_back(each);
    }
  }
  void command(const Command& command) const {
    put(out, "CmdLine", command.words);
    put(out, "PrependShell", command.shell_form);
    for (const Heredoc& heredoc : command.heredocs) {
      json each{{"Name", heredoc.name}};
      put(each, "Data", heredoc.content);
      put(each, "Chomp", heredoc.strip_tabs);
      out["Files"].push_back(each);
    }
  }
  static json mount(const std::string& text) {
    constexpr const char* kTypes[] = {"bind", "cache", "tmpfs", "secret", "ssh"};
    constexpr const char* kSharings[] = {"", "shared", "private", "locked"};
    const Mount mount = parse_mount(text, [](std::string_view value) { return std::string(value); });
    json each{{"Type", kTypes[static_cast<int>(mount.type)]}};
    put(each, "From", mount.from);
    put(each, "Source", mount.source);
    put(each, "Target", mount.target);
    put(each, "CacheID", mount.id);
    put(each, "CacheSharing", std::string(kSharings[static_cast<int>(mount.sharing)]));
    put(each, "ReadOnly", mount.read_only);
    put(each, "Required", mount.required);
    if (mount.mode) each["Mode"] = *mount.mode;
    if (mount.uid) each["UID"] = *mount.uid;
    if (mount.gid) each["GID"] = *mount.gid;
    if (mount.env) each["Env"] = *mount.env;
    return each;
  }

  void operator()(const From&) const { FAIL() << "FROM inside a stage"; }
  void operator()(const Arg& arg) const {
    for (const ArgDefinition& definition : arg.definitions) {
      json each{{"Key", definition.key}};
      if (definition.value) each["Value"] = *definition.value;
      out["Args"].push_back(each);
    }
  }
  void operator()(const Env& env) const { pairs("Env", env.pairs); }
  void operator()(const Label& label) const { pairs("Labels", label.pairs); }
  void operator()(const Copy& copy) const {
    transfer(copy.transfer);
    put(out, "From", copy.from);
    put(out, "Chown", copy.chown);
    put(out, "Chmod", copy.chmod);
    put(out, "Link", copy.link);
    put(out, "Parents", copy.parents);
    put(out, "ExcludePatterns", copy.excludes);
  }
  void operator()(const Add& add) const {
    transfer(add.transfer);
    put(out, "Chown", add.chown);
    put(out, "Chmod", add.chmod);
    put(out, "Link", add.link);
    put(out, "Checksum", add.checksum);
    put(out, "ExcludePatterns", add.excludes);
    if (add.keep_git_dir) out["KeepGitDir"] = *add.keep_git_dir;
    if (add.unpack) out["Unpack"] = *add.unpack;
  }
  void operator()(const Run& run) const {
    command(run.command);
    out["FlagsUsed"] = run.flags_used;
    out["network"] = run.network;
    out["security"] = run.security;
    for (const std::string& text : run.mount_texts)
      out["mounts"].push_back(mount(text));
  }
  void operator()(const Cmd& cmd) const { command(cmd.command); }
  void operator()(const Entrypoint& entrypoint) const { command(entrypoint.command); }
  void operator()(const Shell& shell) const { put(out, "Shell", shell.words); }
  void operator()(const Healthcheck& check) const {
    json health{{"Test", check.test}};
    const auto duration = [&](const char* name, std::chrono::nanoseconds value) {
      if (value.count() != 0) health[name] = value.count();
    };
    duration("Interval", check.interval);
    duration("Timeout", check.timeout);
    duration("StartPeriod", check.start_period);
    duration("StartInterval", check.start_interval);
    if (check.retries != 0) health["Retries"] = check.retries;
    out["Health"] = health;
  }
  void operator()(const Onbuild& onbuild) const { put(out, "Expression", onbuild.expression); }
  void operator()(const Expose& expose) const { put(out, "Ports", expose.ports); }
  void operator()(const User& user) const { put(out, "User", user.user); }
  void operator()(const Volume& volume) const { put(out, "Volumes", volume.paths); }
  void operator()(const Workdir& workdir) const { put(out, "Path", workdir.path); }
  void operator()(const StopSignal& stop) const { put(out, "Signal", stop.signal); }
  void operator()(const Maintainer& maintainer) const { put(out, "Maintainer", maintainer.name); }
};

json rendered(const Instruction& instruction) {
  json out{{"cmd", to_upper(instruction.keyword)},
           {"code", instruction.text},
           {"start", instruction.lines.first},
           {"end", instruction.lines.last}};
  if (!instruction.comments.empty()) out["comments"] = instruction.comments;
  std::visit(Renderer{out}, instruction.body);
  return out;
}

json rendered(const Dockerfile& file) {
  json out{{"meta_args", json::array()}, {"stages", json::array()}};
  for (const Instruction& arg : file.meta_args)
    out["meta_args"].push_back(rendered(arg));
  for (const StageText& stage : file.stages) {
    json each{{"base", stage.header().base},
              {"commands", json::array()},
              {"line", stage.from.lines.first},
              {"name", stage.header().name},
              {"platform", stage.header().platform},
              {"orig_cmd", stage.from.keyword},
              {"source", stage.from.text}};
    for (const Instruction& instruction : stage.instructions)
      each["commands"].push_back(rendered(instruction));
    out["stages"].push_back(each);
  }
  return out;
}

// Parts of the answers that this library has no use for: descriptions made of comments, and empty values.
void drop_unused(json& value) {
  if (value.is_array()) {
    for (json& item : value)
      drop_unused(item);
    return;
  }
  if (!value.is_object()) return;
  for (const char* name : {"doc", "DocComment", "file"})
    value.erase(name);
  for (auto& [name, item] : value.items())
    drop_unused(item);
}

TEST(Oracle, RealDockerfilesParseTheSame) {
  const fs::path folder = kData / "dockerfiles";
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " is absent";
  std::size_t compared = 0;
  for (json& expected : std::vector<json>(rows_of(folder / "oracle-stages.jsonl"))) {
    const std::string name = expected["file"];
    SCOPED_TRACE(name);
    ++compared;
    const std::string text = content_of(folder / name);
    if (expected.contains("error")) {
      try {
        parse_dockerfile(text, name);
        ADD_FAILURE() << "accepted, expected: " << expected["error"];
      } catch (const SourceError& error) {
        EXPECT_EQ(error.position().line, expected["error_lines"][0][0].get<int>());
      }
      continue;
    }
    drop_unused(expected);
    const json found = rendered(parse_dockerfile(text, name));
    if (found != expected) ADD_FAILURE() << json::diff(expected, found).dump(1);
  }
  EXPECT_GE(compared, 142u);
}

TEST(Oracle, TheSameLintRulesFire) {
  const fs::path folder = kData / "dockerfiles";
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " is absent";
  using Fired = std::multiset<std::string>;
  const auto shown = [](const std::string& rule, int first, int last, const std::string& message) {
    return rule + " " + std::to_string(first) + "-" + std::to_string(last) + " " + message;
  };
  for (const json& row : rows_of(folder / "oracle-lint.jsonl")) {
    const std::string name = row["file"];
    SCOPED_TRACE(name);
    Fired expected;
    for (const json& each : row["warnings"]) {
      expected.insert(shown(each["rule"], each["lines"].front(), each["lines"].back(), each["msg"]));
    }
    Fired found;
    std::optional<int> error_line;
    try {
      const Dockerfile file = parse_dockerfile(content_of(folder / name), name);
      const LintReport report = lint(file, {}, {.unknown_bases_are_empty = true});
      for (const LintWarning& each : report.warnings) {
        found.insert(shown(each.rule, each.lines.first, each.lines.last, each.message));
        for (const json& other : row["warnings"]) {
          if (other["rule"] == each.rule) {
            EXPECT_EQ(each.url(), other["url"]);
          }
        }
      }
      if (report.error) error_line = report.error->position().line;
    } catch (const SourceError& error) {
      error_line = error.position().line;
    }
    EXPECT_EQ(found, expected);
    ASSERT_EQ(error_line.has_value(), row.contains("error"));
    if (error_line) {
      EXPECT_EQ(*error_line, row["error_lines"][0][0].get<int>());
    }
  }
}

TEST(Oracle, IgnoreFilesReadTheSame) {
  const fs::path table = kData / "dockerignore" / "ignorefile.jsonl";
  if (!fs::exists(table)) GTEST_SKIP() << table << " is absent";
  const std::vector<json> rows = rows_of(table);
  EXPECT_FALSE(rows.empty());
  for (const json& row : rows) {
    const json found = read_ignore_file(row["content"].get<std::string>());
    EXPECT_EQ(found, row["expect"]) << row["content"];
  }
}

}  // namespace
}  // namespace bottle::dockerfile
