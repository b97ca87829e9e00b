// SPDX-License-Identifier: Apache-2.0
#include "run/runtime.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

#include <initializer_list>
#include <map>

#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::run {
namespace {

constexpr const char* kVariable = environment::kOciRuntime.name;

// The last message of the runtime's log: one JSON object a line, with "level" and "msg".
std::string last_complaint(const fs::path& log) {
  std::string complaint;
  const auto text = read_file_if_exists(log);
  if (!text) return complaint;
  for (const std::string_view line : split(*text, '\n')) {
    const Json entry = Json::parse(line, nullptr, false);
    if (!entry.is_object() || entry.value("level", "") != "error") continue;
    complaint = entry.value("msg", "");
  }
  return complaint;
}

// A root file system of the host's own programs and libraries, read-only.
void borrow_host(const fs::path& root, std::vector<BundleMount>& mounts) {
  fs::create_directories(root);
  for (const char* name : {"bin", "lib", "lib32", "lib64", "libx32", "usr", "nix", "gnu"}) {
    const fs::path path = fs::path("/") / name;
    std::error_code error;
    if (fs::is_symlink(path, error))
      fs::create_symlink(fs::read_symlink(path), root / name);
    else if (fs::is_directory(path, error))
      mounts.push_back({.target = path.native(), .source = path.native(), .options = {"bind", "ro"}});
  }
}

// Why the runtime cannot be used here; empty if it can.
std::string defect(const Runtime& runtime, IdMapping id_mapping, const fs::path& directory,
                   const std::string& container) {
  const auto program = find_program("true");
  if (!program) return "cannot test it: the program \"true\" is missing";
  Bundle bundle;
  bundle.root = directory / "root";
  bundle.arguments = {program->native()};
  bundle.environment = {"PATH=/usr/bin:/bin"};
  bundle.id_mapping = id_mapping;
  bundle.has_seccomp = runtime.has_seccomp;
  bundle.has_new_proc = runtime.mode.has_new_proc;
  borrow_host(bundle.root, bundle.mounts);
  Pipe output = make_pipe();
  const RuntimeResult result = execute(runtime, directory, container, bundle, output.writer.get());
  output.writer.reset();
  if (result.status.success()) return {};
  std::string text = result.complaint;
  drain(output.reader.get(), [&](std::string_view more) {
    if (result.complaint.empty()) text += more;
  });
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text.empty() ? result.status.text() : text;
}

// Whether what is remembered still holds: the same file, as it was then, for the same kind of user with the
// same rights.
std::string identity_of(const Runtime& runtime, IdMapping id_mapping, const std::string& machine) {
  const Fd file = open_for_reading(runtime.program);
  const struct stat status = stat_of(file.get(), runtime.program.native());
  return fmt::format("{} {} {} {}.{} {} {} {}\n", to_string(id_mapping),
                     escape_word(runtime.program.native()), status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec, runtime.has_seccomp ? "seccomp" : "no-seccomp",
                     runtime.mode.name, machine);
}

// Those to choose from. Throws if the named one is not there.
std::vector<fs::path> installed_runtimes() {
  if (const std::string named = environment::value(environment::kOciRuntime); !named.empty()) {
    const auto program = find_program(named);
    if (!program)
      throw Error(fmt::format("{} names \"{}\", which is not installed", kVariable, named),
                  {.hint = "set the variable to an OCI runtime such as crun or runc"});
    return {*program};
  }
  std::vector<fs::path> programs;
  for (const char* name : {"crun", "runc"})
    if (const auto program = find_program(name)) programs.push_back(*program);
  return programs;
}

// Others may be reading or writing it. Not an AtomicFile: in separate process namespaces they all have the
// same process id.
void remember(const fs::path& memory, const std::string& text, const std::string& container) {
  const fs::path fresh = memory.native() + "." + container;
  {
    const Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!file) throw_errno("cannot write", fresh.native());
    write_all(file.get(), text, fresh.native());
  }
  fs::rename(fresh, memory);
}

}  // namespace

constexpr std::array<RuntimeMode, 5> kRuntimeModes{
    RuntimeMode{.name = "full"}, RuntimeMode{.name = "restricted", .has_control_group = false},
    RuntimeMode{.name = "no-pivot", .has_control_group = false, .has_pivot = false},
    RuntimeMode{.name = "bound-proc", .has_control_group = false, .has_new_proc = false},
    RuntimeMode{.name = "bound-proc-no-pivot",
                .has_control_group = false,
                .has_pivot = false,
                .has_new_proc = false}};

