// SPDX-License-Identifier: Apache-2.0
// The choice of a grade of isolation by what was found out of a machine.
#include "run/isolation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "util/error.hpp"

namespace bottle::run {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::uint64_t kDocker = 0xa80425fb;  // Docker's default capabilities
constexpr std::uint64_t kAll = 0x1ffffffffff;

constexpr std::uint64_t bit(Capability capability) {
  return std::uint64_t{1} << static_cast<unsigned>(capability);
}

// What a machine allows, and the grades that were looked at.
struct Machine {
  MachineFacts facts;
  std::vector<Grade> looked;

  Isolation choose(std::optional<Grade> wanted = std::nullopt) {
    looked.clear();
    MachineFacts known;
    known.uid = facts.uid;
    known.capabilities = facts.capabilities;
    known.has_seccomp_filter = facts.has_seccomp_filter;
    known.user_mapping = facts.user_mapping;
    return choose_isolation(wanted, known, [this](Grade grade, MachineFacts& found) {
      looked.push_back(grade);
      found = facts;
    });
  }
};

Machine root_machine() {
  Machine machine;
  machine.facts.capabilities = kAll;
  return machine;
}

Machine docker_container() {
  Machine machine;
  machine.facts.capabilities = kDocker;
  machine.facts.has_seccomp_filter = true;
  machine.facts.user_namespace_error = EPERM;
  return machine;
}

std::string refusal(const Isolation& isolation) {
  try {
    refuse_run(isolation);
  } catch (const Error& error) {
    return error.message() + " / " + error.hint();
  }
}

TEST(Isolation, RootTakesTheRuntimeAndLooksAtNothingElse) {
  Machine machine = root_machine();
  const Isolation found = machine.choose();
  EXPECT_EQ(found.grade, Grade::runtime);
  EXPECT_EQ(found.id_mapping, IdMapping::root);
  EXPECT_TRUE(found.is_reference());
  EXPECT_EQ(found.text(), "runtime");
  EXPECT_THAT(machine.looked, ElementsAre(Grade::runtime));
}

TEST(Isolation, OrdinaryUserTakesAUserNamespace) {
  Machine machine;
  machine.facts.uid = 1000;
  machine.facts.user_mapping = IdMapping::subordinate;
  const Isolation found = machine.choose();
  EXPECT_EQ(found.grade, Grade::userns);
  EXPECT_EQ(found.id_mapping, IdMapping::subordinate);
  EXPECT_TRUE(found.is_reference());
  EXPECT_EQ(found.text(), "userns");
}

TEST(Isolation, RootWithoutSysAdminKeepsItsIdsInAUserNamespace) {
  Machine machine = docker_container();
  machine.facts.has_seccomp_filter = false;
  machine.facts.user_namespace_error = 0;
  const Isolation found = machine.choose();
  EXPECT_EQ(found.grade, Grade::userns);
  EXPECT_EQ(found.id_mapping, IdMapping::identity);
  EXPECT_EQ(found.text(), "userns (runtime: the capability CAP_SYS_ADMIN is missing)");
}

TEST(Isolation, RunWithoutANetworkNeedsNetAdminOrAUserNamespace) {
  Machine machine = root_machine();
  machine.facts.capabilities = kDocker | bit(Capability::sys_admin);
  EXPECT_EQ(machine.choose().grade, Grade::runtime);
  machine.facts.needs_network_namespace = true;
  const Isolation found = machine.choose();
  EXPECT_EQ(found.grade, Grade::userns);
  EXPECT_EQ(found.text(),
            "userns (runtime: the capability CAP_NET_ADMIN is missing, which --network=none requires)");
}

TEST(Isolation, DefaultContainerTakesChroot) {
  Machine machine = docker_container();
  const Isolation found = machine.choose();
  EXPECT_EQ(found.grade, Grade::chroot);
  EXPECT_EQ(found.id_mapping, IdMapping::root);
  EXPECT_FALSE(found.is_reference());
  EXPECT_EQ(found.text(),
            "chroot (runtime: the capability CAP_SYS_ADMIN is missing; userns: the kernel refuses a user "
            "namespace: Operation not permitted, probably by the seccomp profile of the container)");
  EXPECT_THAT(found.remedy, HasSubstr("--security-opt seccomp=unconfined"));
  EXPECT_THAT(machine.looked, ElementsAre(Grade::runtime, Grade::userns, Grade::chroot));
}

TEST(Isolation, UserOfADefaultContainerLearnsWhatToDo) {
  Machine machine = docker_container();
  machine.facts.uid = 1000;
  machine.facts.capabilities = 0;
  const Isolation found = machine.choose();
  EXPECT_FALSE(found.grade);
  EXPECT_THAT(refusal(found),
              AllOf(HasSubstr("no grade of isolation works: runtime: requires root; userns: "),
                    HasSubstr("; chroot: requires root"), HasSubstr("--user 0")));
}

// Each capability that chroot needs, taken away alone.
TEST(Isolation, ChrootNamesTheMissingCapability) {
  for (const auto& [capability, name] : {std::pair{Capability::chown, "CAP_CHOWN"},
                                         {Capability::dac_override, "CAP_DAC_OVERRIDE"},
                                         {Capability::fowner, "CAP_FOWNER"},
                                         {Capability::fsetid, "CAP_FSETID"},
                                         {Capability::kill, "CAP_KILL"},
                                         {Capability::setgid, "CAP_SETGID"},
                                         {Capability::setuid, "CAP_SETUID"},
                                         {Capability::setfcap, "CAP_SETFCAP"},
                                         {Capability::sys_chroot, "CAP_SYS_CHROOT"},
                                         {Capability::mknod, "CAP_MKNOD"}}) {
    Machine machine = docker_container();
    machine.facts.capabilities &= ~bit(capability);
    const Isolation found = machine.choose();
    EXPECT_FALSE(found.grade) << name;
    EXPECT_EQ(found.refusals.back().reason, std::string("the capability ") + name + " is missing");
    EXPECT_EQ(found.remedy, std::string("add to the container: docker run --cap-add ") + (name + 4));
  }
}

TEST(Isolation, RootThatCannotMapItsIdsHasNoUserNamespace) {
  Machine machine;  // --cap-drop ALL --security-opt seccomp=unconfined
  const Isolation found = machine.choose();
  EXPECT_FALSE(found.grade);
  EXPECT_EQ(found.refusals[1].reason,
            "root cannot map its ids into a user namespace: the capabilities CAP_SETUID, CAP_SETGID, "
            "CAP_SETFCAP are missing");
  EXPECT_THAT(found.remedy, HasSubstr("without --cap-drop ALL"));
}

TEST(Isolation, ChrootOfAPowerfulProcessMustBeNamed) {
  Machine machine = root_machine();
  machine.facts.has_runtime_program = false;
  machine.facts.runtime_problem = "neither crun nor runc is installed";
  const Isolation found = machine.choose();
  EXPECT_FALSE(found.grade);
  EXPECT_EQ(found.reasons(),
            "runtime and userns: neither crun nor runc is installed; chroot: not chosen by itself for a "
            "process with CAP_SYS_ADMIN, whose machine a command could change");
  EXPECT_THAT(found.remedy, HasSubstr("apt install crun"));
  EXPECT_EQ(machine.choose(Grade::chroot).grade, Grade::chroot);
  EXPECT_THAT(machine.looked, ElementsAre(Grade::chroot));
}

TEST(Isolation, NamedGradeIsTheOnlyOneLookedAt) {
  Machine machine = docker_container();
  const Isolation found = machine.choose(Grade::userns);
  EXPECT_FALSE(found.grade);
  EXPECT_THAT(machine.looked, ElementsAre(Grade::userns));
  EXPECT_THAT(refusal(found), HasSubstr("cannot execute RUN with the isolation userns: the kernel refuses"));
}

TEST(Isolation, LimitsOfTheKernelAreNamedWithTheirSetting) {
  Machine machine;
  machine.facts.uid = 1000;
  machine.facts.user_namespace_error = ENOSPC;
  machine.facts.user_limit = "user.max_user_namespaces=15000";
  const Isolation found = machine.choose();
  EXPECT_THAT(found.reasons(), HasSubstr("(user.max_user_namespaces=15000)"));
  EXPECT_EQ(found.remedy, "allow user namespaces: sysctl -w user.max_user_namespaces=15000");
}

TEST(Isolation, DevicesMustWorkInTheStore) {
  Machine machine = docker_container();
  machine.facts.device_error = EACCES;
  machine.facts.store = "/cache/run";
  const Isolation found = machine.choose();
  EXPECT_FALSE(found.grade);
  EXPECT_EQ(found.refusals.back().reason, "device nodes do not work in /cache/run: Permission denied");
  EXPECT_THAT(found.remedy, HasSubstr("BOTTLE_CACHE_DIR"));
}

TEST(Isolation, FeaturesOfOtherGradesAreErrors) {
  Machine machine = docker_container();
  const Isolation found = machine.choose();
  try {
    refuse_feature(found, "--network=none requires a network namespace");
  } catch (const Error& error) {
    EXPECT_THAT(error.message(),
                AllOf(HasSubstr("the isolation chroot does not have that, but runtime and userns do"),
                      HasSubstr("CAP_SYS_ADMIN is missing")));
    EXPECT_THAT(error.hint(), Not(IsEmpty()));
  }
}

TEST(Isolation, WordsAreParsed) {
  EXPECT_EQ(parse_isolation("", "x"), std::nullopt);
  for (const std::string& word : isolation_words())
    EXPECT_EQ(parse_isolation(word, "x") ? to_string(*parse_isolation(word, "x")) : "auto", word);
  EXPECT_THROW(parse_isolation("proot", "x"), UsageError);
}

}  // namespace
}  // namespace bottle::run
