// SPDX-License-Identifier: Apache-2.0
// The parts of RUN that need no runtime: users, the forms of trees on the disk, configurations.
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "oci/merged_tree.hpp"
#include "run/bundle.hpp"
#include "run/request.hpp"
#include "run/snapshot.hpp"
#include "run/targets.hpp"
#include "run/unpack.hpp"
#include "run/user.hpp"
#include "util/error.hpp"
#include "util/json.hpp"

namespace bottle::run {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// "" if it throws no Error.
template <typename Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

oci::Entry entry(const std::string& path, oci::EntryType type, std::uint16_t mode, std::string link = {}) {
  oci::Entry result;
  result.path = path;
  result.type = type;
  result.mode = mode;
  result.mtime = 1000;
  result.link = std::move(link);
  return result;
}

oci::Entry text_file(const std::string& path, std::string_view text) {
  oci::Entry result = entry(path, oci::EntryType::file, 0644);
  result.size = text.size();
  result.digest = sha256(text);
  return result;
}

class RunUsers : public ::testing::Test {
 protected:
  RunUsers() {
    oci::LayerIndex layer;
    layer.entries = {entry("etc", oci::EntryType::directory, 0755), text_file("etc/group", kGroup),
                     text_file("etc/passwd", kPasswd)};
    tree_.apply(layer, "layer");
  }
  RunUser resolve(std::string_view text) const {
    return resolve_run_user(text, tree_, [](const oci::Entry& found, const std::vector<std::string>&) {
      return std::string(found.digest == sha256(kPasswd) ? kPasswd : kGroup);
    });
  }