RuntimeResult execute(const Runtime& runtime, const fs::path& directory, const std::string& container,
                      const Bundle& bundle, int output) {
  const fs::path bundle_directory = directory / "bundle";
  const fs::path log = directory / "log.json";
  fs::create_directories(bundle_directory);
  write_file(bundle_directory / "config.json", bundle_config(bundle), Durable::no);
  std::vector<std::string> arguments{runtime.program.native()};
  const auto add = [&](std::initializer_list<std::string> words) {
    arguments.insert(arguments.end(), words);
  };
  add({"--root", (directory / "state").native(), "--log", log.native(), "--log-format", "json"});
  // runc has no such option.
  const bool is_restricted = !runtime.mode.has_control_group;
  if (is_restricted && runtime.program.filename() != "runc") add({"--cgroup-manager=disabled"});
  add({"run"});
  if (is_restricted) add({"--no-new-keyring"});
  if (!runtime.mode.has_pivot) add({"--no-pivot"});
  add({"--bundle", bundle_directory.native(), container});
  Child child = start({.arguments = std::move(arguments),
                       .environment = std::vector<std::string>{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
                       .directory = {},
                       .input = bundle.has_terminal ? STDIN_FILENO : -1,
                       .output = output,
                       .own_group = !bundle.has_terminal});
  RuntimeResult result;
  result.status = child.wait();
  if (!result.status.success()) result.complaint = last_complaint(log);
  return result;
}

bool is_runtime_installed() {
  try {
    return !installed_runtimes().empty();
  } catch (const Error&) {
    return false;
  }
}

std::optional<Runtime> remembered_runtime(IdMapping id_mapping, const fs::path& memory,
                                          const std::string& machine) {
  const auto remembered = read_file_if_exists(memory, 64u << 10);
  if (!remembered) return std::nullopt;
  for (const fs::path& program : installed_runtimes())
    for (const bool has_seccomp : {true, false})
      for (const RuntimeMode& mode : kRuntimeModes) {
        const Runtime runtime{program, has_seccomp, mode};
        if (*remembered == identity_of(runtime, id_mapping, machine)) return runtime;
      }
  return std::nullopt;
}

Runtime find_runtime(IdMapping id_mapping, const fs::path& memory, const std::string& machine,
                     const fs::path& directory, const std::string& container) {
  if (auto remembered = remembered_runtime(id_mapping, memory, machine)) return *remembered;
  const std::vector<fs::path> programs = installed_runtimes();
  if (programs.empty())
    throw Error("cannot execute RUN: neither crun nor runc is installed",
                {.hint = "install an OCI runtime (Debian: apt install crun), or name another in " +
                         std::string(kVariable)});
  std::map<fs::path, std::string> defects;  // of the mode that asks for the least
  int number = 0;
  for (const bool has_seccomp : {true, false})
    for (const RuntimeMode& mode : kRuntimeModes)
      for (const fs::path& program : programs) {
        const fs::path place = directory / std::to_string(++number);
        fs::create_directories(place);
        const Runtime runtime{program, has_seccomp, mode};
        std::string why_not = defect(runtime, id_mapping, place, container);
        if (why_not.empty()) {
          remember(memory, identity_of(runtime, id_mapping, machine), container);
          return runtime;
        }
        if (has_seccomp) defects[program] = std::move(why_not);
      }
  std::string text;
  for (const fs::path& program : programs)
    text += fmt::format("; {}: {}", program.native(), defects[program]);
  throw Error("cannot execute RUN: no OCI runtime works" + text,
              {.hint = "install another OCI runtime (Debian: apt install crun runc), or name one in " +
                       std::string(kVariable)});
}

void remove_control_groups(const std::string& container) {
  const auto own = read_file_if_exists("/proc/self/cgroup");
  if (!own) return;
  const fs::path mounts = "/sys/fs/cgroup";
  for (const std::string_view line : split(*own, '\n')) {
    // "<number>:<controllers>:<path>" (cgroups(7)); no controllers is version 2.
    const auto fields = split(line, ':');
    if (fields.size() < 3) continue;
    const std::string below = std::string(fields[2]) + "/" + container;
    std::string controllers(fields[1]);
    if (controllers.starts_with("name=")) controllers.erase(0, 5);
    for (const std::string& root : {controllers, std::string("unified")})
      ::rmdir((mounts.native() + "/" + root + below).c_str());
    for (const std::string_view controller : split(controllers, ','))
      ::rmdir((mounts.native() + "/" + std::string(controller) + below).c_str());
  }
}

}  // namespace bottle::run
