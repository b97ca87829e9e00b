// SPDX-License-Identifier: Apache-2.0
#include "util/worker.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <stdexcept>
#include <vector>

namespace bottle {
namespace {

TEST(Worker, WorksInOrder) {
  for (const std::size_t capacity : {0u, 1u, 5u}) {
    std::vector<int> done;
    Worker worker(capacity);
    for (int i = 0; i < 300; ++i)
      worker.add([&done, i] { done.push_back(i); });
    worker.finish();
    ASSERT_EQ(done.size(), 300u);
    for (int i = 0; i < 300; ++i)
      EXPECT_EQ(done[static_cast<std::size_t>(i)], i);
    worker.add([&done] { done.push_back(-1); });  // it can continue
    worker.finish();
    EXPECT_EQ(done.back(), -1);
  }
}

TEST(Worker, WorksBesideItsCaller) {
  std::promise<void> from_caller;
  std::promise<void> from_stage;
  Worker worker(1);
  worker.add([&] {
    from_stage.set_value();
    from_caller.get_future().wait();
  });
  from_stage.get_future().wait();
  from_caller.set_value();  // would never be reached if add() did the work
  worker.finish();
}

TEST(Worker, KeepsToItsCapacity) {
  std::atomic<int> waiting{0};
  std::atomic<int> most{0};
  Worker worker(3);
  for (int i = 0; i < 500; ++i) {
    worker.add([&] { --waiting; });
    // The one being added is counted late, the one being done not yet taken off.
    const int now = ++waiting;
    if (now > most) most = now;
  }
  worker.finish();
  EXPECT_EQ(waiting, 0);
  EXPECT_LE(most, 5);
}

TEST(Worker, AFailureStopsTheRest) {
  for (const std::size_t capacity : {0u, 2u}) {
    std::atomic<int> done{0};
    Worker worker(capacity);
    EXPECT_THROW(
        {
          for (int i = 0; i < 100; ++i)
            worker.add([&, i] {
              if (i == 3) throw std::runtime_error("three");
              ++done;
            });
          worker.finish();
        },
        std::runtime_error);
    EXPECT_EQ(done, 3);
  }
}

TEST(Worker, DropsQueuedWorkAtTheEnd) {
  std::promise<void> begun;
  std::promise<void> go;
  std::atomic<int> done{0};
  auto held = std::make_shared<int>(1);
  {
    Worker worker(4);
    worker.add([&] {
      begun.set_value();
      go.get_future().wait();
      ++done;
    });
    begun.get_future().wait();
    worker.add([&done, held] { ++done; });
    go.set_value();
  }
  EXPECT_GE(done, 1);
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace bottle