  static constexpr std::string_view kPasswd =
      "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/srv/web:/bin/sh\n";
  static constexpr std::string_view kGroup = "root:x:0:\nstaff:x:50:root,web\nother:x:51:nobody\nweb:x:34:\n";
  oci::MergedTree tree_;
};

TEST_F(RunUsers, AreFoundByName) {
  const RunUser web = resolve("web");
  EXPECT_EQ(web.uid, 33u);
  EXPECT_EQ(web.gid, 34u);
  EXPECT_EQ(web.home, "/srv/web");
  EXPECT_THAT(web.groups, ElementsAre(34u, 50u));
}

TEST_F(RunUsers, AreFoundByNumber) {
  EXPECT_EQ(resolve("33").gid, 34u);
  const RunUser unknown = resolve("1234");
  EXPECT_EQ(unknown.uid, 1234u);
  EXPECT_EQ(unknown.gid, 0u);
  EXPECT_EQ(unknown.home, "/");
  EXPECT_THAT(unknown.groups, ElementsAre(0u));
}

TEST(RunUser, WithoutPasswdHasTheRootAsHome) {
  const RunUser root =
      resolve_run_user("", oci::MergedTree(), [](const auto&, const auto&) { return std::string(); });
  EXPECT_EQ(root.uid, 0u);
  EXPECT_EQ(root.home, "/");
}

TEST_F(RunUsers, RootIsTheDefault) {
  const RunUser root = resolve("");
  EXPECT_EQ(root.uid, 0u);
  EXPECT_EQ(root.home, "/root");
  EXPECT_THAT(root.groups, ElementsAre(0u, 50u));
}

TEST_F(RunUsers, AGroupReplacesTheOthers) {
  const RunUser web = resolve("web:staff");
  EXPECT_EQ(web.gid, 50u);
  EXPECT_THAT(web.groups, ElementsAre(50u));
  EXPECT_EQ(resolve("7:8").gid, 8u);
}

TEST_F(RunUsers, UnknownNamesAreErrors) {
  EXPECT_THAT(error_of([&] { resolve("absent"); }), HasSubstr("\"absent\" is not in /etc/passwd"));
  EXPECT_THAT(error_of([&] { resolve("web:absent"); }), HasSubstr("\"absent\" is not in /etc/group"));
}

class RunDisk : public ::testing::Test {
 protected:
  static PackOptions options() {
    PackOptions result;
    result.root_name = "context:run";
    result.time_of = [](const oci::Entry& found) { return std::min<std::int64_t>(found.mtime, 1000); };
    return result;
  }
  TemporaryDirectory directory_;
};

TEST_F(RunDisk, TreeSurvivesARoundTrip) {
  std::vector<oci::Entry> entries{entry("", oci::EntryType::directory, 0751),
                                  entry("a", oci::EntryType::directory, 02750),
                                  entry("a/empty", oci::EntryType::file, 04711),
                                  entry("a/gone", oci::EntryType::whiteout, 0),
                                  entry("a/link", oci::EntryType::symlink, 0777, "../x y"),
                                  entry("a/name", oci::EntryType::hardlink, 0, "a/empty"),
                                  entry("p", oci::EntryType::fifo, 0600)};
  entries[2].digest = sha256("");
  const oci::ContentReader reader({}, [](const Digest&) { return fs::path(); });
  unpack(entries, {}, reader, directory_.path(), {.single_owner = true});

  const oci::LayerIndex found = read_tree(directory_.path(), options());
  std::string text;
  for (const oci::Entry& item : found.entries)
    text += item.path + " " + std::to_string(static_cast<int>(item.type)) + " " + std::to_string(item.mode) +
            " " + item.link.string() + " " + std::to_string(item.mtime) + "\n";
  std::string expected;
  for (const oci::Entry& item : std::span(entries).subspan(1)) {
    const bool is_marker = item.type == oci::EntryType::whiteout;
    const std::uint16_t mode = item.type == oci::EntryType::hardlink ? entries[2].mode : item.mode;
    expected += item.path + " " + std::to_string(static_cast<int>(item.type)) + " " + std::to_string(mode) +
                " " + item.link.string() + " " + std::to_string(is_marker ? 0 : item.mtime) + "\n";
  }
  EXPECT_EQ(text, expected);
  struct stat status {};
  ASSERT_EQ(::stat(directory_.path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0751u);
}

TEST_F(RunDisk, TimesAreSetAndOriginalsReturned) {
  write_file(directory_.path() / "new", "text");
  const oci::LayerIndex found = read_tree(directory_.path(), options());
  ASSERT_EQ(found.entries.size(), 1u);
  EXPECT_GT(found.entries[0].mtime, 1000);
  EXPECT_EQ(found.entries[0].digest, sha256("text"));
  EXPECT_EQ(read_tree(directory_.path(), options()).entries[0].mtime, 1000);
}

TEST_F(RunDisk, UnreadableDirectoriesAreRemoved) {
  const fs::path top = directory_.path() / "top";
  make_directories(top / "closed" / "below");
  write_file(top / "closed" / "below" / "file", "text");
  fs::permissions(top / "closed" / "below", fs::perms::none);
  fs::permissions(top / "closed", fs::perms::none);
  remove_tree(top);
  EXPECT_FALSE(fs::exists(top));
}

TEST(RunBundle, FollowsUserAndNetwork) {
  Bundle bundle;
  bundle.root = "/root/fs";
  bundle.arguments = {"/bin/sh", "-c", "true"};
  bundle.groups = {7};
  bundle.id_mapping = IdMapping::single;
  bundle.has_network = false;
  const Json config = Json::parse(bundle_config(bundle));
  EXPECT_EQ(config["hostname"], "buildkitsandbox");
  EXPECT_EQ(config["process"]["args"], Json(bundle.arguments));
  EXPECT_FALSE(config["process"]["user"].contains("additionalGids"));
  EXPECT_THAT(config["linux"]["namespaces"].dump(), HasSubstr("\"network\""));
  EXPECT_FALSE(config["linux"]["resources"].contains("devices"));

  bundle.id_mapping = IdMapping::root;
  bundle.has_network = true;
  const Json other = Json::parse(bundle_config(bundle));
  EXPECT_EQ(other["process"]["user"]["additionalGids"], Json({7}));
  EXPECT_THAT(other["linux"]["namespaces"].dump(), Not(HasSubstr("\"network\"")));
}

TEST(RunBundle, RunIsRestrictedByDefault) {
  Bundle bundle;
  const Json usual = Json::parse(bundle_config(bundle));
  EXPECT_EQ(usual["process"]["capabilities"]["bounding"].size(), 14u);  // Docker's default
  const Json& filter = usual["linux"]["seccomp"];
  EXPECT_EQ(filter["defaultAction"], "SCMP_ACT_ERRNO");
  std::set<std::string> names;
  for (const Json& name : filter["syscalls"][0]["names"])
    EXPECT_TRUE(names.insert(name.get<std::string>()).second) << name;
  for (const char* allowed : {"openat", "execve", "chroot", "ptrace", "futex"})
    EXPECT_TRUE(names.contains(allowed)) << allowed;
  for (const char* refused :
       {"mount", "unshare", "setns", "bpf", "init_module", "keyctl", "io_uring_setup", "clone3", "socket"})
    EXPECT_FALSE(names.contains(refused)) << refused;

  bundle.has_seccomp = false;
  EXPECT_FALSE(Json::parse(bundle_config(bundle))["linux"].contains("seccomp"));
  bundle.has_seccomp = true;
  bundle.is_insecure = true;
  const Json insecure = Json::parse(bundle_config(bundle));
  for (const char* limit : {"seccomp", "maskedPaths", "readonlyPaths"})
    EXPECT_FALSE(insecure["linux"].contains(limit)) << limit;
}

// The answer of a filter to a call whose first argument is `value`, by the rules of runc (several conditions
// for one argument are alternatives) or of libseccomp (all must hold).
bool allows(const Json& filter, const std::string& call, std::uint64_t value, bool alternatives) {
  const auto holds = [&](const Json& condition) {
    const auto operand = condition["value"].get<std::uint64_t>();
    const std::string operation = condition["op"];
    if (operation == "SCMP_CMP_EQ") return value == operand;
    if (operation == "SCMP_CMP_LT") return value < operand;
    if (operation == "SCMP_CMP_MASKED_EQ") return (value & operand) == condition["valueTwo"];
    ADD_FAILURE() << "a condition that lets values of more than 32 bits through: " << operation;
    return true;
  };
  for (const Json& rule : filter["syscalls"]) {
    const Json& names = rule["names"];
    if (rule["action"] != "SCMP_ACT_ALLOW" || std::find(names.begin(), names.end(), call) == names.end())
      continue;
    const Json conditions = rule.value("args", Json::array());
    const bool matches = alternatives && !conditions.empty()
                             ? std::any_of(conditions.begin(), conditions.end(), holds)
                             : std::all_of(conditions.begin(), conditions.end(), holds);
    if (matches) return true;
  }
  return false;
}

TEST(RunBundle, AllowsTheSameSocketsUnderEachRuntime) {
  const Json filter = Json::parse(bundle_config(Bundle()))["linux"]["seccomp"];
  const std::set<std::uint64_t> refused{12, 19, 20, 23, 25, 34, 37, 38, 40};
  for (const bool alternatives : {true, false})
    for (std::uint64_t family = 0; family < 64; ++family) {
      EXPECT_EQ(allows(filter, "socket", family, alternatives), family < 46 && !refused.contains(family))
          << family;
      EXPECT_FALSE(allows(filter, "socket", family | std::uint64_t{1} << 32, alternatives)) << family;
    }
  EXPECT_FALSE(allows(filter, "socketcall", 1, true));
}

TEST(RunBundle, HostInformationIsMasked) {
  const Json paths = Json::parse(bundle_config(Bundle()))["linux"]["maskedPaths"];
  for (const char* masked :
       {"/proc/interrupts", "/proc/kcore", "/sys/devices/virtual/powercap", "/sys/firmware"})
    EXPECT_NE(std::find(paths.begin(), paths.end(), masked), paths.end()) << masked;
  const bool is_there = fs::exists("/sys/devices/system/cpu/cpu0/thermal_throttle");
  EXPECT_EQ(
      std::find(paths.begin(), paths.end(), "/sys/devices/system/cpu/cpu0/thermal_throttle") != paths.end(),
      is_there);
}

class RunTargets : public ::testing::Test {
 protected:
  RunTargets() {
    bundle_.root = root();
    for (const char* name : {"root/dev", "root/etc", "root/run", "mounted", "outside"})
      make_directories(directory_.path() / name);
  }
  fs::path root() const { return directory_.path() / "root"; }
  void link(const char* path, const std::string& target) {
    fs::create_symlink(target, directory_.path() / path);
  }
  void mount(const char* target, const char* source = nullptr) {
    bundle_.mounts.push_back({.target = target,
                              .type = source == nullptr ? "tmpfs" : "bind",
                              .source = source == nullptr ? "tmpfs" : (directory_.path() / source).native()});
  }
  std::vector<std::string> settled() {
    settle_targets(bundle_);
    std::vector<std::string> targets;
    for (const BundleMount& item : bundle_.mounts)
      targets.push_back(item.target);
    return targets;
  }

  TemporaryDirectory directory_;
  Bundle bundle_;
};

TEST_F(RunTargets, StayInTheRoot) {
  link("root/up", "../../../..");
  link("root/absolute", (directory_.path() / "outside").native());
  link("root/chain", "up/absolute/x");
  EXPECT_EQ(resolve_in_root(root(), "/up/etc/y"), "etc/y");
  const std::string outside = (directory_.path() / "outside").native().substr(1);
  EXPECT_EQ(resolve_in_root(root(), "absolute/z"), outside + "/z");
  EXPECT_EQ(resolve_in_root(root(), "/chain/../w"), "w");
  EXPECT_EQ(resolve_in_root(root(), "chain"), outside + "/x");
  EXPECT_EQ(resolve_in_root(root(), "/"), "");
}

TEST_F(RunTargets, FollowLinksOfImages) {
  link("root/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf");
  link("root/var", "/run");
  for (const char* target : {"/etc/resolv.conf", "/var/secrets/x", "/new/a", "/dev/shm"})
    mount(target);
  EXPECT_THAT(settled(),
              ElementsAre("/run/systemd/resolve/stub-resolv.conf", "/run/secrets/x", "/new/a", "/dev/shm"));
}

TEST_F(RunTargets, FollowLinksOfEarlierMounts) {
  link("root/etc/below", "/run/hidden");
  link("mounted/below", "/run/shown");
  mount("/etc/below/x");
  mount("/etc", "mounted");
  mount("/etc/below/y");
  mount("/etc/new");
  mount("/etc");
  mount("/etc/below");
  EXPECT_THAT(settled(),
              ElementsAre("/run/hidden/x", "/etc", "/run/shown/y", "/etc/new", "/etc", "/etc/below"));
}

TEST_F(RunTargets, LinksIntoSystemDirectoriesAreRefused) {
  link("root/etc/hosts", "/proc/self/environ");
  mount("/etc/hosts");
  EXPECT_THAT(error_of([&] { settled(); }),
              HasSubstr("cannot mount on /etc/hosts: it resolves to /proc/self/environ"));
  bundle_.mounts.clear();
  mount("/etc/hosts");
  bundle_.mounts.back().gives_way = true;
  EXPECT_THAT(settled(), ElementsAre());
  link("root/top", "..");
  mount("/top");
  EXPECT_THAT(error_of([&] { settled(); }), HasSubstr("cannot mount on /top: it resolves to /;"));
  bundle_.mounts.clear();
  link("root/loop", "loop");
  mount("/loop/x");
  EXPECT_THAT(error_of([&] { settled(); }), HasSubstr("too many levels of symbolic links"));
}

TEST_F(RunTargets, RefuseASystemDirectoryThatIsALink) {
  for (const char* name : {"proc", "dev", "sys"}) {
    fs::remove(root() / name);
    link((std::string("root/") + name).c_str(), (directory_.path() / "outside").native());
    EXPECT_THAT(error_of([&] { settled(); }),
                HasSubstr(std::string("cannot mount on /") + name +
                          ": expected a directory in the image, found a symbolic link to"));
    fs::remove(root() / name);
  }
  write_file(root() / "dev", "");
  EXPECT_THAT(error_of([&] { settled(); }), HasSubstr("expected a directory in the image, found a file"));
}

TEST(RunRequests, TextCoversEverythingThatAffectsTheResult) {
  RunRequest request;
  request.arguments = {"sh", "-c", "a b"};
  request.environment = {{"A", "1"}};
  const std::string before = request.text();
  request.proxies = {{"http_proxy", "http://secret@proxy"}};
  EXPECT_EQ(request.text(), before);
  request.user = "web";
  EXPECT_NE(request.text(), before);
  request.user.clear();
  request.has_network = false;
  EXPECT_NE(request.text(), before);
  request.has_network = true;
  request.is_insecure = true;
  EXPECT_NE(request.text(), before);
  request.is_insecure = false;
  request.environment[0].second = "2";
  EXPECT_NE(request.text(), before);
}

}  // namespace
}  // namespace bottle::run
