// SPDX-License-Identifier: Apache-2.0
#include "util/shared_library.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bottle {
namespace {

using testing::HasSubstr;

TEST(SharedLibrary, FunctionsAreFound) {
  const SharedLibrary library("libm.so.6", "install a C library");
  double (*cosine)(double) = nullptr;
  library.find("cos", cosine);
  ASSERT_NE(cosine, nullptr);
  EXPECT_EQ(cosine(0), 1);
}

TEST(SharedLibrary, MissingLibraryIsAnErrorWithAHint) {
  try {
    const SharedLibrary library("libbottle-absent.so.1", "install it");
    FAIL();
  } catch (const LibraryError& error) {
    EXPECT_EQ(error.where(), "libbottle-absent.so.1");
    EXPECT_THAT(error.message(), HasSubstr("cannot load the library"));
    EXPECT_EQ(error.hint(), "install it");
  }
}

TEST(SharedLibrary, MissingFunctionIsNamed) {
  const SharedLibrary library("libm.so.6", "install a C library");
  void (*function)() = nullptr;
  try {
    library.find("bottle_absent", function);
    FAIL();
  } catch (const LibraryError& error) {
    EXPECT_EQ(error.where(), "libm.so.6");
    EXPECT_THAT(error.message(), HasSubstr("bottle_absent"));
  }
  EXPECT_EQ(function, nullptr);
}

}  // namespace
}  // namespace bottle
