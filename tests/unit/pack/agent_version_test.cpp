// SPDX-License-Identifier: Apache-2.0
#include "pack/agent_version.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixtures.hpp"
#include "pack/pack_file.hpp"
#include "pack/runtime.hpp"

namespace bottle::pack {
namespace {

using testing::Contains;
using testing::HasSubstr;

class AgentVersionTest : public testing::Test {
 protected:
  void agent(const std::string& script, const char* place = "usr/local/bin/smolvm-agent") {
    make_directories((rootfs_ / place).parent_path());
    write_file(rootfs_ / place, "#!/bin/sh\n" + script, Durable::no);
    fs::permissions(rootfs_ / place, fs::perms::owner_all);
  }
  void init(const char* target) {
    make_directories(rootfs_ / "sbin");
    fs::create_symlink(target, rootfs_ / "sbin/init");
  }
  std::string version() const {
    const AgentVersion found = ask_agent_version(rootfs_);
    return found.version ? found.version->string() : "unknown: " + found.problem;
  }

  TemporaryDirectory directory_;
  fs::path rootfs_ = directory_.path() / "agent-rootfs";
};

TEST_F(AgentVersionTest, IsTheOutputOfTheAgent) {
  agent("[ \"$*\" = --version ] && echo 1.15.0");
  EXPECT_EQ(version(), "1.15.0");
}

TEST_F(AgentVersionTest, FollowsInitWithinTheTree) {
  agent("echo 1.15.1", "opt/smolvm-agent");
  init("/opt/smolvm-agent");
  EXPECT_EQ(version(), "1.15.1");
}

TEST_F(AgentVersionTest, OtherProgramsAreNotStarted) {
  make_directories(rootfs_ / "sbin");
  agent("echo 1.2.3; touch " + (directory_.path() / "started").native(), "sbin/init");
  EXPECT_THAT(version(), HasSubstr("does not hold smolvm-agent"));
  fs::remove(rootfs_ / "sbin/init");
  init("../../../smolvm-agent");
  EXPECT_THAT(version(), HasSubstr("does not hold smolvm-agent"));
  EXPECT_FALSE(fs::exists(directory_.path() / "started"));
}

TEST_F(AgentVersionTest, UnknownVersionsAreExplained) {
  agent("exit 3");
  EXPECT_THAT(version(), HasSubstr("exit code 3"));
  agent("echo smolvm next");
  EXPECT_THAT(version(), HasSubstr("printed \"smolvm"));
  agent("yes");
  EXPECT_THAT(version(), HasSubstr("more than 256 bytes"));
  write_file(rootfs_ / "usr/local/bin/smolvm-agent", "\177ELF of another processor", Durable::no);
  EXPECT_THAT(version(), HasSubstr("cannot run"));
}

TEST_F(AgentVersionTest, IsWrittenToThePack) {
  test::PlanMaker maker(directory_.path() / "context");
  maker.file("a", "x");
  agent("echo 1.9.3");
  init("/usr/local/bin/smolvm-agent");
  store::Store store = store::Store::open(directory_.path() / "store");
  const auto packed = [&] {
    PackSettings settings;
    settings.options = test::options();
    settings.runtime = read_runtime(rootfs_, store);
    FrameCounts counts;
    AtomicFile output(directory_.path() / "pack", 0666, Durable::no);
    return write_pack(maker.plan(), settings, store, output.descriptor(), "pack", counts);
  };
  for (int times = 0; times < 2; ++times) {  // asked, then remembered
    const PackRecipe known = packed();
    EXPECT_EQ(parse_manifest(known.manifest, "m").smolvm_version, "1.9.3");
    EXPECT_TRUE(known.findings.warnings.empty());
  }
  agent("echo 1.7.7 # older");
  const PackRecipe old = packed();
  EXPECT_EQ(parse_manifest(old.manifest, "m").smolvm_version, "1.7.7");
  EXPECT_THAT(old.findings.warnings, Contains(HasSubstr("the agent belongs to smolvm 1.7.7")));
  agent("exit 1 # unknown");
  const PackRecipe unknown = packed();
  EXPECT_EQ(parse_manifest(unknown.manifest, "m").smolvm_version, "0.0.0+bottle." BOTTLE_VERSION);
  EXPECT_THAT(unknown.findings.warnings, Contains(HasSubstr("cannot determine the version of the agent")));
}

}  // namespace
}  // namespace bottle::pack
