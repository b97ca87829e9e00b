// SPDX-License-Identifier: Apache-2.0
#include "registry/blob_sources.hpp"

#include <gtest/gtest.h>

namespace bottle::registry {
namespace {

using List = std::vector<std::string>;

TEST(BlobSources, LastRecordedRepositoryIsFirst) {
  const TemporaryDirectory directory;
  const store::Store store = store::Store::open(directory.path() / "store");
  const Digest blob = sha256("blob");
  EXPECT_EQ(blob_sources(store, blob, "r.example"), List{});
  note_blob_source(store, blob, oci::Reference::parse("r.example/a:1"));
  note_blob_source(store, blob, oci::Reference::parse("r.example/team/b"));
  note_blob_source(store, blob, oci::Reference::parse("s.example:5000/c"));
  EXPECT_EQ(blob_sources(store, blob, "r.example"), (List{"team/b", "a"}));
  note_blob_source(store, blob, oci::Reference::parse("r.example/a:2"));
  EXPECT_EQ(blob_sources(store, blob, "r.example"), (List{"a", "team/b"}));
  EXPECT_EQ(blob_sources(store, blob, "s.example:5000"), List{"c"});
  EXPECT_EQ(blob_sources(store, sha256("other"), "r.example"), List{});
}

TEST(BlobSources, RecordsEightRepositoriesOfARegistry) {
  const TemporaryDirectory directory;
  const store::Store store = store::Store::open(directory.path() / "store");
  const Digest blob = sha256("blob");
  for (int i = 0; i < 12; ++i)
    note_blob_source(store, blob, oci::Reference::parse("r.example/a" + std::to_string(i)));
  const List names = blob_sources(store, blob, "r.example");
  ASSERT_EQ(names.size(), 8u);
  EXPECT_EQ(names.front(), "a11");
  EXPECT_EQ(names.back(), "a4");
}

}  // namespace
}  // namespace bottle::registry
