// SPDX-License-Identifier: Apache-2.0
#include "util/bytes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

namespace bottle {
namespace {

TEST(BufferPool, BuffersAreReused) {
  BufferPool pool;
  const std::byte* place = nullptr;
  {
    const std::shared_ptr<Bytes> buffer = pool.take(100'000);
    EXPECT_EQ(buffer->size(), 100'000u);
    place = buffer->data();
  }
  const std::shared_ptr<Bytes> again = pool.take(50'000);
  EXPECT_EQ(again->size(), 50'000u);
  EXPECT_EQ(again->data(), place);
  EXPECT_NE(pool.take(10)->data(), place);
}

TEST(BufferPool, BuffersOutliveThePool) {
  std::shared_ptr<const Bytes> buffer;
  {
    BufferPool pool;
    const std::shared_ptr<Bytes> made = pool.take(3);
    std::fill(made->begin(), made->end(), std::byte{7});
    buffer = made;
  }
  EXPECT_EQ((*buffer)[2], std::byte{7});
}

TEST(BufferPool, ServesSeveralThreads) {
  BufferPool pool;
  std::vector<std::thread> threads;
  for (unsigned char number = 1; number <= 4; ++number)
    threads.emplace_back([&pool, number] {
      for (std::size_t size = 1; size < 2000; ++size) {
        const std::shared_ptr<Bytes> buffer = pool.take(size);
        std::fill(buffer->begin(), buffer->end(), std::byte{number});
        EXPECT_EQ(std::count(buffer->begin(), buffer->end(), std::byte{number}),
                  static_cast<std::ptrdiff_t>(size));
      }
    });
  for (std::thread& thread : threads)
    thread.join();
}

}  // namespace
}  // namespace bottle
