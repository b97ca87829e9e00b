// SPDX-License-Identifier: Apache-2.0
#include "run/isolation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::run {
namespace {

struct NamedCapability {
  Capability capability;
  const char* name;
};

// Without one of these the files of an image cannot be made as they are, the root not changed, or what the
// command leaves running not ended. All are in Docker's default set.
constexpr std::array kChrootNeeds{NamedCapability{Capability::chown, "CHOWN"},
                                  NamedCapability{Capability::dac_override, "DAC_OVERRIDE"},
                                  NamedCapability{Capability::fowner, "FOWNER"},
                                  NamedCapability{Capability::fsetid, "FSETID"},
                                  NamedCapability{Capability::kill, "KILL"},
                                  NamedCapability{Capability::setgid, "SETGID"},
                                  NamedCapability{Capability::setuid, "SETUID"},
                                  NamedCapability{Capability::setfcap, "SETFCAP"},
                                  NamedCapability{Capability::sys_chroot, "SYS_CHROOT"},
                                  NamedCapability{Capability::mknod, "MKNOD"}};
// Without these root cannot map its own ids into a user namespace (user_namespaces(7)).
constexpr const char* kRequiresRoot = "requires root";
constexpr std::array kMapNeeds{NamedCapability{Capability::setuid, "SETUID"},
                               NamedCapability{Capability::setgid, "SETGID"},
                               NamedCapability{Capability::setfcap, "SETFCAP"}};

template <typename Needs>
std::vector<std::string> missing(const Needs& needs, const MachineFacts& facts) {
  std::vector<std::string> names;
  for (const NamedCapability& need : needs)
    if (!facts.has(need.capability)) names.emplace_back(need.name);
  return names;
}

// "the capability CAP_MKNOD is missing", "the capabilities CAP_CHOWN, CAP_MKNOD are missing"
std::string missing_text(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names)
    list += (list.empty() ? "CAP_" : ", CAP_") + name;
  return names.size() == 1 ? "the capability " + list + " is missing"
                           : "the capabilities " + list + " are missing";
}

// "Operation not permitted (the container's seccomp profile may refuse it)"
std::string refusal_text(int error, const MachineFacts& facts) {
  std::string text = std::generic_category().message(error);
  if (error == EPERM && facts.has_seccomp_filter)
    text += ", probably by the seccomp profile of the container";
  return text;
}

std::string user_namespace_problem(const MachineFacts& facts) {
  if (facts.user_namespace_error != 0) {
    std::string text =
        "the kernel refuses a user namespace: " + refusal_text(facts.user_namespace_error, facts);
    if (!facts.user_limit.empty()) text += " (" + facts.user_limit + ")";
    return text;
  }
  if (facts.inner_namespaces_error != 0) {
    std::string text = "the kernel refuses mount and process namespaces in a user namespace: " +
                       refusal_text(facts.inner_namespaces_error, facts);
    if (!facts.user_limit.empty()) text += " (" + facts.user_limit + ")";
    return text;
  }
  return {};
}

// How a container, or a machine, allows more. The first is the one with the fewest rights.
std::string remedy_of(const MachineFacts& facts, const std::vector<Refusal>& refusals) {
  const bool lacks_runtime = !facts.has_runtime_program;
  const std::string install = "install an OCI runtime (Debian: apt install crun)";
  const auto refused_by_kernel = [&] {
    return facts.user_namespace_error != 0 || facts.inner_namespaces_error != 0;
  };
  const bool looked_at_userns = std::any_of(refusals.begin(), refusals.end(), [](const Refusal& refusal) {
    return refusal.grade == Grade::userns;
  });
  if (!looked_at_userns) {
    if (!facts.runtime_hint.empty()) return facts.runtime_hint;
    if (lacks_runtime) return install;
    if (!refusals.empty() && refusals.front().grade == Grade::chroot && facts.uid == 0) {
      const auto names = missing(kChrootNeeds, facts);
      if (!names.empty()) return "add to the container: docker run --cap-add " + names.front();
    }
    return "choose another grade (--isolation auto), or another engine (--engine docker)";
  }
  const auto needs = facts.uid == 0 ? missing(kChrootNeeds, facts) : std::vector<std::string>();
  constexpr std::size_t kFew = 3;
  if (!needs.empty() && needs.size() <= kFew) {
    std::string options;
    for (const std::string& name : needs)
      options += " --cap-add " + name;
    return "add to the container: docker run" + options;
  }
  if (!needs.empty()) return "start the container with Docker's default capabilities, without --cap-drop ALL";
  if (facts.device_error != 0)
    return "put the store (BOTTLE_CACHE_DIR) on a file system with devices: a volume, or docker run --tmpfs "
           "DIR:exec,dev";
  if (refused_by_kernel()) {
    if (!facts.user_limit.empty() && !facts.has_seccomp_filter)
      return "allow user namespaces: sysctl -w " + facts.user_limit;
    std::string text = "allow user namespaces in the container: docker run --security-opt seccomp=unconfined";
    if (facts.uid != 0) text += ", or run it as root (--user 0)";
    return text + ", or use another engine (--engine docker)";
  }
  if (!facts.runtime_hint.empty()) return facts.runtime_hint;
  if (lacks_runtime) return install;
  return install + ", or use another engine (--engine docker)";
}

}  // namespace

