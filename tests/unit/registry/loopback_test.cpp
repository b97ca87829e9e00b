// SPDX-License-Identifier: Apache-2.0
#include "registry/loopback.hpp"

#include <gtest/gtest.h>

namespace bottle::registry {
namespace {

TEST(Reference, LoopbackHostsAreRecognized) {
  for (const char* registry : {"localhost", "localhost:1", "LOCALHOST:1", "x.localhost", "127.0.0.1",
                               "127.9.8.7:5", "[::1]", "[::1]:5"})
    EXPECT_TRUE(is_loopback(registry)) << registry;
  for (const char* registry : {"127.0.0.1.example.com", "localhost.example.com", "128.0.0.1", "127.0.0",
                               "0.0.0.0", "[::2]", "127.0.0.256"})
    EXPECT_FALSE(is_loopback(registry)) << registry;
}

}  // namespace
}  // namespace bottle::registry
