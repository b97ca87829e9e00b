// What the command lines of all tools have in common: --version, --quiet, --json, colour, and errors of use
// that name the nearest option. Around CLI11; include <CLI/CLI.hpp> in the tool's .cpp only.
//
//   int main(int argc, char** argv) {
//     return bottle::run_tool("bottle-x", [&] {
//       CLI::App app("What it does.", "bottle-x");
//       bottle::CommonOptions common;
//       bottle::add_common_options(app, common);
//       if (auto status = bottle::parse_command_line(app, argc, argv)) return *status;
//       ...
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace bottle {

struct CommonOptions {
  bool quiet = false;  // --quiet: errors and asked-for results only
  bool json = false;   // --json: the result on stdout is one JSON document
};

// Adds --version to `app`, and --quiet and --json, which are also taken after a subcommand's name. Call it
// before subcommands are added.
void add_common_options(CLI::App& app, CommonOptions& options);

// Adds a subcommand's options when the command line names it: what `add` refers to must live as long as
// `command`. A tool with many subcommands starts faster, for CLI11 takes some microseconds for each option.
void when_chosen(CLI::App& command, std::function<void()> add);

// Parses. nullopt: go on. A status: --help or --version was printed (0). Throws UsageError (status 2) for a
// wrong command line; its hint names the nearest option or subcommand.
std::optional<int> parse_command_line(CLI::App& app, int argc, const char* const* argv);

// Whether colours and a progress bar suit this descriptor: a terminal that is not "dumb", and no NO_COLOR
// (https://no-color.org).
bool use_color(int descriptor);

// "1500", "64K", "1.5G", "20GiB", "10MB" as bytes (K, KB and KiB are all 1024); nullopt when it is not a
// size.
std::optional<std::uint64_t> parse_size(std::string_view text);
// "90", "45s", "10m", "36h", "7d", "2w" as seconds; nullopt when it is not a length of time.
std::optional<std::uint64_t> parse_duration(std::string_view text);

}  // namespace bottle