const char* to_string(Grade grade) {
  switch (grade) {
    case Grade::runtime:
      return "runtime";
    case Grade::userns:
      return "userns";
    case Grade::chroot:
      return "chroot";
  }
  return "";
}

const std::vector<std::string>& isolation_words() {
  static const std::vector<std::string> kWords{"auto", "runtime", "userns", "chroot"};
  return kWords;
}

std::optional<Grade> parse_isolation(const std::string& word, const std::string& place) {
  if (word.empty() || word == "auto") return std::nullopt;
  for (const Grade grade : kGrades)
    if (word == to_string(grade)) return grade;
  throw UsageError(fmt::format("unknown isolation \"{}\": expected auto, runtime, userns or chroot", word),
                   {.where = place, .hint = "write auto for the strongest grade that works"});
}

std::string why_not(Grade grade, const MachineFacts& facts, bool is_wanted) {
  switch (grade) {
    case Grade::runtime:
      if (facts.uid != 0) return kRequiresRoot;
      if (!facts.has(Capability::sys_admin)) return "the capability CAP_SYS_ADMIN is missing";
      if (facts.namespaces_error != 0)
        return "the kernel refuses mount and process namespaces: " +
               refusal_text(facts.namespaces_error, facts);
      // A runtime brings up the loopback interface of the new network namespace.
      if (facts.needs_network_namespace && !facts.has(Capability::net_admin))
        return "the capability CAP_NET_ADMIN is missing, which --network=none requires";
      return facts.runtime_problem;
    case Grade::userns: {
      if (std::string problem = user_namespace_problem(facts); !problem.empty()) return problem;
      if (facts.uid == 0)
        if (const auto names = missing(kMapNeeds, facts); !names.empty())
          return "root cannot map its ids into a user namespace: " + missing_text(names);
      return facts.runtime_problem;
    }
    case Grade::chroot:
      if (facts.uid != 0) return kRequiresRoot;
      if (const auto names = missing(kChrootNeeds, facts); !names.empty()) return missing_text(names);
      if (!is_wanted && facts.has(Capability::sys_admin))
        return "not chosen by itself for a process with CAP_SYS_ADMIN, whose machine a command could change";
      if (facts.device_error != 0)
        return fmt::format("device nodes do not work in {}: {}", facts.store,
                           std::generic_category().message(facts.device_error));
      return {};
  }
  return {};
}

Isolation choose_isolation(std::optional<Grade> wanted, MachineFacts facts, const LookAt& look) {
  Isolation result;
  result.machine = facts.text();
  for (const Grade grade : kGrades) {
    if (wanted && *wanted != grade) continue;
    look(grade, facts);
    std::string reason = why_not(grade, facts, wanted.has_value());
    if (!reason.empty()) {
      result.refusals.push_back({grade, std::move(reason)});
      continue;
    }
    result.grade = grade;
    if (grade == Grade::userns) result.id_mapping = facts.uid == 0 ? IdMapping::identity : facts.user_mapping;
    break;
  }
  if (!result.is_reference()) result.remedy = remedy_of(facts, result.refusals);
  return result;
}

std::string MachineFacts::text() const {
  return fmt::format("uid={} capabilities={:x} filter={} no-new-privileges={}", uid, capabilities,
                     has_seccomp_filter ? 1 : 0, has_no_new_privileges ? 1 : 0);
}

std::string Isolation::reasons() const {
  std::string text;
  for (std::size_t i = 0; i < refusals.size(); ++i) {
    text += (text.empty() ? "" : "; ") + std::string(to_string(refusals[i].grade));
    for (; i + 1 < refusals.size() && refusals[i + 1].reason == refusals[i].reason; ++i)
      text += std::string(" and ") + to_string(refusals[i + 1].grade);
    text += ": " + refusals[i].reason;
  }
  return text;
}

std::string Isolation::text() const {
  std::string text = grade ? to_string(*grade) : "none";
  // For an ordinary user this grade is the strongest.
  const bool is_best = grade == Grade::userns && refusals.size() == 1 && refusals[0].reason == kRequiresRoot;
  const std::string why = is_best ? std::string() : reasons();
  return why.empty() ? text : text + " (" + why + ")";
}

void refuse_run(const Isolation& isolation) {
  throw Error((isolation.refusals.size() == 1 ? "cannot execute RUN with the isolation "
                                              : "cannot execute RUN: no grade of isolation works: ") +
                  isolation.reasons(),
              {.hint = isolation.remedy});
}

void refuse_feature(const Isolation& isolation, const std::string& what) {
  const std::string why = isolation.reasons();
  throw Error(
      fmt::format("{}: the isolation {} does not have that, but runtime and userns do{}", what,
                  to_string(isolation.grade.value_or(Grade::chroot)), why.empty() ? "" : " (" + why + ")"),
      {.hint = isolation.remedy});
}

}  // namespace bottle::run
