// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "store/store.hpp"
#include "util/error.hpp"

namespace bottle::store {
namespace {

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

class PartialBlob : public testing::Test {
 protected:
  TemporaryDirectory directory_;
  Store store_ = Store::open(directory_.path() / "store");
};

TEST_F(PartialBlob, ContinuesWhereTheLastStopped) {
  const Digest digest = sha256(std::string_view("abcdef"));
  {
    Store::Partial first(store_, digest);
    EXPECT_EQ(first.size(), 0u);
    first.write(bytes("abc"));
  }
  Store::Partial second(store_, digest);
  EXPECT_EQ(second.size(), 3u);
  second.write(bytes("def"));
  EXPECT_EQ(second.commit().size, 6u);
  ASSERT_TRUE(store_.find_blob(digest));
  EXPECT_EQ(read_file(*store_.find_blob(digest)), "abcdef");
  EXPECT_EQ(Store::Partial(store_, digest).size(), 0u);
}

TEST_F(PartialBlob, HashesUnalignedPieces) {
  std::string text;
  for (std::uint64_t i = 0; text.size() < 5'000'000; ++i)
    text += std::to_string(i * 7919);
  const Digest digest = sha256(text);
  const auto write = [&](Store::Partial& partial, std::size_t begin, std::size_t end, std::size_t step) {
    for (std::size_t at = begin; at < end; at += step)
      partial.write(bytes(std::string_view(text).substr(at, std::min(step, end - at))));
  };
  {
    Store::Partial first(store_, digest);
    write(first, 0, 1'234'567, 10'007);
    EXPECT_EQ(first.size(), 1'234'567u);
  }
  Store::Partial second(store_, digest);
  EXPECT_EQ(second.size(), 1'234'567u) << "also what was not a whole block";
  second.restart();
  write(second, 0, 3'000'000, 700'001);
  write(second, 3'000'000, text.size(), 16'384);
  second.commit();
  EXPECT_TRUE(read_file(*store_.find_blob(digest)) == text);
}

TEST_F(PartialBlob, SecondConcurrentWriterStartsOver) {
  const Digest digest = sha256(std::string_view("abcdef"));
  Store::Partial first(store_, digest);
  first.write(bytes("abc"));
  Store::Partial second(store_, digest);
  EXPECT_EQ(second.size(), 0u);
  second.write(bytes("abcdef"));
  second.commit();
  first.write(bytes("def"));
  first.commit();
  EXPECT_EQ(read_file(*store_.find_blob(digest)), "abcdef");
}

TEST_F(PartialBlob, WrongContentIsDiscarded) {
  const Digest digest = sha256(std::string_view("abcdef"));
  {
    Store::Partial wrong(store_, digest);
    wrong.write(bytes("abcdeX"));
    EXPECT_THROW(wrong.commit(), Error);
    EXPECT_EQ(wrong.size(), 0u);
  }
  EXPECT_FALSE(store_.find_blob(digest));
  EXPECT_TRUE(fs::is_empty(store_.directory() / "tmp"));
}

}  // namespace
}  // namespace bottle::store
