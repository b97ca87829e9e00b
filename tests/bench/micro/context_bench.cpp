// SPDX-License-Identifier: Apache-2.0
// What is done to a context: the walk, with and without known digests, the Dockerfile, the ignore rules.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "data.hpp"
#include "dockerfile/ignore.hpp"
#include "dockerfile/instructions.hpp"
#include "dockerfile/stages.hpp"
#include "image/context/scan.hpp"
#include "util/file.hpp"

namespace bottle::bench {
namespace {

constexpr std::size_t kFiles = 2'000;

// state.range(0): whether the digests are known from an earlier walk.
void walk(benchmark::State& state) {
  const TemporaryDirectory directory;
  const fs::path context = directory.path() / "context";
  write_tree(context, kFiles, 1'000);
  const fs::path store = directory.path() / "store";
  const bool is_known = state.range(0) != 0;
  std::size_t read = 0;
  const auto scan_all = [&] {
    image::context::ScanOptions options;
    options.root = context;
    image::context::ContextScan scan(options, store);
    scan.take(copy::parse_source("data", false, {}));
    scan.close();
    scan.digest_files();
    read = scan.files_read();
    benchmark::DoNotOptimize(scan.index(0));
  };
  if (is_known) scan_all();
  for (auto _ : state) {
    if (!is_known) {
      state.PauseTiming();
      fs::remove_all(store);
      state.ResumeTiming();
    }
    scan_all();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kFiles));
  state.counters["read"] = static_cast<double>(read);
}
BENCHMARK(walk)->ArgName("known")->Arg(1)->Arg(0)->Unit(benchmark::kMillisecond)->UseRealTime();

std::string some_dockerfile() {
  std::string text = "# syntax is not named\nARG BASE=scratch\n";
  for (int stage = 0; stage < 5; ++stage) {
    const std::string name = std::to_string(stage);
    text += (stage == 0 ? "FROM ${BASE} AS stage0\n"
                        : "FROM stage" + std::to_string(stage - 1) + " AS stage" + name + "\n");
    text += "ARG VERSION=" + name + "\nENV A=1 B=\"two words\" PATH=/opt/$VERSION/bin:$PATH\nWORKDIR /srv/" +
            name + "\n";
    for (int line = 0; line < 8; ++line)
      text += "COPY --chown=1000:1000 data/" + std::to_string(line) +
              " *.conf /srv/data-${VERSION}/\nRUN apt-get update && \\\n"
              "    apt-get install -y --no-install-recommends git && \\\n    rm -rf /var/lib/apt/lists/*\n";
    text += "LABEL org.example.stage=\"" + name + "\"\nEXPOSE 80" + name +
            "0/tcp\nCMD [\"/srv/program\", \"--stage\", \"" + name + "\"]\n";
  }
  return text;
}

void parse(benchmark::State& state) {
  const std::string text = some_dockerfile();
  for (auto _ : state) {
    const dockerfile::Dockerfile file = dockerfile::parse_dockerfile(text);
    benchmark::DoNotOptimize(dockerfile::plan_stages(file, {}, {}));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(parse);

void match(benchmark::State& state) {
  const dockerfile::IgnoreMatcher matcher(dockerfile::read_ignore_file(
      "# what a project "
      "ignores\n.git\nbuild*/\n**/*.o\n**/__pycache__\nnode_modules\n*.log\n!keep.log\ndocs/**/*.tmp\ndata/*/"
      "other-*\n"));
  std::vector<std::string> paths;
  for (std::size_t number = 0; number < kFiles; ++number)
    paths.push_back(file_name(number));
  std::size_t ignored = 0;
  for (auto _ : state)
    for (const std::string& path : paths)
      ignored += matcher.matches(path) ? 1 : 0;
  benchmark::DoNotOptimize(ignored);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(paths.size()));
}
BENCHMARK(match);

}  // namespace
}  // namespace bottle::bench
