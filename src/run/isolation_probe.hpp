// SPDX-License-Identifier: Apache-2.0
// What this process may do, found out by doing it in a child: the facts that a grade of isolation is chosen
// by.
#pragma once

#include <optional>

#include "run/isolation.hpp"
#include "store/store.hpp"

namespace bottle::run {

// Of the process alone, without a child: what the choice begins with.
MachineFacts process_facts();
// Fills in what concerns the grade. A runtime that was tried before and has not changed is not tried again.
void look_at(Grade grade, MachineFacts& facts, const store::Store& store);

// The grade of a build: looked for once, when it is needed.
class IsolationChoice {
 public:
  // `wanted`: the only one to take. Both must stay until the end.
  IsolationChoice(std::optional<Grade> wanted, const store::Store& store) : wanted_(wanted), store_(store) {}
  // The grade for a RUN with the network of this machine, or without a network.
  const Isolation& get(bool has_network = true);

 private:
  std::optional<Grade> wanted_;
  const store::Store& store_;
  std::optional<Isolation> found_;
  std::optional<Isolation> without_network_;
};

}  // namespace bottle::run
