// SPDX-License-Identifier: Apache-2.0
// The grades of isolation of a RUN, and the choice of one: the strongest that works on this machine.
//
//   runtime  an OCI runtime with all namespaces. As root with CAP_SYS_ADMIN.
//   userns   the same in a separate user namespace: for ordinary users, and for root in a container that has
//            no CAP_SYS_ADMIN but lets it make user namespaces.
//   chroot   a changed root directory, and nothing else: for root in a container with Docker's default
//            capabilities and seccomp profile. The container keeps the command apart, Bottle does not.
//
// `runtime` and `userns` give the same results. What `chroot` gives is kept under separate keys, because a
// command can notice it (no /proc of processes, another hostname).
// Source: capabilities(7), user_namespaces(7); Docker Engine, "Runtime privilege and Linux capabilities".
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "run/confinement.hpp"

namespace bottle::run {

enum class Grade { runtime, userns, chroot };
inline constexpr std::array kGrades{Grade::runtime, Grade::userns, Grade::chroot};  // the strongest first
const char* to_string(Grade grade);

// The words of --isolation; auto is nullopt.
const std::vector<std::string>& isolation_words();
// Throws a UsageError with the words for any other. `place` is for the error.
std::optional<Grade> parse_isolation(const std::string& word, const std::string& place);

// Capability numbers that the choice looks at (linux/capability.h).
enum class Capability : unsigned {
  chown = 0,
  dac_override = 1,
  fowner = 3,
  fsetid = 4,
  kill = 5,
  setgid = 6,
  setuid = 7,
  setpcap = 8,
  net_admin = 12,
  sys_chroot = 18,
  sys_admin = 21,
  mknod = 27,
  setfcap = 31,
};

// What was found out of this machine and process. A member that belongs to a grade is only meaningful once
// that grade was looked at.
struct MachineFacts {
  unsigned uid = 0;                // effective
  std::uint64_t capabilities = 0;  // effective, a bit each
  bool has_seccomp_filter = false;
  bool needs_network_namespace = false;  // a RUN without a network will be executed
  bool has_no_new_privileges = false;
  IdMapping user_mapping = IdMapping::single;  // of an ordinary user

  int namespaces_error = 0;        // runtime: errno of mount and process namespaces, 0 if they can be made
  int user_namespace_error = 0;    // userns: errno of a user namespace
  int inner_namespaces_error = 0;  // userns: of mount and process namespaces in it
  std::string user_limit;          // userns: the setting of the kernel that refuses it; "" if unknown
  std::string runtime_problem;  // runtime, userns: why no OCI runtime works in the namespaces; "" if one does
  std::string runtime_hint;     // and what to do
  bool has_runtime_program = true;  // one is installed
  int device_error = 0;             // chroot: errno of a device node in the store made and opened
  std::string store;                // where that was

  bool has(Capability capability) const {
    return (capabilities >> static_cast<unsigned>(capability) & 1) != 0;
  }
  // The rights of the process: what was tried with them holds for others with the same.
  std::string text() const;
};

struct Refusal {
  Grade grade;
  std::string reason;
};

// The grade to use, and why those before it are not; or none, and why not any.
struct Isolation {
  std::optional<Grade> grade;
  IdMapping id_mapping = IdMapping::root;  // that the grade works with
  std::string machine;                     // MachineFacts::text()
  std::vector<Refusal> refusals;           // strongest first
  std::string remedy;                      // of no grade, or of `chroot`: the shortest way to a stronger one

  // The results of the grade are those of the strongest one.
  bool is_reference() const { return grade && *grade != Grade::chroot; }
  // "chroot (runtime: ...; userns: ...)"
  std::string text() const;
  // "runtime: ...; userns: ...", or "" without any.
  std::string reasons() const;
};

// Why the grade cannot be used, by the facts of it; "" if it can. `is_wanted`: asked for by name, and not
// because stronger ones do not work.
std::string why_not(Grade grade, const MachineFacts& facts, bool is_wanted);
// Fills in what concerns the grade.
using LookAt = std::function<void(Grade, MachineFacts&)>;
// Looks at one grade after another, the strongest first, and at none beyond the first that works. `wanted` is
// the only one to look at.
Isolation choose_isolation(std::optional<Grade> wanted, MachineFacts facts, const LookAt& look);

// The Error of a RUN that no grade can execute.
[[noreturn]] void refuse_run(const Isolation& isolation);
// The Error of a RUN that needs what the grade cannot give: "--network=none requires a network namespace".
[[noreturn]] void refuse_feature(const Isolation& isolation, const std::string& what);

}  // namespace bottle::run
