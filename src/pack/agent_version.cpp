// SPDX-License-Identifier: Apache-2.0
#include "pack/agent_version.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <chrono>

#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/process.hpp"
#include "util/text.hpp"

namespace bottle::pack {
namespace {

constexpr const char* kAgentName = "smolvm-agent";
constexpr std::chrono::seconds kPatience{10};
constexpr std::size_t kMaximumAnswer = 256;  // bytes; a version has a dozen
constexpr int kMaximumLinks = 8;

// A path of the agent's root filesystem on this machine; links are followed as the guest would, within it.
std::optional<fs::path> find_in(const fs::path& root, fs::path path) {
  for (int links = 0; links <= kMaximumLinks; ++links) {
    const fs::path full = root / path.relative_path();
    std::error_code error;
    const fs::file_status status = fs::symlink_status(full, error);
    if (fs::is_regular_file(status)) return full;
    if (!fs::is_symlink(status)) return std::nullopt;
    path = (path.parent_path() / fs::read_symlink(full, error)).lexically_normal();
    if (error || path.relative_path().empty() || *path.relative_path().begin() == "..") return std::nullopt;
  }
  return std::nullopt;
}

std::optional<fs::path> find_agent(const fs::path& root) {
  for (const char* place : {"/usr/local/bin/smolvm-agent", "/sbin/init"}) {
    const auto found = find_in(root, place);
    if (found && found->filename() == kAgentName) return found;
  }
  return std::nullopt;
}

// What comes out of the pipe until its end, the limit, or the deadline; nullopt if that passes.
std::optional<std::string> read_answer(int descriptor, const std::string& name) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::string answer;
  std::array<std::byte, kMaximumAnswer> buffer;
  while (answer.size() < kMaximumAnswer) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return std::nullopt;
    std::array<pollfd, 2> watched{pollfd{descriptor, POLLIN, 0}, pollfd{interrupt_descriptor(), POLLIN, 0}};
    if (::poll(watched.data(), watched.size(), static_cast<int>(left.count())) < 0 && errno != EINTR)
      throw_errno("cannot wait for", name);
    check_interrupted();
    if (watched[0].revents == 0) continue;
    const std::size_t count = read_some(descriptor, buffer, name);
    if (count == 0) return answer;
    answer.append(reinterpret_cast<const char*>(buffer.data()), count);
  }
  return answer;
}

}  // namespace

AgentVersion ask_agent_version(const fs::path& directory) {
  const std::optional<fs::path> agent = find_agent(fs::absolute(directory));
  if (!agent) return {{}, fmt::format("{} does not hold {}", directory.native(), kAgentName)};
  const std::string command = agent->native() + " --version";
  Pipe pipe = make_pipe();
  try {
    Child child = start({.arguments = {agent->native(), "--version"},
                         .environment = std::vector<std::string>{"PATH=/usr/bin:/bin"},
                         .directory = "/",
                         .output = pipe.writer.get()});
    pipe.writer.reset();
    const std::optional<std::string> answer = read_answer(pipe.reader.get(), command);
    if (!answer) return {{}, fmt::format("\"{}\" did not answer within {} s", command, kPatience.count())};
    if (answer->size() >= kMaximumAnswer)
      return {{}, fmt::format("\"{}\" printed more than {} bytes", command, kMaximumAnswer)};
    const ExitStatus status = child.wait();
    if (!status.success()) return {{}, fmt::format("\"{}\" ended with {}", command, status.text())};
    const std::string line = answer->substr(0, answer->find('\n'));
    const auto version = SmolvmVersion::parse(line);
    if (!version)
      return {{}, fmt::format("\"{}\" printed \"{}\", not a version", command, escape_word(line))};
    return {version, {}};
  } catch (const Error& error) {
    // As a rule: an agent for another processor than this machine's.
    return {{}, fmt::format("cannot run \"{}\": {}", command, error.message())};
  }
}

}  // namespace bottle::pack
