// SPDX-License-Identifier: Apache-2.0
// Before smolvm boots a machine: the things that it would complain about minutes later, or in other words.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "pack/image_reference.hpp"
#include "pack/limits.hpp"
#include "pack/runtime.hpp"
#include "pack/smolvm_command.hpp"
#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/process.hpp"
#include "util/text.hpp"

namespace bottle::pack {
namespace {

constexpr const char* kNative = "or use PACKER native, which needs no virtual machine";
// What a pack holds beside the image: the agent's root file system, a storage template, the stub.
constexpr std::uint64_t kOverhead = 256u << 20;

std::string version_of_smolvm() {
  const ProcessResult finished = run_program({.arguments = {kSmolvm, "--version"}});
  std::string text = finished.output.substr(0, finished.output.find('\n'));
  if (!finished.status.success())
    throw Error(
        "cannot read the version of smolvm: " + finished.status.text() + (text.empty() ? "" : ": " + text),
        {.where = "smolvm --version", .hint = std::string("install smolvm again, ") + kNative});
  constexpr std::string_view kName = "smolvm ";
  if (text.starts_with(kName)) text.erase(0, kName.size());
  return text;
}

void check_kvm() {
  // Elsewhere (tests, other hypervisors) this variable names the device that smolvm needs; "" means none.
  const std::string device = environment::find(environment::kKvmDevice).value_or("/dev/kvm");
  if (device.empty()) return;
  const Fd file(::open(device.c_str(), O_RDWR | O_CLOEXEC));
  if (file) return;
  if (errno == ENOENT)
    throw Error(
        "cannot use KVM: this machine does not provide it",
        {.where = device,
         .hint = std::string("enable virtualization in the firmware, or load the module kvm, ") + kNative});
  if (errno == EACCES || errno == EPERM)
    throw Error("cannot use KVM: permission denied",
                {.where = device, .hint = std::string("join the group kvm and log in again, ") + kNative});
  throw_errno("cannot use KVM", device);
}

// Where smolvm looks for what it loads; the first directory with both.
fs::path find_libraries(const fs::path& program) {
  std::vector<fs::path> places;
  if (const std::string named = environment::value(environment::kSmolvmLibDir); !named.empty())
    places.emplace_back(named);
  std::error_code error;
  const fs::path directory = fs::canonical(program, error).parent_path();
  for (const char* relative : {"lib", ".", "../lib", "../../lib"})
    places.push_back((directory / relative).lexically_normal());
  for (const char* absolute : {"/usr/lib/smolvm/lib", "/usr/local/lib"})
    places.emplace_back(absolute);
  std::string looked;
  for (const fs::path& place : places) {
    if (fs::exists(place / "libkrun.so", error) && fs::exists(place / "libkrunfw.so.5", error)) return place;
    looked += (looked.empty() ? "" : ", ") + place.native();
  }
  throw Error("cannot find libkrun.so and libkrunfw.so.5 of smolvm in " + looked,
              {.where = program.native(), .hint = "set SMOLVM_LIB_DIR to their directory"});
}

// Where smolvm writes the tree and the compressed assets.
std::vector<fs::path> staging_directories() {
  std::vector<fs::path> places;
  if (const std::string named = environment::value(environment::kSmolvmPackStaging); !named.empty())
    places.emplace_back(named);
  else if (const std::string cache = environment::value(environment::kXdgCacheHome); !cache.empty())
    places.emplace_back(cache);
  else if (const std::string home = environment::value(environment::kHome); !home.empty())
    places.push_back(fs::path(home) / ".cache");
  places.push_back(fs::temp_directory_path());
  return places;
}

void check_room(std::uint64_t image_bytes) {
  const std::uint64_t needed = image_bytes + kOverhead;
  for (fs::path place : staging_directories()) {
    std::error_code error;
    while (!fs::exists(place, error) && place.has_relative_path())
      place = place.parent_path();
    struct statvfs status {};
    if (::statvfs(place.c_str(), &status) != 0) continue;
    const std::uint64_t available = std::uint64_t{status.f_bavail} * status.f_frsize;
    if (available < needed)
      throw Error(fmt::format("not enough free space to stage the pack: expected about {}, found {}",
                              human_size(needed), human_size(available)),
                  {.where = place.native(),
                   .hint = "free space, or set another directory: SMOLVM_PACK_STAGING for the tree, TMPDIR "
                           "for the compressed file"});
  }
}

}  // namespace

SmolvmInstallation check_smolvm(const std::string& reference, std::uint64_t image_bytes,
                                const std::optional<fs::path>& agent_rootfs) {
  const auto program = find_program(kSmolvm);
  if (!program)
    throw Error("cannot find smolvm", {.where = "PATH", .hint = std::string("install smolvm, ") + kNative});
  SmolvmInstallation found;
  found.program = *program;
  found.version = version_of_smolvm();
  check_kvm();
  if (!agent_rootfs)
    throw Error("cannot find the agent root filesystem of smolvm",
                {.where = program->native(),
                 .hint = "set the CMake variable BOTTLE_SMOLVM_RUNTIME (without CMake: SMOLVM_AGENT_ROOTFS) "
                         "to its directory, or install smolvm again"});
  found.agent_rootfs = *agent_rootfs;
  found.libraries = find_libraries(*program);
  check_room(image_bytes);
  const std::string canonical = canonical_image(reference);
  const std::string problem = image_problem(canonical);
  if (!problem.empty())
    throw Error("smolvm rejects the image's name: " + problem,
                {.where = canonical, .hint = "choose another slug"});
  return found;
}

}  // namespace bottle::pack
