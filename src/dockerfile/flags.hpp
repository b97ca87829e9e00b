// SPDX-License-Identifier: Apache-2.0
// The flags of one instruction: declared by name and kind, then parsed, with the nearest known flag for a
// wrong one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dockerfile/ast.hpp"

namespace bottle::dockerfile {

class FlagSet {
 public:
  enum class Kind { boolean, text, texts };
  struct Declared {
    std::string_view name;
    Kind kind;
  };

  // Throws SourceError: an unknown flag, one given twice, one without a value, a boolean that is neither.
  FlagSet(const Node& node, const SourceText& source, std::vector<Declared> declared);

  std::optional<bool> boolean(std::string_view name) const;
  std::optional<std::string> text(std::string_view name) const;
  std::vector<std::string> texts(std::string_view name) const;
  std::vector<std::string> used() const;           // sorted, each once
  Position position(std::string_view name) const;  // of its first use

 private:
  struct Value {
    std::string_view name;
    std::string text;
    Position position;
  };
  std::vector<Value> values_;
};

}  // namespace bottle::dockerfile
