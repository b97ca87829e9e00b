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

// A Dockerfile up to its first wrong instruction: what checks can say of it nevertheless.
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
