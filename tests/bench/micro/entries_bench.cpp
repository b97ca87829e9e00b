// SPDX-License-Identifier: Apache-2.0
// What is done to every entry of a tree: tar headers, chunk boundaries and ids, layer indexes.
#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <vector>

#include "data.hpp"
#include "oci/layer_index.hpp"
#include "oci/tar_writer.hpp"
#include "pack/chunker.hpp"
#include "util/error.hpp"

namespace bottle::bench {
namespace {

constexpr std::size_t kEntries = 2'000;

void count_entries(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kEntries));
}

void tar_write(benchmark::State& state) {
  const std::vector<oci::Entry> entries = tree_entries(kEntries, 10'000);
  std::string headers;
  for (auto _ : state) {
    headers.clear();
    for (const oci::Entry& entry : entries)
      oci::append_tar_header(headers, entry, oci::TarStyle::pack);
    benchmark::DoNotOptimize(headers.data());
  }
  count_entries(state);
}
BENCHMARK(tar_write);

void chunk(benchmark::State& state) {
  const pack::Archive archive{
      "layer",
      tree_entries(kEntries, 10'000),
      {"context"},
      oci::ContentReader({}, [](const Digest&) -> fs::path { throw Error("there are no blobs here"); })};
  std::size_t chunks = 0;
  for (auto _ : state)
    chunks = pack::cut_chunks(archive).chunks.size();
  count_entries(state);
  state.counters["chunks"] = static_cast<double>(chunks);
}
BENCHMARK(chunk);

oci::LayerIndex some_index() {
  oci::LayerIndex index;
  index.root("context");
  index.entries = tree_entries(kEntries, 10'000);
  return index;
}

void index_write(benchmark::State& state) {
  const oci::LayerIndex index = some_index();
  for (auto _ : state)
    benchmark::DoNotOptimize(index.serialize());
  count_entries(state);
}
BENCHMARK(index_write);

void index_read(benchmark::State& state) {
  const std::string text = some_index().serialize();
  for (auto _ : state)
    benchmark::DoNotOptimize(oci::LayerIndex::parse(text, "index"));
  count_entries(state);
}
BENCHMARK(index_read);

}  // namespace
}  // namespace bottle::bench
