// SPDX-License-Identifier: Apache-2.0
// The types of the instructions of a Dockerfile. dockerfile/instructions.hpp makes them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dockerfile/ast.hpp"
#include "dockerfile/source.hpp"

namespace bottle::dockerfile {

struct KeyValue {
  std::string key;
  std::string value;
  bool delimited = true;  // false in the old form "ENV key value"
};

struct From {
  std::string base;
  std::string name;  // in lower case, "" without AS
  std::string name_as_written;
  std::string as_keyword;  // "AS" in its own case, "" without
  std::string platform;    // --platform
};

struct ArgDefinition {
  std::string key;
  std::optional<std::string> value;
};
struct Arg {
  std::vector<ArgDefinition> definitions;
};

struct Env {
  std::vector<KeyValue> pairs;
};
struct Label {
  std::vector<KeyValue> pairs;
};

// A heredoc as a file of COPY or ADD: leading tabs are stripped already if asked for.
struct InlineFile {
  std::string name;
  std::string content;
  bool expand = false;
};

// Sources and destination of COPY and ADD.
struct Transfer {
  std::vector<std::string> sources;  // in order, without the heredocs
  std::vector<InlineFile> files;
  std::string destination;
};
struct Copy {
  Transfer transfer;
  std::string from;
  std::string chown;
  std::string chmod;
  std::vector<std::string> excludes;
  bool link = false;
  bool parents = false;
};
struct Add {
  Transfer transfer;
  std::string chown;
  std::string chmod;
  std::string checksum;
  std::vector<std::string> excludes;
  bool link = false;
  std::optional<bool> keep_git_dir;
  std::optional<bool> unpack;
};

struct Mount {
  enum class Type { bind, cache, tmpfs, secret, ssh } type = Type::bind;
  enum class Sharing { unset, shared, exclusive, locked } sharing = Sharing::unset;  // exclusive is "private"
  std::string from;
  std::string source;
  std::string target;
  std::string id;
  bool read_only = true;
  bool required = false;
  std::int64_t size = 0;  // bytes, 0 without a limit
  std::optional<std::string> env;
  std::optional<std::uint32_t> mode;
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
};

struct Device {
  std::string name;
  bool required = false;
};

// The command of RUN, CMD and ENTRYPOINT. In shell form `words` has one element (none for an empty command)
// that the shell in force gets as its last argument.
struct Command {
  std::vector<std::string> words;
  std::vector<Heredoc> heredocs;
  bool shell_form = true;
};

struct Run {
  Command command;
  // The flag values, and what is known of them before expansion: `from` only (it is never expanded).
  // Scope::expand() fills in the rest.
  std::vector<std::string> mount_texts;
  std::vector<Mount> mounts;
  std::vector<Device> devices;
  std::string network = "default";      // default, none, host
  std::string security = "sandbox";     // sandbox, insecure
  std::vector<std::string> flags_used;  // names, sorted, each once
};

struct Cmd {
  Command command;
};
struct Entrypoint {
  Command command;
};
struct Shell {
  std::vector<std::string> words;
};

struct Healthcheck {
  std::vector<std::string> test;  // {"NONE"}, {"CMD", ...} or {"CMD-SHELL", text}
  std::chrono::nanoseconds interval{0};
  std::chrono::nanoseconds timeout{0};
  std::chrono::nanoseconds start_period{0};
  std::chrono::nanoseconds start_interval{0};
  int retries = 0;
};

struct Onbuild {
  std::string expression;  // the trigger, heredocs included, for parse_onbuild()
};
struct Expose {
  std::vector<std::string> ports;  // as written, sorted
};
struct User {
  std::string user;
};
struct Volume {
  std::vector<std::string> paths;
};
struct Workdir {
  std::string path;
};
struct StopSignal {
  std::string signal;
};
struct Maintainer {
  std::string name;
};

using Body = std::variant<From, Arg, Env, Label, Copy, Add, Run, Cmd, Entrypoint, Shell, Healthcheck, Onbuild,
                          Expose, User, Volume, Workdir, StopSignal, Maintainer>;

struct Instruction {
  std::string keyword;  // in its own case
  std::string text;     // the logical line, trimmed, without heredoc contents
  LineRange lines;
  Position position;  // of the keyword
  std::vector<std::string> comments;
  Body body;

  template <typename Type>
  const Type* as() const {
    return std::get_if<Type>(&body);
  }
  template <typename Type>
  Type* as() {
    return std::get_if<Type>(&body);
  }
};

// A stage as written: FROM and what follows it.
struct StageText {
  Instruction from;  // its body is From
  std::vector<Instruction> instructions;

  const From& header() const { return std::get<From>(from.body); }
};

}  // namespace bottle::dockerfile
