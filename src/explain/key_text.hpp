// SPDX-License-Identifier: Apache-2.0
// Comparing two key texts: which inputs of a step were added, removed or changed, as data and as sentences.
// Key texts are sorted lines "<words> = <value>" (docs/formats/key.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bottle::explain {

struct Change {
  enum class Kind { added, removed, changed };
  Kind kind;
  // The words of the subject, unescaped: {"input", "context", "src/hello.c"}, {"tool"}, {"step", "003",
  // "base"}.
  std::vector<std::string> subject;
  std::string old_value;  // empty when added
  std::string new_value;  // empty when removed
};

// The differences, in the order in which people look for them: tool and options, sources, Dockerfile steps,
// arguments, files. Dockerfile steps are aligned by what they say, so a step put between others is one
// addition and not a change of all that follow it. Lines that are not key text are compared as they are.
std::vector<Change> compare_key_texts(std::string_view old_text, std::string_view new_text);

// One change as a sentence without a full stop: "context file src/hello.c changed (12 -> 15 bytes)".
std::string sentence(const Change& change);

// All of them, at most `limit` sentences for the files of one context; what is left out is counted: "... and
// 40 further files of the context (38 changed, 2 added)".
std::vector<std::string> sentences(const std::vector<Change>& changes, std::size_t limit = 20);

}  // namespace bottle::explain
