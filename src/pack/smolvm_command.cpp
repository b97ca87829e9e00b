// SPDX-License-Identifier: Apache-2.0
#include "pack/smolvm_command.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <string_view>

#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/process.hpp"
#include "util/text.hpp"

namespace bottle::pack {

SmolvmOutput::SmolvmOutput(std::function<void(const std::string&)> on_line) : on_line_(std::move(on_line)) {}

void SmolvmOutput::take(std::string_view text) {
  constexpr char kEscape = 0x1b;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (state_ == State::escape) {
      state_ = c == '[' ? State::sequence : State::text;
    } else if (state_ == State::sequence) {
      if (byte >= 0x40 && byte <= 0x7e) state_ = State::text;
    } else if (c == kEscape) {
      state_ = State::escape;
    } else if (c == '\n' || c == '\r') {
      end_line();
    } else if (byte >= 0x20 && byte != 0x7f) {
      line_ += c;
    }
  }
}

void SmolvmOutput::finish() {
  end_line();
}

void SmolvmOutput::end_line() {
  const std::size_t begin = line_.find_first_not_of(' ');
  std::string line = begin == std::string::npos ? "" : line_.substr(begin);
  line.erase(line.find_last_not_of(' ') + 1);
  line_.clear();
  if (line.empty() || line == shown_) return;
  shown_ = line;
  constexpr std::string_view kError = "Error: ";
  // Its two outputs are one pipe here, so the error may come in the middle of a drawn line.
  if (const std::size_t at = line.rfind(kError); at != std::string::npos)
    error_ = line.substr(at + kError.size());
  on_line_(line);
}

std::string SmolvmOutput::complaint() const {
  return error_.empty() ? shown_ : error_;
}

std::vector<std::string> smolvm_arguments(const SmolvmImage& image) {
  std::vector<std::string> arguments{kSmolvm,
                                     "pack",
                                     "create",
                                     "--image",
                                     image.reference,
                                     "-o",
                                     image.output.native(),
                                     "--cpus",
                                     std::to_string(image.cpus),
                                     "--mem",
                                     std::to_string(image.memory_mib)};
  if (!image.platform.empty()) arguments.insert(arguments.end(), {"--oci-platform", image.platform});
  if (image.entrypoint) arguments.insert(arguments.end(), {"--entrypoint", *image.entrypoint});
  return arguments;
}

namespace {

// This process's environment, with the agent root filesystem that the pack's key names.
std::vector<std::string> environment_of(const SmolvmImage& image) {
  std::vector<std::string> lines = environment::lines();
  if (image.agent_rootfs.empty()) return lines;
  const std::string assignment = std::string(environment::kSmolvmAgentRootfs.name) + "=";
  std::erase_if(lines, [&](const std::string& line) { return line.starts_with(assignment); });
  lines.push_back(assignment + image.agent_rootfs.native());
  return lines;
}

}  // namespace

fs::path run_smolvm(const SmolvmImage& image, const std::function<void(const std::string&)>& on_line) {
  SmolvmOutput output(on_line);
  const ProcessResult finished =
      run_program({.arguments = smolvm_arguments(image), .environment = environment_of(image)},
                  [&](std::string_view text) { output.take(text); });
  output.finish();
  const std::string what = "smolvm pack create --image " + image.reference;
  if (!finished.status.success()) {
    const std::string complaint = output.complaint();
    throw Error(
        "smolvm failed with " + finished.status.text() + (complaint.empty() ? "" : ": " + complaint),
        {.where = what, .hint = "use PACKER native, which makes the same pack without a virtual machine"});
  }
  fs::path pack = image.output.native() + ".smolmachine";
  if (!fs::exists(pack))
    throw Error("smolvm succeeded without writing the pack",
                {.where = pack.native(),
                 .hint = "check that Bottle supports this version (smolvm --version): 1.9 is supported"});
  return pack;
}

std::string smolvm_identity() {
  const auto program = find_program(kSmolvm);
  if (!program)
    throw Error(
        "cannot find smolvm",
        {.where = "PATH", .hint = "install smolvm, or use PACKER native, which needs neither it nor KVM"});
  const Fd file = open_for_reading(*program);
  const struct stat status = stat_of(file.get(), program->native());
  return fmt::format("{} {} {}.{:09}", escape_word(program->native()), status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec);
}

}  // namespace bottle::pack
