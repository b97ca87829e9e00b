// SPDX-License-Identifier: Apache-2.0
// What is done to every byte: digests, checksums, compression.
#include <benchmark/benchmark.h>

#include <span>
#include <string>

#include "data.hpp"
#include "pack/crc32.hpp"
#include "pack/zstd_frame.hpp"
#include "util/digest.hpp"

namespace bottle::bench {
namespace {

void count_bytes(benchmark::State& state, std::size_t size) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size));
}

void hash(benchmark::State& state) {
  const std::string data = some_bytes(static_cast<std::size_t>(state.range(0)));
  Sha256 hasher;
  for (auto _ : state) {
    hasher.update(data);
    benchmark::DoNotOptimize(hasher.finish());
  }
  count_bytes(state, data.size());
}
BENCHMARK(hash)->Arg(100)->Arg(10'000)->Arg(1 << 20);

void crc(benchmark::State& state) {
  const std::string data = some_bytes(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state)
    benchmark::DoNotOptimize(pack::crc32(0, data));
  count_bytes(state, data.size());
}
BENCHMARK(crc)->Arg(1 << 20);

void crc_combine(benchmark::State& state) {
  std::uint32_t value = 1;
  for (auto _ : state)
    benchmark::DoNotOptimize(value = pack::combine_crc32(value, 0x12345678u, 345'678));
}
BENCHMARK(crc_combine);

void compress(benchmark::State& state) {
  const std::string data = some_bytes(1 << 20);
  pack::FrameCompressor compressor(static_cast<int>(state.range(0)));
  std::size_t size = 0;
  for (auto _ : state)
    size = compressor.compress(std::as_bytes(std::span(data))).size();
  count_bytes(state, data.size());
  state.counters["ratio"] = static_cast<double>(size) / static_cast<double>(data.size());
}
BENCHMARK(compress)->ArgName("level")->Arg(1)->Arg(pack::kDefaultLevel);

}  // namespace
}  // namespace bottle::bench
