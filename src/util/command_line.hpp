// SPDX-License-Identifier: Apache-2.0
// What the command lines of all tools have in common: options and subcommands, --version, --quiet, --json,
// colour, and errors of use that name the nearest option. CLI11 does the work; command_line.cpp alone
// includes it, for an empty file with it takes seconds to compile.
//
//   int main(int argc, char** argv) {
//     return bottle::run_tool("bottle-x", [&] {
//       bottle::CommandLine app("What it does.", "bottle-x");
//       bottle::CommonOptions common;
//       app.add_common_options(common);
//       if (auto status = app.parse(argc, argv)) return *status;
//       ...
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace bottle {

// An option or argument of a command: a handle, for as long as the CommandLine lives. Those that change it
// return it.
class Option {
 public:
  Option() = default;  // one that was not given
  explicit Option(CLI::Option* option) : option_(option) {}

  Option required() const;
  Option excludes(Option other) const;
  Option needs(const std::string& name) const;
  Option one_of(std::vector<std::string> words) const;
  Option suggests(
      std::vector<std::string> words) const;  // in --help and completions; others are accepted too
  Option within(unsigned least, unsigned most) const;
  Option with_optional_value() const;
  Option type_name(const std::string& name) const;
  Option show_default() const;                     // in --help
  Option group(const std::string& heading) const;  // in --help

  bool given() const;

 private:
  CLI::Option* option_ = nullptr;
};

// A tool or one of its subcommands: a handle, for as long as the CommandLine lives.
class Subcommand {
 public:
  Subcommand() = default;
  explicit Subcommand(CLI::App* app) : app_(app) {}

  Subcommand add_subcommand(const std::string& name, const std::string& description = "") const;
  void require_subcommand() const;

  // `names` as "-f,--file", or "file" for an argument. `Value`: a string, a list of strings, which takes one
  // value each time, or a whole number; optional where the default is another (instantiated in
  // command_line.cpp).
  template <typename Value>
  Option add_option(const std::string& names, Value& value, const std::string& description = "") const;
  Option add_flag(const std::string& names, bool& value, const std::string& description = "") const;
  Option option(const std::string& name) const;  // which was added before

  // Adds a subcommand's options when the command line names it: what `add` refers to must live as long as the
  // command line. A tool with many subcommands starts faster, for CLI11 takes some microseconds for each
  // option.
  void when_chosen(std::function<void()> add) const;

  // Puts the options that have no heading yet under `heading` in --help, except the common ones.
  void group_options(const std::string& heading) const;
  Subcommand footer(const std::string& text) const;
  bool parsed() const;  // the command line named it

 protected:
  CLI::App* app_ = nullptr;
};

struct CommonOptions {
  bool quiet = false;  // --quiet: errors and asked-for results only
  bool json = false;   // --json: the result on stdout is one JSON document
};

// The whole of a tool's command line.
class CommandLine : public Subcommand {
 public:
  CommandLine(const std::string& description, const std::string& name);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  // Adds --version, and --quiet and --json, which are also taken after a subcommand's name. Call it before
  // subcommands are added.
  void add_common_options(CommonOptions& options);

  // Writes the tree of subcommands with their options as one line of JSON: the source of the completions
  // (completions/generate) and of the check of the documentation. parse() does so for the argument kDescribe.
  void describe(std::ostream& out);
  static constexpr std::string_view kDescribe = "--describe-command-line";

  // Parses. nullopt: continue. A status: --help or --version was printed (0). Throws UsageError (status 2)
  // for a wrong command line; its hint names the nearest option or subcommand.
  std::optional<int> parse(int argc, const char* const* argv);

 private:
  std::unique_ptr<CLI::App> owned_;
};

// Whether colours and a progress bar suit this descriptor: a terminal that is not "dumb", and no NO_COLOR
// (https://no-color.org).
bool use_color(int descriptor);

// "1500", "64K", "1.5G", "20GiB", "10MB" as bytes (K, KB and KiB are all 1024); nullopt when it is not a
// size.
std::optional<std::uint64_t> parse_size(std::string_view text);
// "90", "45s", "10m", "36h", "7d", "2w" as seconds; nullopt when it is not a length of time.
std::optional<std::uint64_t> parse_duration(std::string_view text);

}  // namespace bottle
