// SPDX-License-Identifier: Apache-2.0
// The program `smolvm`, as far as making packs needs it: its command line, its output, and whether it can
// work here. Source: smolvm 1.9.x, `smolvm pack create`.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "util/file.hpp"

namespace bottle::pack {

inline constexpr const char* kSmolvm = "smolvm";

// What smolvm writes for people, as lines: it draws with carriage returns and escape sequences even without a
// terminal.
class SmolvmOutput {
 public:
  explicit SmolvmOutput(std::function<void(const std::string&)> on_line);
  void take(std::string_view text);
  void finish();
  // What it said last about a failure ("Error: ..."), else its last line; "" if it printed nothing.
  std::string complaint() const;

 private:
  void end_line();

  std::function<void(const std::string&)> on_line_;
  enum class State { text, escape, sequence } state_ = State::text;
  std::string line_;
  std::string shown_;  // the last one handed on: a spinner says the same many times
  std::string error_;
};

struct SmolvmImage {
  std::string reference;  // localhost:<port>/...
  std::uint64_t cpus = 4;
  std::uint64_t memory_mib = 8192;
  std::string platform;  // os/architecture; "" is smolvm's choice
  std::optional<std::string> entrypoint;
  fs::path output;             // the stub; the pack is beside it, with ".smolmachine" at its end
  fs::path agent_rootfs = {};  // "": where smolvm looks for it
};

std::vector<std::string> smolvm_arguments(const SmolvmImage& image);
// Runs it; returns the pack's path. Throws an Error with what smolvm said.
fs::path run_smolvm(const SmolvmImage& image, const std::function<void(const std::string&)>& on_line);

struct SmolvmInstallation {
  fs::path program;
  std::string version;
  fs::path agent_rootfs;
  fs::path libraries;
};
// Whether `smolvm pack create` can work: the program and its version, /dev/kvm, the agent's root file system
// and the libraries, room for `image_bytes` where smolvm stages, and the image's name. The first that is not
// so is an Error that says what to do.
SmolvmInstallation check_smolvm(const std::string& reference, std::uint64_t image_bytes,
                                const std::optional<fs::path>& agent_rootfs);

// Says which program it is without starting it, for keys.
std::string smolvm_identity();

}  // namespace bottle::pack
