// SPDX-License-Identifier: Apache-2.0
#include "util/parallel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace bottle {
namespace {

TEST(ParallelOrdered, ConsumesInOrder) {
  for (const std::size_t threads : {1u, 2u, 7u}) {
    std::vector<std::size_t> squares(500);
    std::vector<std::size_t> seen;
    parallel_ordered(
        squares.size(), threads, 16, [&](std::size_t i) { squares[i] = i * i; },
        [&](std::size_t i) {
          EXPECT_EQ(squares[i], i * i);
          seen.push_back(i);
        });
    std::vector<std::size_t> expected(squares.size());
    std::iota(expected.begin(), expected.end(), std::size_t{0});
    EXPECT_EQ(seen, expected);
  }
}

TEST(ParallelOrdered, KeepsToTheWindow) {
  std::atomic<std::size_t> open{0};
  std::atomic<std::size_t> most{0};
  parallel_ordered(
      300, 4, 6,
      [&](std::size_t) {
        const std::size_t now = ++open;
        std::size_t old = most;
        while (now > old && !most.compare_exchange_weak(old, now)) {
        }
      },
      [&](std::size_t) { --open; });
  EXPECT_EQ(open, 0u);
  // An item's end is counted just before its place in the window is free.
  EXPECT_LE(most, 6u);
  EXPECT_GE(most, 1u);
}

TEST(ParallelOrdered, FirstFailureOfWorkStopsTheRest) {
  std::atomic<std::size_t> begun{0};
  const auto run = [&] {
    parallel_ordered(
        100000, 4, 8,
        [&](std::size_t i) {
          ++begun;
          if (i == 10) throw std::runtime_error("ten");
        },
        [](std::size_t i) { EXPECT_LT(i, 10u); });
  };
  EXPECT_THROW(run(), std::runtime_error);
  EXPECT_LT(begun, 100u);
}

TEST(ParallelOrdered, FailureOfConsumerStopsTheRest) {
  std::atomic<std::size_t> begun{0};
  const auto run = [&] {
    parallel_ordered(
        100000, 4, 8, [&](std::size_t) { ++begun; },
        [](std::size_t i) {
          if (i == 5) throw std::runtime_error("five");
        });
  };
  EXPECT_THROW(run(), std::runtime_error);
  EXPECT_LT(begun, 100u);
}

TEST(ParallelFor, RunsEachOnce) {
  std::vector<std::atomic<int>> times(1000);
  parallel_for(times.size(), 3, [&](std::size_t i) { ++times[i]; });
  EXPECT_TRUE(std::all_of(times.begin(), times.end(), [](const auto& count) { return count == 1; }));
  parallel_for(0, 3, [](std::size_t) { FAIL(); });
}

TEST(ParallelFor, AFailureStopsTheRest) {
  for (const std::size_t threads : {1u, 4u}) {
    std::atomic<std::size_t> begun{0};
    const auto run = [&] {
      parallel_for(1'000'000'000, threads, [&](std::size_t i) {
        ++begun;
        if (i == 10) throw std::runtime_error("ten");
      });
    };
    EXPECT_THROW(run(), std::runtime_error);
    EXPECT_LT(begun, 1'000'000'000u);
  }
}

TEST(Both, TasksRunInParallelOrInOrder) {
  for (const char* jobs : {"1", "2"}) {
    ::setenv("BOTTLE_JOBS", jobs, 1);
    for (const bool is_long : {false, true}) {
      bool here = false;
      std::thread::id beside;
      both(
          is_long, [&] { here = true; }, [&] { beside = std::this_thread::get_id(); });
      EXPECT_TRUE(here);
      const bool has_own_thread = is_long && std::string(jobs) == "2";
      EXPECT_EQ(beside != std::this_thread::get_id(), has_own_thread) << jobs << is_long;
      EXPECT_THROW(both(
                       is_long, [] {}, [] { throw std::runtime_error("beside"); }),
                   std::runtime_error);
      EXPECT_THROW(both(
                       is_long, [] { throw std::runtime_error("here"); }, [] {}),
                   std::runtime_error);
    }
    ::unsetenv("BOTTLE_JOBS");
  }
}

TEST(DefaultThreads, FollowsTheEnvironment) {
  ::setenv("BOTTLE_JOBS", "3", 1);
  EXPECT_EQ(default_threads(), 3u);
  for (const char* nonsense : {"0", "-1", "many", "3x", "99999999"}) {
    ::setenv("BOTTLE_JOBS", nonsense, 1);
    const std::size_t threads = default_threads();
    ::unsetenv("BOTTLE_JOBS");
    EXPECT_EQ(threads, default_threads()) << nonsense;
    EXPECT_GE(threads, 1u);
  }
}

}  // namespace
}  // namespace bottle
