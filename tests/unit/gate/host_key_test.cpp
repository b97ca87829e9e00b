// SPDX-License-Identifier: Apache-2.0
#include "gate/host_key.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "testing.hpp"
#include "util/file.hpp"
#include "util/process.hpp"
#include "util/text.hpp"

namespace bottle::gate {
namespace {

const fs::path kData = fs::path(BOTTLE_CONFORMANCE_DIR) / "data" / "known_hosts";

std::string refusal(const std::string& key) {
  return failure([&] { parse_public_key(key, "f#/key"); });
}

TEST(PublicKey, ThirdWordIsAComment) {
  const PublicKey key = parse_public_key(std::string("  ") + kKey + "  a  comment ", "f");
  EXPECT_EQ(key.line(), kKey);
}

TEST(PublicKey, ErrorsDescribeTheDefect) {
  EXPECT_NE(refusal("").find("found an empty text"), std::string::npos);
  EXPECT_NE(refusal("ssh-ed25519").find("found one word"), std::string::npos);
  EXPECT_NE(refusal(std::string(kKey) + "\nother").find("found a control character"), std::string::npos);
  EXPECT_NE(refusal("example.com " + std::string(kKey)).find("found a key of type \"example.com\""),
            std::string::npos);
  EXPECT_NE(refusal("ssh-ed25519 AAAA*").find("not base64"), std::string::npos);
  std::string other = kKey;
  other.replace(0, 11, "ssh-rsa");
  EXPECT_NE(refusal(other).find("not of the type ssh-rsa"), std::string::npos);
  EXPECT_EQ(refusal("ssh-ed25519").substr(0, 8), "f#/key: ");
}

TEST(PublicKey, EveryByteIsChecked) {
  const std::string good = kKey;
  // Every shorter blob, one that is longer, and base64 that is not canonical.
  for (std::size_t size = 12; size < good.size(); ++size)
    EXPECT_NE(refusal(good.substr(0, size)), "no error") << size;
  EXPECT_NE(refusal(good + "AAAA"), "no error");
  EXPECT_NE(refusal(good + "="), "no error");
}

TEST(PublicKey, AcceptsKeysOfSshKeygen) {
  if (!find_program("ssh-keygen")) GTEST_SKIP() << "needs ssh-keygen, which is not installed";
  const TemporaryDirectory directory;
  const std::vector<std::vector<std::string>> kinds{{"ed25519"},      {"ecdsa", "256"}, {"ecdsa", "384"},
                                                    {"ecdsa", "521"}, {"rsa", "1024"},  {"rsa", "2048"}};
  std::string known_hosts;
  std::vector<PublicKey> keys;
  for (const auto& kind : kinds) {
    const fs::path file = directory.path() / ("key" + std::to_string(keys.size()));
    std::vector<std::string> command{"ssh-keygen", "-q", "-t", kind[0], "-N",
                                     "",           "-C", "x",  "-f",    file.native()};
    if (kind.size() > 1) command.insert(command.end(), {"-b", kind[1]});
    ASSERT_TRUE(run_program({.arguments = command}).status.success());
    keys.push_back(parse_public_key(std::string(split(read_file(file.native() + ".pub"), '\n')[0]), "f"));
    EXPECT_EQ(read_file(file.native() + ".pub"), keys.back().line() + " x\n");
  }
  // ssh-keygen -F, which searches as ssh does, finds each of them under the name that ssh uses.
  const std::vector<std::pair<std::string, std::uint16_t>> hosts{
      {"example.com", 22}, {"Example.COM", 2222}, {"192.0.2.1", 22}, {"2001:db8::1", 22}, {"2001:db8::1", 9}};
  for (const Names names : {Names::plain, Names::hashed}) {
    std::string text;
    for (const auto& [host, port] : hosts)
      for (const PublicKey& key : keys)
        text += known_hosts_line(host, port, key, names) + "\n";
    const fs::path file = directory.path() / "known_hosts";
    write_file(file, text);
    for (const auto& [host, port] : hosts) {
      const ProcessResult found =
          run_program({.arguments = {"ssh-keygen", "-f", file.native(), "-F", known_hosts_name(host, port)}});
      ASSERT_TRUE(found.status.success()) << found.output;
      for (const PublicKey& key : keys)
        EXPECT_NE(found.output.find(" " + key.line()), std::string::npos)
            << host << port << key.type << found.output;
      EXPECT_EQ(std::count(found.output.begin(), found.output.end(), '#'), static_cast<int>(keys.size()));
    }
    EXPECT_FALSE(run_program({.arguments = {"ssh-keygen", "-f", file.native(), "-F", "[example.com]:2222"}})
                     .output.find("line 1 ") != std::string::npos);
    EXPECT_FALSE(run_program({.arguments = {"ssh-keygen", "-f", file.native(), "-F", "example.org"}})
                     .status.success());
  }
}

TEST(KnownHosts, HashedNamesAreDeterministic) {
  const PublicKey key = parse_public_key(kKey, "f");
  const std::string line = known_hosts_line("example.com", 22, key, Names::hashed);
  EXPECT_EQ(line, known_hosts_line("example.com", 22, key, Names::hashed));
  EXPECT_EQ(line.substr(0, 3), "|1|");
  EXPECT_EQ(line.find("example"), std::string::npos);
  EXPECT_NE(line, known_hosts_line("example.com", 23, key, Names::hashed));
}

// The keys and the file of OpenSSH's own regression tests.
TEST(KnownHosts, MatchesOpenSshsTestData) {
  if (!fs::exists(kData)) GTEST_SKIP() << "needs the conformance data";
  for (const char* type : {"rsa", "dsa", "ecdsa", "ed25519"})
    for (int number = 1; number <= 6; ++number) {
      const std::string text = read_file(kData / (std::string(type) + "_" + std::to_string(number) + ".pub"));
      const std::string line(split(text, '\n')[0]);
      EXPECT_EQ(line.find(parse_public_key(line, "f").line()), 0u) << line;
    }
  for (int number = 1; number <= 6; ++number) {
    const std::string text = read_file(kData / ("rsa1_" + std::to_string(number) + ".pub"));
    EXPECT_NE(refusal(std::string(split(text, '\n')[0])), "no error");
  }
  // Each line of the file is taken, or is one of those that the file itself calls invalid.
  bool invalid = false;
  int taken = 0;
  const std::string file = read_file(kData / "known_hosts");
  for (const std::string_view line : split(file, '\n')) {
    if (line.find("Some invalid lines") != std::string_view::npos) invalid = true;
    if (line.empty() || line.front() == '#') continue;
    std::string rest(line);
    if (rest.front() == '@') rest.erase(0, rest.find(' ') + 1);
    rest.erase(0, rest.find(' ') + 1);
    if (line.substr(0, 5) == "@what") continue;  // it is the marker that is wrong
    EXPECT_EQ(refusal(rest) == "no error", !invalid) << line << "\n" << refusal(rest);
    taken += invalid ? 0 : 1;
  }
  EXPECT_GT(taken, 20);
}

}  // namespace
}  // namespace bottle::gate
