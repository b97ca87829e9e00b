#include "run/runtime.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

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
std::string defect(const fs::path& runtime, IdMapping id_mapping, const fs::path& directory,
                   const std::string& container, bool has_seccomp) {
  const auto program = find_program("true");
  if (!program) return "cannot test it: the program \"true\" is missing";
  Bundle bundle;
  bundle.root = directory / "root";
  bundle.arguments = {program->native()};
  bundle.environment = {"PATH=/usr/bin:/bin"};
  bundle.id_mapping = id_mapping;
  bundle.has_seccomp = has_seccomp;
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

// Whether what is remembered still holds: the same file, as it was then, for the same kind of user.
std::string identity_of(const fs::path& runtime, IdMapping id_mapping, bool has_seccomp) {
  const Fd file = open_for_reading(runtime);
  const struct stat status = stat_of(file.get(), runtime.native());
  return fmt::format("{} {} {} {}.{} {}\n", to_string(id_mapping), escape_word(runtime.native()),
                     status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
                     has_seccomp ? "seccomp" : "no-seccomp");
}

}  // namespace

RuntimeResult execute(const fs::path& runtime, const fs::path& directory, const std::string& container,
                      const Bundle& bundle, int output) {
  const fs::path bundle_directory = directory / "bundle";
  const fs::path log = directory / "log.json";
  fs::create_directories(bundle_directory);
  write_file(bundle_directory / "config.json", bundle_config(bundle), Durable::no);
  Child child =
      start({.arguments = {runtime.native(), "--root", (directory / "state").native(), "--log", log.native(),
                           "--log-format", "json", "run", "--bundle", bundle_directory.native(), container},
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

Runtime find_runtime(IdMapping id_mapping, const fs::path& memory, const fs::path& directory,
                     const std::string& container) {
  std::vector<fs::path> programs;
  if (const std::string named = environment::value(environment::kOciRuntime); !named.empty()) {
    const auto program = find_program(named);
    if (!program)
      throw Error(fmt::format("{} names \"{}\", which is not installed", kVariable, named),
                  {.hint = "set the variable to an OCI runtime such as crun or runc"});
    programs = {*program};
  } else {
    for (const char* name : {"crun", "runc"})
      if (const auto program = find_program(name)) programs.push_back(*program);
  }
  const auto remembered = read_file_if_exists(memory, 64u << 10).value_or("");
  for (const bool has_seccomp : {true, false})
    for (const fs::path& program : programs)
      if (remembered == identity_of(program, id_mapping, has_seccomp)) return {program, has_seccomp};
  std::string defects;
  int number = 0;
  for (const bool has_seccomp : {true, false}) {
    for (const fs::path& program : programs) {
      const fs::path place = directory / std::to_string(++number);
      fs::create_directories(place);
      const std::string why_not = defect(program, id_mapping, place, container, has_seccomp);
      if (why_not.empty()) {
        // Others may be reading or writing it. Not an AtomicFile: in separate process namespaces they all
        // have the same process id.
        const fs::path fresh = memory.native() + "." + container;
        {
          const Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
          if (!file) throw_errno("cannot write", fresh.native());
          write_all(file.get(), identity_of(program, id_mapping, has_seccomp), fresh.native());
        }
        fs::rename(fresh, memory);
        return {program, has_seccomp};
      }
      if (has_seccomp) defects += fmt::format("; {}: {}", program.native(), why_not);
    }
  }
  if (defects.empty())
    throw Error("cannot execute RUN: neither crun nor runc is installed",
                {.hint = "install an OCI runtime (Debian: apt install crun), or name another in " +
                         std::string(kVariable)});
  throw Error("cannot execute RUN: no OCI runtime works" + defects,
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
