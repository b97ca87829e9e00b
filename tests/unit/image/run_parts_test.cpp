// The parts of RUN that need no runtime: users, the forms of trees on the disk, configurations.
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "image/run/bundle.hpp"
#include "image/run/request.hpp"
#include "image/run/snapshot.hpp"
#include "image/run/unpack.hpp"
#include "image/run/user.hpp"
#include "oci/merged_tree.hpp"
#include "testing.hpp"
#include "util/json.hpp"

namespace bottle::image {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

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

TEST_F(RunDisk, ComesBackAsItWasWritten) {
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

TEST_F(RunDisk, TimesAreSetOnTheDiskAndToldAsTheyWere) {
  write_file(directory_.path() / "new", "text");
  const oci::LayerIndex found = read_tree(directory_.path(), options());
  ASSERT_EQ(found.entries.size(), 1u);
  EXPECT_GT(found.entries[0].mtime, 1000);
  EXPECT_EQ(found.entries[0].digest, sha256("text"));
  EXPECT_EQ(read_tree(directory_.path(), options()).entries[0].mtime, 1000);
}

TEST_F(RunDisk, IsRemovedEvenWhereItMayNotBeEntered) {
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
  bundle.identity = Identity::single;
  bundle.has_network = false;
  const Json config = Json::parse(bundle_config(bundle));
  EXPECT_EQ(config["hostname"], "buildkitsandbox");
  EXPECT_EQ(config["process"]["args"], Json(bundle.arguments));
  EXPECT_FALSE(config["process"]["user"].contains("additionalGids"));
  EXPECT_THAT(config["linux"]["namespaces"].dump(), HasSubstr("\"network\""));
  EXPECT_FALSE(config["linux"]["resources"].contains("devices"));

  bundle.identity = Identity::root;
  bundle.has_network = true;
  const Json other = Json::parse(bundle_config(bundle));
  EXPECT_EQ(other["process"]["user"]["additionalGids"], Json({7}));
  EXPECT_THAT(other["linux"]["namespaces"].dump(), Not(HasSubstr("\"network\"")));
}

TEST(RunBundle, LimitsWhatIsNotAskedFor) {
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

TEST(RunRequests, TextHoldsWhatDecidesTheResult) {
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
}  // namespace bottle::image
