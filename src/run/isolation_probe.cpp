// SPDX-License-Identifier: Apache-2.0
#include "run/isolation_probe.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <random>

#include "run/run_directory.hpp"
#include "run/runtime.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::run {
namespace {

// The hexadecimal number in a line of /proc/<pid>/status.
std::uint64_t status_bits(std::string_view status, std::string_view name) {
  for (const std::string_view line : split(status, '\n'))
    if (line.starts_with(name)) return std::stoull(std::string(line.substr(name.size())), nullptr, 16);
  return 0;
}

// Runs `attempt` in a child; what it returns (errno, or 0) for each of `count` attempts. 0 for all where the
// child itself was killed: then the attempt that counts will say more.
template <std::size_t count, typename Attempt>
std::array<int, count> in_child(const Attempt& attempt) {
  const Pipe pipe = make_pipe();
  const pid_t pid = ::fork();
  if (pid < 0) throw_errno("cannot start a process", "fork");
  std::array<int, count> errors{};
  if (pid == 0) {
    attempt(errors);
    (void)!::write(pipe.writer.get(), errors.data(), sizeof errors);
    ::_exit(0);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (exit_status(status).success()) (void)!::read(pipe.reader.get(), errors.data(), sizeof errors);
  return errors;
}

int unshare_error(int flags) {
  return ::unshare(flags) == 0 ? 0 : errno;
}

// The setting of the kernel that keeps this process from making user namespaces.
// Source: user_namespaces(7), namespaces(7); Debian's and Ubuntu's kernels for the two others.
std::string user_limit() {
  struct Setting {
    const char* file;
    const char* refusing;
    const char* allowing;
  };
  for (const Setting& setting :
       {Setting{"/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=15000"},
        Setting{"/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"},
        Setting{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
                "kernel.apparmor_restrict_unprivileged_userns=0"}}) {
    const std::string text = read_file_if_exists(setting.file, 4096).value_or("");
    if (text == std::string(setting.refusing) + "\n") return setting.allowing;
  }
  return {};
}

// A device node can be made in the store and opened: not on a file system mounted "nodev", nor where the
// control group forbids it.
int device_error(const fs::path& directory) {
  const fs::path node = directory / fmt::format(".null-{}-{:08x}", ::getpid(), std::random_device()());
  if (::mknod(node.c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0) return errno;
  const Fd opened(::open(node.c_str(), O_RDWR | O_CLOEXEC));
  const int error = opened ? 0 : errno;
  ::unlink(node.c_str());
  return error;
}

// Sets why no runtime works in the namespaces; what works is remembered (find_runtime()).
void look_at_runtime(IdMapping id_mapping, MachineFacts& facts, const store::Store& store) {
  facts.runtime_problem.clear();
  facts.runtime_hint.clear();
  const unsigned caller = ::geteuid();
  const fs::path place = store.work_directory({"run"});
  const fs::path memory = runtime_memory(place, id_mapping, caller);
  const std::string name = fmt::format("try-{}-{:08x}", ::getpid(), std::random_device()());
  try {
    if (remembered_runtime(id_mapping, memory, facts.text())) return;
    (void)run_confined(
        {.id_mapping = id_mapping}, Terminal::none,
        [&](int) {
          const RunDirectory directory(place, name);
          (void)find_runtime(id_mapping, memory, facts.text(), directory.path(),
                             run_container("probe-" + name));
          return std::string();
        },
        [](std::string_view) {});
  } catch (const Error& error) {
    constexpr std::string_view kIntroduction = "cannot execute RUN: ";
    facts.runtime_problem = error.message();
    if (facts.runtime_problem.starts_with(kIntroduction))
      facts.runtime_problem.erase(0, kIntroduction.size());
    facts.runtime_hint = error.hint();
  }
}

IdMapping mapping_of(Grade grade, const MachineFacts& facts) {
  if (grade != Grade::userns) return IdMapping::root;
  return facts.uid == 0 ? IdMapping::identity : facts.user_mapping;
}

// A runtime that worked with this process's rights needed the namespaces, so they need not be tried again.
// But two seccomp filters may refuse different calls, and their containers may share a store.
bool worked_before(Grade grade, const MachineFacts& facts, const store::Store& store) {
  if (grade == Grade::chroot || facts.has_seccomp_filter || !why_not(grade, facts, true).empty())
    return false;
  try {
    const IdMapping id_mapping = mapping_of(grade, facts);
    const fs::path memory = runtime_memory(store.work_directory({"run"}), id_mapping, ::geteuid());
    return remembered_runtime(id_mapping, memory, facts.text()).has_value();
  } catch (const Error&) {
    return false;  // the attempt finds and reports it
  }
}

}  // namespace

MachineFacts process_facts() {
  MachineFacts facts;
  facts.uid = ::geteuid();
  const std::string status = read_file("/proc/self/status");
  facts.capabilities = status_bits(status, "CapEff:\t");
  facts.has_seccomp_filter = status_bits(status, "Seccomp:\t") == 2;
  facts.has_no_new_privileges = ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
  facts.user_mapping = facts.uid == 0 ? IdMapping::root : available_id_mapping();
  return facts;
}

void look_at(Grade grade, MachineFacts& facts, const store::Store& store) {
  facts.has_runtime_program = is_runtime_installed();
  if (worked_before(grade, facts, store)) return;
  switch (grade) {
    case Grade::runtime:
      if (facts.uid != 0 || !facts.has(Capability::sys_admin)) return;
      facts.namespaces_error =
          in_child<1>([](auto& errors) { errors[0] = unshare_error(CLONE_NEWNS | CLONE_NEWPID); })[0];
      if (facts.namespaces_error == 0) look_at_runtime(mapping_of(grade, facts), facts, store);
      break;
    case Grade::userns: {
      const auto errors = in_child<2>([](auto& found) {
        found[0] = unshare_error(CLONE_NEWUSER);
        if (found[0] == 0) found[1] = unshare_error(CLONE_NEWNS | CLONE_NEWPID);
      });
      facts.user_namespace_error = errors[0];
      facts.inner_namespaces_error = errors[1];
      if (errors[0] != 0 || errors[1] != 0) facts.user_limit = user_limit();
      facts.runtime_problem.clear();
      if (why_not(grade, facts, true).empty()) look_at_runtime(mapping_of(grade, facts), facts, store);
      break;
    }
    case Grade::chroot:
      if (why_not(grade, facts, true).empty()) {
        const fs::path directory = store.work_directory({"run"}) / "run";
        make_directories(directory);
        facts.store = directory.native();
        facts.device_error = device_error(directory);
      }
      break;
  }
}

const Isolation& IsolationChoice::get(bool has_network) {
  const auto choose = [this](MachineFacts facts) {
    return choose_isolation(wanted_, std::move(facts),
                            [this](Grade grade, MachineFacts& found) { look_at(grade, found, store_); });
  };
  if (!found_) found_ = choose(process_facts());
  if (has_network || found_->grade != Grade::runtime) return *found_;
  if (!without_network_) {
    MachineFacts facts = process_facts();
    facts.needs_network_namespace = true;
    without_network_ = facts.has(Capability::net_admin) ? *found_ : choose(std::move(facts));
  }
  return *without_network_;
}

}  // namespace bottle::run
