// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/ports.hpp"

#include <gtest/gtest.h>

namespace bottle::dockerfile {
namespace {

using Words = std::vector<std::string>;

TEST(Ports, ReadsAllForms) {
  EXPECT_EQ(parse_port("80").ports, Words{"80/tcp"});
  EXPECT_EQ(parse_port("80/UDP").ports, Words{"80/udp"});
  EXPECT_EQ(parse_port("80/UDP").protocol, "UDP");
  EXPECT_EQ(parse_port("7-9/sctp").ports, (Words{"7/sctp", "8/sctp", "9/sctp"}));
  EXPECT_TRUE(parse_port("8080:80").has_host_part);
  EXPECT_TRUE(parse_port("127.0.0.1:8080:80").has_host_part);
  EXPECT_EQ(parse_port("[::1]:8080:80").ports, Words{"80/tcp"});
  EXPECT_EQ(parse_port("100-101:80-81").ports.size(), 2u);
  EXPECT_EQ(parse_port("100-105:80").ports, Words{"80/tcp"});
}

TEST(Ports, RefusesOthers) {
  for (const char* text :
       {"", "x", "80/icmp", "65536", "-1", "9-7", "80-", "1.2.3:80:80", "100-105:80-81", "/tcp", "80:"}) {
    EXPECT_THROW(parse_port(text), PortError) << text;
  }
}

}  // namespace
}  // namespace bottle::dockerfile
